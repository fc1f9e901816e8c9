"""The task by NoisePy."""

from __future__ import annotations

import io
import itertools
import math
import shutil
import tarfile
from datetime import datetime
from pathlib import Path

import numpy as np
import obspy

from benchmarks.command_cost import measure
from benchmarks.peers import task
from benchmarks.peers.environments import Package
from benchmarks.planewave import NETWORK_CODE, PlaneWave

# NoisePy requires Python below 3.11.
PACKAGE = Package(
    "noisepy-0.9.93", ("noisepy-seis==0.9.93",), "noisepy", ("python3.10", "python3.9")
)


def parameters(n_days: int) -> list[str]:
    """Return the parameters of NoisePy; all others keep their defaults."""
    values = {
        "start_date": f"{task.START}T00:00:00+00:00",
        "end_date": f"{task.END_OF[n_days]}T00:00:00+00:00",
        "sampling_rate": f"{task.RATE_HZ:g}",
        "networks": NETWORK_CODE,
        "stations": "*",
        "channels": "HHZ",
        "cc_len": str(task.WINDOW_S),
        "step": str(task.WINDOW_S),
        "freqmin": str(task.BAND_HZ[0]),
        "freqmax": str(task.BAND_HZ[1]),
        "time_norm": "one_bit",
        "freq_norm": "phase_only",
        "cc_method": "xcorr",
        "maxlag": str(task.MAX_LAG_S),
        "inc_hours": "24",
        "substack": "False",
        "rm_resp": "no",
        "ncomp": "1",
        "xcorr_only": "True",
        "stack_method": "linear",
        "rotation": "True",  # without rotation NoisePy writes no stack
    }
    return [word for name, value in values.items() for word in (f"--{name}", value)]


def link_archive(place: Path, work: Path) -> None:
    """Make links with the file names of NoisePy, and a StationXML file per station."""
    (work / "xml").mkdir(parents=True)
    for network in obspy.read_inventory(place / "stations.xml"):
        for station in network:
            inventory = obspy.Inventory(
                [_select_station(network, station)], source="benchmarks"
            )
            path = work / "xml" / f"{network.code}_{station.code}.xml"
            inventory.write(str(path), format="STATIONXML")
    for path in (place / "archive").rglob("*.D.*"):
        network, station, location, channel, _, year, day = path.name.split(".")
        folder = work / "raw" / year / f"{year}_{day}"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{network}{station:_<5}{channel}{location:_<3}{year}{day}.ms"
        (folder / name).symlink_to(path.resolve())


def _select_station(network: obspy.core.inventory.Network, station: object) -> object:
    copy = network.copy()
    copy.stations = [station]
    return copy


def run(place: Path, wave: PlaneWave, work: Path) -> task.Outcome:
    """Run NoisePy in the folder ``work``.

    Raises
    ------
    Unavailable, CommandFailed
    """
    program = str(PACKAGE.program())
    shutil.rmtree(work, ignore_errors=True)
    link_archive(place, work)
    n_days = round(wave.seconds / 86400)
    common = ["--ccf_path", "ccf", "--format", "numpy", *parameters(n_days)]
    correlate = [program, "cross_correlate", "--raw_data_path", "raw"]
    correlating, log = measure(
        [*correlate, "--xml_path", "xml", *common, "--logfile", "log.txt"],
        work,
        task.ONE_THREAD,
    )
    stacking, _ = measure(
        [program, "stack", "--stack_path", "stack", *common, "--logfile", "log.txt"],
        work,
        task.ONE_THREAD,
    )
    days = read_days(work)
    written = [path.stat().st_mtime for path in (work / "ccf").rglob("*.tar.gz")]
    return task.Outcome(
        "NoisePy",
        "0.9.93",
        {"cross_correlate": correlating, "stack": stacking},
        pairs_s(log, written),
        "pairs of all days, writing included",
        len(days),
        task.worst_lag_samples({pair: data for (pair, _), data in days.items()}, wave),
        ["threads share one interpreter", "autocorrelations are computed as well"],
    )


def pairs_s(log: str, written_s: list[float]) -> float:
    """Return the seconds from the start of the pairs of each day to their last file.

    Parameters
    ----------
    log
        Output of NoisePy, with local times.
    written_s
        Times at which the files were written, seconds since 1970.
    """
    begins_s = [
        datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S").timestamp()
        for line in log.replace("\r", "\n").splitlines()
        if "Starting CC with" in line
    ]
    seconds = 0.0
    for begin, end in itertools.pairwise([*begins_s, math.inf]):
        seconds += max(time for time in written_s if begin <= time < end) - begin
    return seconds


def read_days(work: Path) -> dict[tuple[task.Pair, str], np.ndarray]:
    """Return the daily correlations of two different stations, by pair and day."""
    correlations = {}
    for path in (work / "ccf").glob("*/*/*.tar.gz"):
        first, second = (name.split(".")[1] for name in path.parts[-3:-1])
        if first == second:
            continue
        with tarfile.open(path) as archive:
            member = archive.extractfile("array.npy")
            assert member is not None
            data = np.load(io.BytesIO(member.read()))
        correlations[(first, second), path.name.split(".")[0]] = data.reshape(
            -1, data.shape[-1]
        )[0]
    return correlations
