"""The task by MSNoise, with SQLite."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import obspy

from benchmarks.command_cost import Cost, measure
from benchmarks.peers import task
from benchmarks.peers.environments import Package
from benchmarks.planewave import PlaneWave

# 1.6.5 is the last release. With later versions of the other packages it does not
# start, or its database statements fail.
PACKAGE = Package(
    "msnoise-1.6.5",
    (
        "msnoise==1.6.5",
        "setuptools<70",
        "flask-admin<2",
        "sqlalchemy<2",
        "numpy<2",
        "pandas<3",
    ),
    "msnoise",
)


def config(place: Path, inventory: Path, n_days: int) -> dict[str, str]:
    """Return the parameters of MSNoise; all others keep their defaults."""
    return {
        "data_folder": str(place / "archive"),
        "data_structure": "SDS",
        "response_path": str(inventory),
        "response_format": "inventory",
        "channels": "HHZ",
        "startdate": task.START,
        "enddate": task.END_OF[n_days],
        "ref_begin": task.START,
        "ref_end": task.END_OF[n_days],
        "cc_sampling_rate": f"{task.RATE_HZ:g}",
        "preprocess_highpass": f"{task.TRACE_BAND_HZ[0]:g}",
        "preprocess_lowpass": f"{task.TRACE_BAND_HZ[1]:g}",
        "corr_duration": f"{task.WINDOW_S}",
        "maxlag": f"{task.MAX_LAG_S}",
        "windsorizing": "-1",  # one-bit
        "whitening": "A",
        "keep_all": "N",
        "keep_days": "Y",
    }


def run(place: Path, wave: PlaneWave, work: Path) -> task.Outcome:
    """Run MSNoise in the folder ``work``.

    Raises
    ------
    Unavailable, CommandFailed
    """
    program = str(PACKAGE.program())
    shutil.rmtree(work, ignore_errors=True)
    inventory = work / "inventory"
    inventory.mkdir(parents=True)
    shutil.copy(place / "stations.xml", inventory)
    n_days = round(wave.seconds / 86400)
    stages: dict[str, Cost] = {}
    logs: dict[str, str] = {}

    def stage(name: str, *words: str) -> None:
        cost, text = measure([program, *words], work, task.ONE_THREAD)
        stages[name], logs[name] = cost, text

    workers = ("-t", str(task.N_WORKERS))
    stage("init", "db", "init", "--tech", "1")
    _configure(work / "msnoise.sqlite", config(place, inventory, n_days))
    stage("populate", "populate")
    stage("station metadata", "config", "sync")
    stage("scan", "scan_archive", "--init")
    stage("new jobs", "new_jobs", "--init")
    stage("compute_cc", *workers, "compute_cc")
    stage("stack", *workers, "stack", "-r")
    days = read_days(work)
    return task.Outcome(
        "MSNoise",
        "1.6.5",
        stages,
        process_s(logs["compute_cc"]),
        "compute_cc without reading and preprocessing, of the slower worker",
        len(days),
        task.worst_lag_samples({pair: data for (pair, _), data in days.items()}, wave),
    )


def _configure(database: Path, values: dict[str, str]) -> None:
    """Set the parameters and the filter in the database: MSNoise's command is slow."""
    with sqlite3.connect(database) as connection:
        for name, value in values.items():
            changed = connection.execute(
                "update config set value = ? where name = ?", (value, name)
            )
            if changed.rowcount != 1:
                raise KeyError(f"MSNoise has no parameter {name!r}")
        low, high = task.BAND_HZ
        connection.execute(
            "insert into filters (ref, low, mwcs_low, high, mwcs_high, rms_threshold,"
            " mwcs_wlen, mwcs_step, used) values (1, ?, ?, ?, ?, 0, 12, 4, 1)",
            (low, low, high, high),
        )
    connection.close()


def process_s(log: str) -> float:
    """Return the seconds of correlation of the slower worker.

    >>> process_s("[pid 7][INFO]: Job Finished. It took 4.7 seconds "
    ...           "(preprocess: 2.4 s & process 2.3 s)")
    2.3
    """
    seconds: dict[str, float] = {}
    for line in log.splitlines():
        match = re.search(r"process ([0-9.]+) s\)", line)
        if match:
            pid = re.search(r"pid (\d+)", line)
            key = pid.group(1) if pid else ""
            seconds[key] = seconds.get(key, 0.0) + float(match.group(1))
    return max(seconds.values())


def read_days(work: Path) -> dict[tuple[task.Pair, str], np.ndarray]:
    """Return the daily stacks by pair and day."""
    stacks = {}
    for path in (work / "STACKS" / "01" / "001_DAYS" / "ZZ").glob("*/*.MSEED"):
        _, first, _, second = path.parent.name.split("_")
        stacks[(first, second), path.stem] = obspy.read(path)[0].data
    return stacks
