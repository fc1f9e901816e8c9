"""Preprocessed samples do not depend on the cuts of an archive, element by element.

A record of two days is cut at random places and near midnight. An element whose effect
has a reach must give the samples that it gives where no cut is near: the truth is the
same record half a day later, so that its midnight is at noon. An element that is
defined over the whole record must give the same samples for any cuts.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from obspy import Inventory, Trace, UTCDateTime
from obspy.core.inventory import Channel, Network, Response, Station

from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.items.waveforms import Waveforms
from seismo_pes.reading.spans import ReadWaveforms
from seismo_pes.signal.filter import lowpass
from xcorr_app.config import Config
from xcorr_app.planning.plan import plan_run
from xcorr_app.planning.preprocess import Preprocess
from xcorr_app.planning.steps import elements
from xcorr_app.workflow import Spans

DAY = UTCDateTime(2024, 3, 1)
N = 2 * 86400  # samples at 1 Hz
MIDNIGHT = 86400
HALF = 43200
LIMIT = 2.5  # of the recorder, for records of standard deviation 1
CODES = "LHZ", "LHN", "LHE"

# Elements with a reach: the same samples as far from any cut. The tolerance is relative
# to the root mean square of the truth.
LOCAL = {
    "Agc": "Agc(window_s=90)",
    "AlignSamples": "AlignSamples()",
    "Bandpass": "Bandpass(low_hz=0.02, high_hz=0.1)",
    "Bandstop": "Bandstop(low_hz=0.1, high_hz=0.2)",
    "Clip": "Clip(level=1.5)",
    "Decimate": "Decimate(factor=2)",
    "Despike": "Despike(k=6, window_s=30)",
    "DropClipped": f"DropClipped(level={LIMIT}, pad_s=20)",
    "DropDuplicates": "DropDuplicates()",
    "DropFlat": "DropFlat(shortest_s=25)",
    "Envelope": "Envelope(n=40)",
    "FillGaps": "FillGaps(max_gap_s=10)",
    "Gain": "Gain(window_s=90)",
    "Highpass": "Highpass(corner_hz=0.01)",
    "Lowpass": "Lowpass(corner_hz=0.1, zero_phase=False)",
    "MultibandRam": "MultibandRam(bands_hz=[[0.02, 0.05], [0.05, 0.2]], window_s=90)",
    "Normalize": "Normalize(kind='ram', ram_window_s=90)",
    "OneBit": "OneBit()",
    "Orient": "Orient()",
    "RemoveResponse": "RemoveResponse(pre_filt=[0.005, 0.01, 0.3, 0.4])",
    "ReplaceRate": "ReplaceRate(rate_hz=1.0)",
    "RequireNyquist": "RequireNyquist(above_hz=0.2)",
    "Resample": "Resample(rate_hz=0.4)",
    "ResampleLanczos": "ResampleLanczos(rate_hz=0.4)",
    "ResolveOverlaps": "ResolveOverlaps(rule='mean')",
    "RestoreRate": "RestoreRate(rate_hz=0.5)",
    "RunningAbsoluteMean": "RunningAbsoluteMean(window_s=90, across_components=True)",
    "SplitEpochs": "SplitEpochs()",
    "Taper": "Taper(seconds=1800)",
    "TrimToGrid": "TrimToGrid(rate_hz=0.5)",
}
# Elements that are defined over the record: that of the UTC day, for any cuts.
WHOLE = {
    "Clip": "Clip(n_std=2)",
    "Demean": "Demean()",
    "Detrend": "Detrend(kind='linear')",
    "DetrendPolynomial": "DetrendPolynomial(order=3)",
    "DetrendSpline": "DetrendSpline(knot_spacing_s=7200)",
    "DropClipped": "DropClipped()",
    "DropTransients": "DropTransients(k=8, window_s=600)",
    "MeanNormalize": "MeanNormalize()",
    "Normalize": "Normalize(kind='clip')",
    "RemoveResponse": "RemoveResponse()",
    "ResampleFourier": "ResampleFourier(rate_hz=0.5)",
    "WaterLevel": "WaterLevel(level=2)",
    "Whiten": "Whiten(low_hz=0.02, high_hz=0.2)",
    "WhitenPsd": "WhitenPsd(low_hz=0.02, high_hz=0.2, window_s=600)",
    "Winsorize": "Winsorize(n_rms=2)",
}


def spiky(data: np.ndarray) -> None:
    data[[MIDNIGHT - 3, MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 4, 5000]] += 60


def flat(data: np.ndarray) -> None:
    data[MIDNIGHT - 15 : MIDNIGHT + 15] = 0.5  # half of the shortest run on each side


def clipped(data: np.ndarray) -> None:
    data[MIDNIGHT - 2 : MIDNIGHT + 2] = LIMIT
    np.clip(data, -LIMIT, LIMIT, out=data)


def smooth(data: np.ndarray) -> None:
    data[:] = lowpass(data, 1.0, 0.25)


def plain(data: np.ndarray) -> None:
    """Change nothing."""


MARKS = {
    "Despike": spiky,
    "DropTransients": spiky,
    "DropFlat": flat,
    "DropClipped": clipped,
}


TOGETHER = "Orient", "RunningAbsoluteMean"  # need all components


@pytest.fixture(scope="module")
def inventory(tmp_path_factory) -> str:
    """Station metadata of a seismometer of 120 s, turned by 30 degrees."""
    response = Response.from_paz(
        *([0, 0], [-0.037 + 0.037j, -0.037 - 0.037j], 1e3),
        *(0.2, "M/S", "COUNTS", 0.2),
    )
    directions = {"LHZ": (0, -90), "LHN": (30, 0), "LHE": (120, 0)}
    channels = [
        Channel(code, "", 1, 2, 0, 0, azimuth=azimuth, dip=dip, response=response)
        for code, (azimuth, dip) in directions.items()
    ]
    path = tmp_path_factory.mktemp("metadata") / "stations.xml"
    networks = [Network("XX", [Station("AAA", 1, 2, 0, channels=channels)])]
    Inventory(networks, "test").write(str(path), "STATIONXML")
    return str(path)


def random_cuts(name: str) -> list[int]:
    """Return places of cuts that depend on a name, some of them near midnight."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    near = MIDNIGHT + rng.integers(-2000, 2000, 3)
    return sorted({*rng.integers(1, N, 9).tolist(), *near.tolist(), MIDNIGHT - 1})


def write(
    folder: Path,
    cuts: list[int],
    shift_s: float = 0.0,
    mark: Callable[[np.ndarray], None] = plain,
    missing: tuple[int, int] = (0, 0),
    codes: tuple[str, ...] = CODES[:1],
    late_s: float = 0.0,
) -> None:
    """Write the record of each channel, cut into files."""
    folder.mkdir()
    for k, code in enumerate(codes):
        data = np.random.default_rng(k).standard_normal(N)
        mark(data)
        edges = sorted({0, *cuts, *missing, N})
        for low, high in itertools.pairwise(edges):
            if missing[0] <= low < missing[1]:
                continue
            header = {"network": "XX", "station": "AAA", "channel": code}
            header |= {"sampling_rate": 1.0, "starttime": DAY + shift_s + late_s + low}
            trace = Trace(data[low:high].copy(), header)
            trace.write(str(folder / f"{code}.{low:06d}.mseed"), "MSEED")


def preprocessed(folder: Path, shift_s: float = 0.0, **options: object) -> np.ndarray:
    """Return times since the start of the record, and samples, of all channels.

    Shape (2, n); the flat intervals follow as samples of value 1000.
    """
    stations = folder.parent / "stations.txt"
    stations.write_text("XX AAA 1 2\n")
    fixed: dict[str, object] = {
        "window_s": 3600,
        "max_lag_s": 60,
        "pairs": ["auto"],
        "dtype": "float64",
    }
    names = {"stations": str(stations), "data": str(folder), "out": str(folder / "o")}
    config = Config(**names, **(fixed | options))
    plan = plan_run(config)
    graph, spans, read = WorkflowGraph(), Spans(), ReadWaveforms()
    graph.connect(spans, "output", read, "input")
    graph.connect(read, "output", Preprocess(plan), "input")
    given = [{"input": span} for span in plan.spans]
    outputs = run_graph(graph, {"Spans": given}).outputs
    items = [item for ports in outputs.values() for item in ports.get("output", [])]
    assert items
    rows: dict[tuple[str, float], np.ndarray] = {}
    for item in items:
        rows |= _rows(item, (DAY + shift_s).ns)
    return np.concatenate([rows[key] for key in sorted(rows)], axis=1)


def _rows(item: Waveforms, origin_ns: int) -> dict[tuple[str, float], np.ndarray]:
    rows = {}
    for trace in item.stream:
        since_s = (trace.stats.starttime.ns - origin_ns) / 1e9
        times = since_s + np.arange(trace.stats.npts) * trace.stats.delta
        rows[trace.id, since_s] = np.stack([times, trace.data])
    for channel in item.channels:
        for limits in channel.flat:
            times = (np.array(limits) - origin_ns) / 1e9
            rows["flat", times[0]] = np.stack([times, np.full(2, 1000.0)])
    return rows


def assert_same(result: np.ndarray, truth: np.ndarray, tolerance: float) -> None:
    assert result.shape == truth.shape
    np.testing.assert_allclose(result[0], truth[0], atol=1e-6)
    scale = np.sqrt(np.mean(np.square(truth[1])))
    np.testing.assert_allclose(result[1], truth[1], rtol=0, atol=tolerance * scale)


def test_the_tables_have_all_elements() -> None:
    """`CorrectClock` has tests of its own, because it needs a table."""
    assert {*LOCAL, *WHOLE} == {*elements()} - {"CorrectClock"}


@pytest.mark.parametrize("name", LOCAL)
def test_an_element_does_not_see_the_cuts(name: str, tmp_path, inventory) -> None:
    mark = MARKS.get(name, plain)
    options: dict[str, object] = {"steps": LOCAL[name], "inventory": inventory}
    codes = CODES if name in TOGETHER else CODES[:1]
    if name in TOGETHER:
        options["components"] = ["ZNE"]
    write(tmp_path / "a", random_cuts(name), mark=mark, codes=codes)
    result = preprocessed(tmp_path / "a", **options)
    write(tmp_path / "b", [HALF], HALF, mark=mark, codes=codes)
    truth = preprocessed(tmp_path / "b", HALF, **options)
    # of the first samples of a day; the mean error of a window is below 1e-6
    tolerance = 5e-6 if name == "RemoveResponse" else 1e-6
    assert_same(result, truth, tolerance)


@pytest.mark.parametrize("name", WHOLE)
def test_the_record_of_a_day_is_the_same_for_any_cuts(
    name: str, tmp_path, inventory
) -> None:
    mark = MARKS.get(name, plain)
    options: dict[str, object] = {"steps": WHOLE[name], "inventory": inventory}
    write(tmp_path / "a", random_cuts(name), mark=mark)
    result = preprocessed(tmp_path / "a", **options)
    write(tmp_path / "b", [MIDNIGHT], mark=mark)
    truth = preprocessed(tmp_path / "b", **options)
    assert_same(result, truth, 1e-12)


# Options whose elements see the records as they are in the files. Second: the record.
CORRECTIONS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "align": ({"align_samples": True}, {"late_s": 0.3, "mark": smooth}),
    "despike": ({"despike_mad": 6, "despike_s": 30}, {"mark": spiky}),
    "flat": ({"drop_flat_s": 25}, {"mark": flat}),
    "clipped": (
        {"drop_clipped": True, "clipped_level": LIMIT},
        {"mark": clipped},
    ),
    "gap": ({"max_gap_s": 10}, {"missing": (MIDNIGHT - 3, MIDNIGHT + 2)}),
    "gap and spikes": (
        {"max_gap_s": 10, "despike_mad": 6, "despike_s": 30, "taper_s": 600},
        {"missing": (MIDNIGHT + 5, MIDNIGHT + 11), "mark": spiky},
    ),
    "reject": ({"reject_rms": (0.98, 1.02)}, {}),
    "everything": (
        {
            "max_gap_s": 10,
            "despike_mad": 6,
            "despike_s": 30,
            "drop_flat_s": 25,
            "bandpass_hz": (0.02, 0.1),
            "taper_s": 600,
            "sampling_rate_hz": 0.5,
            "time_norm": "ram",
            "ram_window_s": 60,
        },
        {"missing": (MIDNIGHT + 5, MIDNIGHT + 11), "mark": spiky},
    ),
}


@pytest.mark.parametrize("name", CORRECTIONS)
def test_a_correction_does_not_see_the_cuts(name: str, tmp_path) -> None:
    options, record = CORRECTIONS[name]
    # the phase shift of --align-samples uses the whole record
    tolerance = 1e-4 if name == "align" else 1e-6
    options = {"detrend": "none"} | options
    write(tmp_path / "a", random_cuts(name), **record)
    result = preprocessed(tmp_path / "a", **options)
    write(tmp_path / "b", [HALF], HALF, **record)
    truth = preprocessed(tmp_path / "b", HALF, **options)
    assert_same(result, truth, tolerance)


RECORDS_OF_A_DAY: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "default": ({}, {}),
    "align": ({"align_samples": True}, {"late_s": 0.3}),
    "clipped": ({"drop_clipped": True}, {"mark": clipped}),
    "reject": ({"reject_mad": 4.0}, {}),
    "clock": ({"clock": "clock.csv"}, {}),
    "usual": (
        {
            "detrend": "linear",
            "taper_s": 600,
            "bandpass_hz": (0.02, 0.1),
            "time_norm": "clip",
            "clock": "clock.csv",
        },
        {},
    ),
}


@pytest.mark.parametrize("name", RECORDS_OF_A_DAY)
def test_a_chain_is_the_same_for_any_cuts(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    # 20 samples in ten days
    (tmp_path / "clock.csv").write_text(
        "channel,start,end,offset_s,end_offset_s\nXX.AAA,2024-02-25,2024-03-06,-7,13\n"
    )
    options, record = RECORDS_OF_A_DAY[name]
    write(tmp_path / "a", random_cuts(name), **record)
    result = preprocessed(tmp_path / "a", **options)
    write(tmp_path / "b", [], **record)
    truth = preprocessed(tmp_path / "b", **options)
    assert_same(result, truth, 1e-9)
