"""Time the elements on one day of one station, and a plain ObsPy and NumPy chain.

Run as ``python -m benchmarks.elements`` (or ``make bench-elements``). Both chains do
the same: read a day of 20 Hz miniSEED, merge, demean, detrend, taper, band-pass,
one-bit, cut into windows of half an hour, transform, whiten. They run alternately, so
that other load of the machine affects both. The figures are medians of CPU time in one
thread.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import obspy
import scipy.fft
from obspy import Stream, Trace, UTCDateTime, read_inventory

from benchmarks.machine import describe
from dispel4py.core import GenericPE
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.spectra.window_spectra import WindowSpectra
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.measuring.quality_metrics import MeasureQuality
from seismo_pes.preprocessing.filters import Bandpass, Bandstop, Lowpass
from seismo_pes.preprocessing.merge import Merge
from seismo_pes.preprocessing.normalization import (
    Agc,
    Clip,
    Envelope,
    Gain,
    MeanNormalize,
    MultibandRam,
    OneBit,
    RunningAbsoluteMean,
    WaterLevel,
    Winsorize,
)
from seismo_pes.preprocessing.overlaps import ResolveOverlaps
from seismo_pes.preprocessing.quality import (
    AlignSamples,
    Despike,
    DropClipped,
    DropDuplicates,
    DropFlat,
    DropTransients,
    FillGaps,
    RestoreRate,
)
from seismo_pes.preprocessing.resampling import (
    Decimate,
    Resample,
    ResampleFourier,
    ResampleLanczos,
)
from seismo_pes.preprocessing.response import RemoveResponse
from seismo_pes.preprocessing.trends import (
    Demean,
    Detrend,
    DetrendPolynomial,
    DetrendSpline,
    Taper,
)
from seismo_pes.preprocessing.whitening import Whiten, WhitenPsd
from seismo_pes.reading.spans import ReadWaveforms
from seismo_pes.signal.whiten import band_weights
from seismo_pes.signal.window import WindowGrid

RATE_HZ = 20.0
DAY_NS = 86_400_000_000_000
START = UTCDateTime(2005, 1, 1)
WINDOW_S = 1800.0
MAX_LAG_S = 120.0
BAND_HZ = (0.1, 2.0)
TAPER_S = 60.0
CHANNEL = "BW.RJOB..EHZ"  # a channel of ObsPy's example inventory


def make_day(path: Path) -> None:
    """Write one day as in an archive: Steim2, records of 4096 bytes, one gap."""
    rng = np.random.default_rng(2015)
    n = round(86_400 * RATE_HZ)
    data = np.cumsum(rng.standard_normal(n)) + 200 * rng.standard_normal(n) + 5000
    network, station, location, channel = CHANNEL.split(".")
    header = {
        "network": network,
        "station": station,
        "location": location,
        "channel": channel,
        "sampling_rate": RATE_HZ,
        "starttime": START,
    }
    day = Trace(data.astype(np.int32), header)
    parts = Stream([day.slice(START, START + 49_999.95), day.slice(START + 50_020)])
    parts.write(str(path), format="MSEED", encoding="STEIM2", reclen=4096)


# -- the plain chain ----------------------------------------------------------------


def plain(path: Path) -> tuple[np.ndarray, dict[str, float]]:
    """Read and transform with ObsPy and NumPy, as scripts do; time each step."""
    clock = _Clock()
    stream = obspy.read(path)
    clock.lap("read")
    stream.merge(method=1, fill_value="interpolate")
    trace = stream[0]
    clock.lap("merge")
    trace.detrend("demean")
    clock.lap("demean")
    trace.detrend("linear")
    clock.lap("detrend")
    trace.taper(max_percentage=None, max_length=TAPER_S, type="hann")
    clock.lap("taper")
    low_hz, high_hz = BAND_HZ
    trace.filter("bandpass", freqmin=low_hz, freqmax=high_hz, corners=4, zerophase=True)
    clock.lap("bandpass")
    data = np.sign(trace.data)
    clock.lap("onebit")
    size = round(WINDOW_S * RATE_HZ)
    windows = data[: len(data) // size * size].reshape(-1, size)
    windows = windows - windows.mean(axis=1, keepdims=True)
    n_fft = scipy.fft.next_fast_len(size + round(MAX_LAG_S * RATE_HZ))
    spectra = np.fft.rfft(windows, n_fft, axis=1)
    weights, _ = band_weights(n_fft, RATE_HZ, *BAND_HZ)
    amplitude = np.abs(spectra)
    amplitude[amplitude == 0] = 1.0
    spectra = spectra / amplitude * weights
    clock.lap("windows, FFT, whiten")
    return spectra, clock.laps


# -- ours ---------------------------------------------------------------------------


def elements(path: Path) -> list[tuple[str, GenericPE]]:
    """Return the chain of elements that does the same."""
    grid = WindowGrid(START.ns, round(WINDOW_S * 1e9), round(WINDOW_S * 1e9))
    settings = SpectraSettings(grid, RATE_HZ, MAX_LAG_S, whiten_hz=BAND_HZ)
    low_hz, high_hz = BAND_HZ
    return [
        ("read", ReadWaveforms()),
        ("merge", Merge(START.ns, flat_s=WINDOW_S)),
        ("demean", Demean()),
        ("detrend", Detrend(kind="linear")),
        ("taper", Taper(seconds=TAPER_S)),
        ("bandpass", Bandpass(low_hz=low_hz, high_hz=high_hz)),
        ("onebit", OneBit()),
        ("windows, FFT, whiten", WindowSpectra(settings, {CHANNEL: 0})),
    ]


def ours(path: Path) -> tuple[np.ndarray, dict[str, float]]:
    """Read and transform with the elements; time each."""
    chain = elements(path)
    item: Any = ChannelSpan(
        CHANNEL, START.ns, START.ns + DAY_NS, (str(path),), 0, ("MSEED",)
    )
    clock = _Clock()
    for name, pe in chain:
        item = _output(pe, item)
        clock.lap(name)
    return item.data, clock.laps


def _output(pe: GenericPE, item: Any) -> Any:
    outputs: Any = pe.process({"input": item})
    (item,) = [output["output"] for output in outputs if "output" in output]
    return item


class _Clock:
    """CPU time from lap to lap, in seconds."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.process_time()

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.laps[name] = now - self._last
        self._last = time.process_time()


# -- response -----------------------------------------------------------------------


def response_days(repeats: int) -> dict[str, list[float]]:
    """Time the removal of the response on two days of a channel, and by ObsPy."""
    pre_filt = (0.005, 0.01, 8.0, 9.5)
    rng = np.random.default_rng(1)
    names = ("reading the StationXML", "first day", "second day", "obspy, each day")
    times: dict[str, list[float]] = {name: [] for name in names}
    inventory = read_inventory()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stations.xml"
        inventory.write(str(path), format="STATIONXML")
        for _ in range(repeats):
            pe = RemoveResponse(path, "VEL", pre_filt)
            times[names[0]].append(cpu_s(pe.preprocess))
            for name, day in (("first day", 0), ("second day", 1)):
                trace = _noise_day(rng, START + 86_400 * day)
                times[name].append(cpu_s(partial(_output, pe, trace)))
            trace = _noise_day(rng, START)
            by_obspy = partial(trace.remove_response, zero_mean=False, taper=False)
            times[names[3]].append(
                cpu_s(partial(by_obspy, inventory, "VEL", 60.0, pre_filt))
            )
    return times


def _noise_day(rng: np.random.Generator, start: UTCDateTime) -> Trace:
    network, station, _, channel = CHANNEL.split(".")
    header = {"network": network, "station": station, "channel": channel}
    return Trace(
        rng.standard_normal(round(86_400 * RATE_HZ)),
        header | {"sampling_rate": RATE_HZ, "starttime": start},
    )


def cpu_s(function: Callable[[], object]) -> float:
    """Return the CPU time of one call in seconds."""
    begin = time.process_time()
    function()
    return time.process_time() - begin


# -- single elements ----------------------------------------------------------------


def single_elements() -> list[GenericPE]:
    """Return the elements that are timed one by one."""
    low_hz, high_hz = BAND_HZ
    band = {"low_hz": low_hz, "high_hz": high_hz}
    return [
        *(Demean(), Detrend(kind="linear"), DetrendPolynomial(order=3)),
        *(DetrendSpline(knot_spacing_s=3600.0), Taper(seconds=TAPER_S)),
        *(Bandpass(**band), Bandstop(**band), Lowpass(corner_hz=high_hz)),
        Bandpass(**band, zero_phase=False),
        *(Resample(rate_hz=5.0), Resample(rate_hz=18.18), Decimate(factor=4)),
        *(ResampleLanczos(rate_hz=5.0), ResampleFourier(rate_hz=5.0)),
        *(OneBit(), Clip(), Winsorize(), RunningAbsoluteMean(window_s=10.0)),
        MultibandRam(bands_hz=[(0.1, 0.5), (0.5, 2.0)], window_s=10.0),
        *(MeanNormalize(), Envelope(), Gain(window_s=10.0), Agc(window_s=10.0)),
        *(WaterLevel(), Whiten(**band), WhitenPsd(**band, window_s=600.0)),
        *(FillGaps(max_gap_s=1.0), DropDuplicates(), DropFlat(shortest_s=10.0)),
        *(DropClipped(), DropTransients(k=10.0, window_s=60.0)),
        *(Despike(k=10.0, window_s=1.0), AlignSamples(), ResolveOverlaps()),
        *(RestoreRate(rate_hz=25.0), MeasureQuality(window_s=WINDOW_S)),
    ]


def element_times(repeats: int) -> dict[str, dict[str, float]]:
    """Time each element on a day of noise: CPU seconds, for float32 and float64."""
    rng = np.random.default_rng(2)
    times: dict[str, dict[str, float]] = {}
    for pe in single_elements():
        for kind in ("float32", "float64"):
            day = _noise_day(rng, START + 0.013)
            day.data = day.data.astype(kind)
            spent = [cpu_s(partial(_run, pe, day)) for _ in range(repeats)]
            times.setdefault(_format_element(pe), {})[kind] = statistics.median(spent)
    return times


def _run(pe: GenericPE, item: Any) -> list[Any]:
    outputs: Any = pe.process({"input": item})
    return list(outputs)


def _format_element(pe: GenericPE) -> str:
    parameters: Any = getattr(pe, "parameters", {})
    if not isinstance(parameters, dict):
        return type(pe).__name__
    given = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    return f"{type(pe).__name__}({given})"


# -- printing -----------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Print the times of both chains, of the response, and of each element."""
    parser = argparse.ArgumentParser(prog="bench-elements")
    parser.add_argument("--repeats", type=int, default=9, help="(default: 9)")
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    arguments = parser.parse_args(argv)
    repeats, few = arguments.repeats, max(3, arguments.repeats // 2)
    rounds = chain_rounds(repeats)
    print(
        "one day of one station, 20 Hz, 1.73 million samples: medians of CPU time of "
        f"{repeats} repetitions\n{describe()}"
    )
    _show_chains(rounds)
    days = response_days(few)
    _show_response(days)
    times = element_times(few)
    _show_elements(times)
    if arguments.out is not None:
        table = {
            "unit": "s of CPU",
            "station_day_samples": round(86_400 * RATE_HZ),
            "machine": describe(),
            "chains": rounds,
            "chain_ratios": _ratios(rounds),
            "response": days,
            "elements": times,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(table, indent=1) + "\n")
    return 0


def chain_rounds(repeats: int) -> dict[str, list[dict[str, float]]]:
    """Time both chains alternately."""
    rounds: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.mseed"
        make_day(path)
        for chain in (plain, ours):
            chain(path)  # fills caches, imports modules
        for _ in range(repeats):
            rounds["plain"].append(plain(path)[1])
            rounds["ours"].append(ours(path)[1])
    return rounds


def _ratios(rounds: dict[str, list[dict[str, float]]]) -> list[float]:
    return [
        sum(ours.values()) / sum(plain.values())
        for ours, plain in zip(rounds["ours"], rounds["plain"], strict=True)
    ]


def _show_chains(rounds: dict[str, list[dict[str, float]]]) -> None:
    print(f"{'':24}{'plain':>12}{'ours':>12}{'ours/plain':>12}")
    for name in rounds["plain"][0]:
        _show_row(name, *([r[name] for r in rounds[who]] for who in rounds))
    _show_row("sum", *([sum(r.values()) for r in rounds[who]] for who in rounds))
    low, high = min(_ratios(rounds)), max(_ratios(rounds))
    print(f"ratios ours/plain: {low:.2f} to {high:.2f}, goal: at most 0.60")


def _show_elements(times: dict[str, dict[str, float]]) -> None:
    print(f"\n{'single elements':64}{'float32':>12}{'float64':>12}")
    for name, spent in times.items():
        cells = "".join(f"{1e3 * seconds:9.1f} ms" for seconds in spent.values())
        print(f"{name:64}{cells}")


def _show_row(name: str, plain_s: list[float], ours_s: list[float]) -> None:
    first, second = statistics.median(plain_s), statistics.median(ours_s)
    ratio = f"{second / first:.2f}" if first > 1e-4 else "-"
    print(f"{name:24}{1e3 * first:9.1f} ms{1e3 * second:9.1f} ms{ratio:>12}")


def _show_response(times: dict[str, list[float]]) -> None:
    print("\nresponse removal")
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:24}{1e3 * value:9.1f} ms")
    second, first = medians["second day"], medians["first day"]
    whole = first + medians["reading the StationXML"]
    print(f"second day / first day: {second / first:.2f}, goal: at most 0.50")
    print(f"second day / first day with the StationXML: {second / whole:.2f}")
    print(f"second day / obspy's: {second / medians['obspy, each day']:.2f}")


if __name__ == "__main__":
    sys.exit(main())
