"""The job by this suite; and what it does in one run where others need several."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

import numpy as np

from benchmarks.peers import job
from benchmarks.peers.environments import ROOT
from benchmarks.planewave import PlaneWave
from benchmarks.process import Cost, measure

N_RUNS = 3
#: Elements that are the correlation: from spectra in memory to files.
CORRELATE = ("Tiles", "CorrelateTiles", "WriteCorrelations", "RestackPairs")
#: Not pcc1, which has no transform: lags times samples for every pair and window.
KINDS = ("cc", "coherency", "deconvolution", "pcc2")
#: Ten bands of a third of an octave and more, side by side.
BANDS_HZ = tuple(
    (round(float(low), 3), round(float(high), 3))
    for low, high in zip(
        np.geomspace(0.1, 2.0, 11)[:-1], np.geomspace(0.1, 2.0, 11)[1:], strict=True
    )
)


def options(place: Path, out: Path, *more: str) -> list[str]:
    """Return the options of the application."""
    low, high = job.TRACE_BAND_HZ
    return [
        *("--stations", str(place / "stations.txt")),
        *("--data", str(place / "archive")),
        *("--inventory", str(place / "stations.xml")),
        *("--channels", "HHZ", "--bandpass-hz", f"{low:g}", f"{high:g}"),
        *("--time-norm", "onebit"),
        *("--window-s", str(job.WINDOW_S), "--max-lag-s", str(job.MAX_LAG_S)),
        *("--mapping", "multi", "-n", str(job.N_WORKERS)),
        *("--out", str(out), "--force", *more),
    ]


def whitened() -> list[str]:
    """Return the options of the band in which all contenders whiten."""
    low, high = job.BAND_HZ
    return ["--whiten", "band", "--whiten-hz", f"{low:g}", f"{high:g}"]


def application(words: list[str]) -> Cost:
    """Run the application."""
    return measure([sys.executable, "-m", "xcorr_app", *words], ROOT)[0]


def run(place: Path, wave: PlaneWave, work: Path) -> job.Outcome:
    """Run it in ``work``, and once more to see how long its elements are busy.

    What takes seconds is run several times; what takes minutes, as the others, once.
    """
    shutil.rmtree(work, ignore_errors=True)
    out, told = work / "out", work / "phases.json"
    words = options(place, out, "--substack", "day", *whitened())
    costs = sorted((application(words) for _ in range(N_RUNS)), key=_wall_s)
    seconds = " ".join(f"{cost.wall_s:.2f}" for cost in costs)
    days = read_stacks(out, wave)
    daily = {key: data for key, data in days.items() if key[1] != "all"}
    measure([sys.executable, "-m", "benchmarks.phases", str(told), *words], ROOT)
    return job.Outcome(
        "ours",
        importlib.metadata.version("dispel4py-seismo"),
        {"xcorr-app": costs[N_RUNS // 2]},
        correlate_s(json.loads(told.read_text())["busy_s"]),
        "tiles, correlation, writing and stacks of days, of the busier process",
        len(daily),
        job.worst_lag_samples({pair: data for (pair, _), data in daily.items()}, wave),
        [f"the median of {N_RUNS} runs: {seconds} s"],
    )


def _wall_s(cost: Cost) -> float:
    return cost.wall_s


def correlate_s(busy_s: dict[str, list[float]]) -> float:
    """Return the seconds of the busier process.

    >>> correlate_s({"Tiles": [1.0, 0.0], "CorrelateTiles": [2.0, 2.5], "Merge": [9.0]})
    3.0
    """
    rows = [busy_s[name] for name in CORRELATE if name in busy_s]
    return max(sum(column) for column in zip(*rows, strict=True))


def read_stacks(out: Path, wave: PlaneWave) -> dict[tuple[job.Pair, str], np.ndarray]:
    """Return all stacks of all pairs of different stations, by pair and stack."""
    from xcorr_app import store

    names = list(zip(wave.codes(), wave.channel_ids(), strict=True))
    found = {}
    with store.open(out) as results:
        for k, (first, first_id) in enumerate(names):
            for second, second_id in names[k + 1 :]:
                for stack in results.stacks:
                    data = results.get(first_id, second_id, stack=stack).data
                    found[(first, second), stack] = data
    return found


def kinds(place: Path, wave: PlaneWave, work: Path) -> dict[str, float]:
    """Return the largest error of the wave's lag in samples for each kind."""
    worst = {}
    for kind in KINDS:
        low, high = job.BAND_HZ
        # the others divide by amplitudes themselves
        band = whitened() if kind == "cc" else ["--bands-hz", f"{low:g}-{high:g}"]
        application(options(place, work / "out", "--kind", kind, *band))
        stacks = read_stacks(work / "out", wave)
        found = {pair: data for (pair, _), data in stacks.items()}
        worst[kind] = round(job.worst_lag_samples(found, wave), 3)
    return worst


def bands(place: Path, work: Path) -> dict[str, float]:
    """Return the seconds of ten bands in one run, and of a run for each."""
    texts = [f"{low:g}-{high:g}" for low, high in BANDS_HZ]
    words = options(place, work / "out", "--whiten", "band", "--bands-hz")
    together = application([*words, *texts])
    alone = [application([*words, text]) for text in texts]
    seconds = sum(cost.wall_s for cost in alone)
    return {
        "n_bands": len(texts),
        "one_run_s": round(together.wall_s, 2),
        "a_run_for_each_s": round(seconds, 2),
        "ratio": round(seconds / together.wall_s, 2),
    }
