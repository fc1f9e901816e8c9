"""pyatoa with pyflex and pyadjoint on the task, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.misfit.task import BANDS
from benchmarks.peers.environments import Package
from benchmarks.peers.task import ONE_THREAD

__all__ = ["VERSION", "PeerOutcome", "measure"]

VERSION = "0.4.2"
# The versions with which its tests pass: it does not work with later ones.
PACKAGE = Package(
    f"pyatoa-{VERSION}",
    (
        f"pyatoa=={VERSION}",
        "pyflex==0.2.0",
        "pyadjoint==0.2.3",
        "numpy==1.26.4",
        "scipy==1.11.4",
        "obspy==1.4.2",
        "pandas==2.1.4",
        "matplotlib==3.8.4",
        "pypdf<5",
        "setuptools<81",
    ),
    "python",
    ("python3.11", "python3.12"),
)

PROGRAM = """
import json, logging, sys, time, warnings
from pathlib import Path
from types import SimpleNamespace
import obspy
from pyatoa import Config, Manager
from pyatoa.core.manager import ManagerError
warnings.simplefilter("ignore")
logging.disable(50)
given = json.loads(sys.argv[1])
folder, out = Path(given["folder"]), Path(given["out"])
out.mkdir()


def manager(event, streams, inventory, band):
    config = Config(
        min_period=band[0], max_period=band[1], rotate_to_rtz=True,
        unit_output="VEL", component_list=["R", "T", "Z"],
        adj_src_type="cc_traveltime",
    )
    made = Manager(
        config=config, event=event, inv=inventory, st_obs=streams[0], st_syn=streams[1]
    )
    made.standardize()
    made.preprocess(remove_response=True, output="VEL")
    return made


def read(station):
    files = [folder / side / f"{station}.mseed" for side in ("observed", "synthetic")]
    inventory = obspy.read_inventory(str(folder / "stations" / f"{station}.xml"))
    return [obspy.read(str(path)) for path in files], inventory


def ours(station, band, delta_s):
    windows = {}
    for row in given["windows"]:
        if row["station"] == station and row["min_period_s"] == band[0]:
            left, right = (
                round((row[key] - given["start_s"]) / delta_s)
                for key in ("start_s", "end_s")
            )
            windows.setdefault(row["component"], []).append(SimpleNamespace(
                left=left, right=right, dt=delta_s,
                start_s=row["start_s"], max_cc_value=0.0, cc_shift=0, dlnA=0.0,
            ))
    return windows


begin = time.process_time()
event = obspy.read_events(str(folder / "quake.xml"))[0]
n_windows = n_failed = 0
rows = []
for station in given["stations"]:
    streams, inventory = read(station)
    for band in given["bands"]:
        mgmt = manager(event, streams, inventory, band)
        try:
            mgmt.window()
            n_windows += mgmt.stats.nwin
        except ManagerError:
            n_failed += 1
        windows = ours(station, band, mgmt.st_syn[0].stats.delta)
        if not windows:
            continue
        mgmt.window(windows=windows)
        mgmt.measure()
        mgmt.write_adjsrcs(str(out))
        for component, source in mgmt.adjsrcs.items():
            for window, stats in zip(windows[component], source.window_stats):
                rows.append({
                    "station": station, "component": component,
                    "min_period_s": band[0],
                    "start_s": window.start_s,
                    "dt_s": stats["tshift"], "dlna": stats["dlna"],
                })
cpu_s = time.process_time() - begin
counts = {"n_windows": n_windows, "n_failed": n_failed}
print(json.dumps({"cpu_s": cpu_s, "rows": rows, **counts}))
"""


@dataclass(frozen=True)
class PeerOutcome:
    """What pyatoa measured.

    Attributes
    ----------
    cpu_s
        CPU time from the files to the adjoint sources. pyflex picks windows, and the
        measures are those of our windows.
    n_windows
        Number of windows of pyflex.
    n_failed
        Stations and bands that pyflex refused; its windows of the other components are
        lost then.
    rows
        Time shifts and amplitudes in our windows.
    """

    cpu_s: float
    n_windows: int
    n_failed: int
    rows: list[dict[str, Any]]


def measure(
    folder: Path,
    stations: Sequence[str],
    windows: Sequence[Mapping[str, Any]],
    start_s: float,
    out: Path,
) -> PeerOutcome:
    """Measure the event with pyatoa.

    Parameters
    ----------
    folder
        The files of the event.
    stations
        Names of the stations.
    windows
        Our windows.
    start_s
        Start of the synthetics after the origin.
    out
        Gets the adjoint sources.

    Raises
    ------
    Unavailable
        If pyatoa cannot be installed.
    """
    given = {
        "folder": str(folder),
        "out": str(out),
        "stations": list(stations),
        "bands": BANDS,
        "windows": list(windows),
        "start_s": start_s,
    }
    done = subprocess.run(
        [str(PACKAGE.program()), "-c", PROGRAM, json.dumps(given)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=900,
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": ""},
    )
    return PeerOutcome(**json.loads(done.stdout.splitlines()[-1]))
