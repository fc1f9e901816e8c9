"""The task by xcorr-app; and its kinds of correlation and several bands in one run."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from operator import attrgetter
from pathlib import Path

import numpy as np

from benchmarks.command_cost import Cost, measure
from benchmarks.peers import task
from benchmarks.peers.environments import ROOT
from benchmarks.planewave import PlaneWave

N_RUNS = 3
#: Elements of the correlation, from spectra in memory to files.
CORRELATE = ("Tiles", "CorrelateTiles", "WriteCorrelations", "RestackPairs")
#: Without pcc1, which is slow: it sums over samples for each lag, pair and window.
KINDS = ("cc", "coherency", "deconvolution", "pcc2")
#: Ten neighbouring bands, each a little wider than a third of an octave.
BANDS_HZ = tuple(
    (round(float(low), 3), round(float(high), 3))
    for low, high in zip(
        np.geomspace(0.1, 2.0, 11)[:-1], np.geomspace(0.1, 2.0, 11)[1:], strict=True
    )
)


def options(place: Path, out: Path, *more: str) -> list[str]:
    """Return the options of the application."""
    low, high = task.TRACE_BAND_HZ
    return [
        *("--stations", str(place / "stations.txt")),
        *("--data", str(place / "archive")),
        *("--inventory", str(place / "stations.xml")),
        *("--channels", "HHZ", "--bandpass-hz", f"{low:g}", f"{high:g}"),
        *("--time-norm", "onebit"),
        *("--window-s", str(task.WINDOW_S), "--max-lag-s", str(task.MAX_LAG_S)),
        *("--mapping", "multi", "-n", str(task.N_WORKERS)),
        *("--out", str(out), "--force", *more),
    ]


def whitening_options() -> list[str]:
    """Return the options for the band that all contenders whiten."""
    low, high = task.BAND_HZ
    return ["--whiten", "band", "--whiten-hz", f"{low:g}", f"{high:g}"]


def application(words: list[str]) -> Cost:
    """Run the application."""
    return measure([sys.executable, "-m", "xcorr_app", *words], ROOT)[0]


def run(place: Path, wave: PlaneWave, work: Path) -> task.Outcome:
    """Run xcorr-app in ``work``, and once more to time its elements.

    A run takes seconds, so it is repeated; the other contenders take minutes and run
    once.
    """
    shutil.rmtree(work, ignore_errors=True)
    out, phases = work / "out", work / "phases.json"
    words = options(place, out, "--substack", "day", *whitening_options())
    costs = sorted(
        (application(words) for _ in range(N_RUNS)), key=attrgetter("wall_s")
    )
    seconds = " ".join(f"{cost.wall_s:.2f}" for cost in costs)
    days = read_stacks(out, wave)
    daily = {key: data for key, data in days.items() if key[1] != "all"}
    measure([sys.executable, "-m", "benchmarks.phases", str(phases), *words], ROOT)
    return task.Outcome(
        "ours",
        importlib.metadata.version("dispel4py-seismo"),
        {"xcorr-app": costs[N_RUNS // 2]},
        correlate_s(json.loads(phases.read_text())["busy_s"]),
        "tiles, correlation, writing and stacks of days, of the busier process",
        len(daily),
        task.worst_lag_samples({pair: data for (pair, _), data in daily.items()}, wave),
        [f"the median of {N_RUNS} runs: {seconds} s"],
    )


def correlate_s(busy_s: dict[str, list[float]]) -> float:
    """Return the seconds of correlation of the busier process.

    >>> correlate_s({"Tiles": [1.0, 0.0], "CorrelateTiles": [2.0, 2.5], "Merge": [9.0]})
    3.0
    """
    rows = [busy_s[name] for name in CORRELATE if name in busy_s]
    return max(sum(column) for column in zip(*rows, strict=True))


def read_stacks(out: Path, wave: PlaneWave) -> dict[tuple[task.Pair, str], np.ndarray]:
    """Return all stacks of all pairs of different stations, by pair and stack."""
    from xcorr_app import store

    names = list(zip(wave.codes(), wave.channel_ids(), strict=True))
    stacks = {}
    with store.open(out) as results:
        for k, (first, first_id) in enumerate(names):
            for second, second_id in names[k + 1 :]:
                for stack in results.stacks:
                    data = results.get(first_id, second_id, stack=stack).data
                    stacks[(first, second), stack] = data
    return stacks


def kinds(place: Path, wave: PlaneWave, work: Path) -> dict[str, float]:
    """Return the largest error of the lag of the wave, in samples, for each kind."""
    worst = {}
    for kind in KINDS:
        low, high = task.BAND_HZ
        # other kinds than cc divide by amplitudes, so they need no whitening
        band = (
            whitening_options() if kind == "cc" else ["--bands-hz", f"{low:g}-{high:g}"]
        )
        application(options(place, work / "out", "--kind", kind, *band))
        stacks = read_stacks(work / "out", wave)
        correlations = {pair: data for (pair, _), data in stacks.items()}
        worst[kind] = round(task.worst_lag_samples(correlations, wave), 3)
    return worst


def bands(place: Path, work: Path) -> dict[str, float]:
    """Return the seconds of ten bands in one run, and of one run per band."""
    texts = [f"{low:g}-{high:g}" for low, high in BANDS_HZ]
    words = options(place, work / "out", "--whiten", "band", "--bands-hz")
    one_run = application([*words, *texts])
    single_runs = [application([*words, text]) for text in texts]
    seconds = sum(cost.wall_s for cost in single_runs)
    return {
        "n_bands": len(texts),
        "one_run_s": round(one_run.wall_s, 2),
        "a_run_for_each_s": round(seconds, 2),
        "ratio": round(seconds / one_run.wall_s, 2),
    }
