"""Latency and idle load of live runs: ``python -m benchmarks.live``, two minutes.

A SeedLink server sends two or fifty stations of 20 Hz to ``xcorr-app live``: first half
an hour, then a minute after the other, which completes a window of half an hour each.
The latency is the time from the last packet of a window to the end of the writing of
all its results. In the idle run the packets come as they do in reality, and no window
closes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Trace, UTCDateTime

from benchmarks.live.server import Server
from benchmarks.machine import describe
from seismo_pes.reading.live import CHECKPOINT
from xcorr_app.live.result_folder import live_folder

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "live.json"
RATE_HZ, WINDOW_S, STEP_S, MAX_LAG_S = 20.0, 1800, 60, 60
# Data around a window that its margins need, a little more than they are; and data at
# the end for the idle run, in which no window closes.
MARGIN_S, SPARE_S = 150, 60
RECORD_BYTES = 512
# A run that does nothing for this time has failed, seconds.
PATIENCE_S = 300.0
# Time between the end of a window and the next packets; and of the idle run, seconds.
PAUSE_S, IDLE_S = 0.3, 15.0
MAPPINGS = {"simple": (), "multi": ("-n", "4")}


@dataclass(frozen=True)
class Network:
    """The records of some stations, by the time at which they end.

    Attributes
    ----------
    n_stations, n_windows : int
        Numbers of stations, and of windows that are measured.
    """

    n_stations: int
    n_windows: int

    @property
    def length_s(self) -> int:
        """Length of the data, seconds."""
        return WINDOW_S + self.n_windows * STEP_S + 2 * MARGIN_S + SPARE_S

    @property
    def names(self) -> list[str]:
        """The station codes."""
        return [f"S{k:02d}" for k in range(self.n_stations)]

    def records(self, start: UTCDateTime) -> list[tuple[float, bytes]]:
        """Return end, in seconds after the start, and content of all records."""
        rng = np.random.default_rng(16)
        n = round(self.length_s * RATE_HZ)
        common = rng.normal(size=n + self.n_stations)
        records: list[tuple[float, bytes]] = []
        for k, name in enumerate(self.names):
            noise = common[k : k + n] + rng.normal(size=n)
            trace = Trace((1000 * noise).astype(np.int32))
            trace.id = f"XX.{name}..BHZ"
            trace.stats.sampling_rate, trace.stats.starttime = RATE_HZ, start
            records += _records(trace, start)
        return sorted(records, key=lambda record: record[0])


def _records(trace: Trace, start: UTCDateTime) -> Iterator[tuple[float, bytes]]:
    content = BytesIO()
    trace.write(content, "MSEED", reclen=RECORD_BYTES)
    raw, n_before = content.getvalue(), 0
    for at in range(0, len(raw), RECORD_BYTES):
        record = raw[at : at + RECORD_BYTES]
        n_before += int.from_bytes(record[30:32], "big")  # number of samples
        yield n_before / RATE_HZ, record


@contextlib.contextmanager
def live_run(
    server: Server, network: Network, start: UTCDateTime, folder: Path, mapping: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command; end it afterwards."""
    lines = [f"XX {name} 10.{k:02d} 20" for k, name in enumerate(network.names)]
    (folder / "list.txt").write_text("\n".join([*lines, ""]))
    words = [*("--seedlink", server.address), *("--stations", str(folder / "list.txt"))]
    words += ["--out", str(folder / "out"), "--start", str(start + MARGIN_S)]
    words += ["--window-s", str(WINDOW_S), "--step-s", str(STEP_S)]
    words += ["--max-lag-s", str(MAX_LAG_S), "--bandpass-hz", "0.1", "2", "--quiet"]
    words += ["--mapping", mapping, *MAPPINGS[mapping]]
    command = [sys.executable, "-m", "xcorr_app", "live", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    log = folder / "log"
    with (
        log.open("wb") as file,
        subprocess.Popen(
            command, env=environment, stderr=file, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        except SystemExit:
            print(log.read_text())
            raise
        finally:
            process.terminate()
            process.wait()


def measure(network: Network, mapping: str, is_idle: bool) -> dict[str, Any]:
    """Return the latencies of the windows of a run, and its idle load.

    Parameters
    ----------
    network : Network
    mapping : str
    is_idle : bool
        Whether the idle load is measured, too.
    """
    start = UTCDateTime(int(time.time()) - network.length_s - 60)
    waiting = network.records(start)
    latencies_s: list[float] = []
    case: dict[str, Any] = {"n_stations": network.n_stations, "mapping": mapping}
    with (
        tempfile.TemporaryDirectory() as folder,
        Server() as server,
    ):
        written = live_folder(Path(folder) / "out") / CHECKPOINT
        with live_run(server, network, start, Path(folder), mapping) as process:
            end_s, at = float(WINDOW_S + 2 * MARGIN_S), None
            send_until(server, waiting, end_s)
            at = wait_for_change(written, at, process, PATIENCE_S)
            at = settled(written, at)
            for _ in range(network.n_windows):
                end_s += STEP_S
                send_until(server, waiting, end_s)
                begin_s = time.monotonic()
                at = wait_for_change(written, at, process, PATIENCE_S)
                latencies_s.append(time.monotonic() - begin_s)
                time.sleep(PAUSE_S)
            if is_idle:
                case["idle_share"] = idle_share(server, waiting, process)
    return case | {"latencies_s": latencies_s}


def send_until(
    server: Server, waiting: list[tuple[float, bytes]], end_s: float
) -> None:
    """Send the records that end before a time, and wait until they are sent."""
    n = next((k for k, (t, _) in enumerate(waiting) if t > end_s), len(waiting))
    server.send([record for _, record in waiting[:n]])
    del waiting[:n]
    server.wait_until_sent()


def wait_for_change(
    path: Path, before: int | None, process: subprocess.Popen[bytes], longest_s: float
) -> int:
    """Wait until a file is replaced; return its new inode."""
    deadline_s = time.monotonic() + longest_s
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            now = path.stat().st_ino
            if now != before:
                return now
        time.sleep(0.002)
    raise SystemExit(f"the run has ended, or has written nothing in {longest_s:g} s")


def settled(path: Path, inode: int) -> int:
    """Wait until the windows of the first data are written; return the last inode."""
    while True:
        time.sleep(5 * PAUSE_S)
        now = path.stat().st_ino
        if now == inode:
            return now
        inode = now


def idle_share(
    server: Server, waiting: list[tuple[float, bytes]], process: subprocess.Popen[bytes]
) -> float:
    """Return the share of a core that a run needs while no window closes."""
    time.sleep(2.0)
    first_s, begin_s, begin_cpu_s = waiting[0][0], time.monotonic(), cpu_s(process.pid)
    while (passed_s := time.monotonic() - begin_s) < IDLE_S:
        send_until(server, waiting, first_s + passed_s)
        time.sleep(0.05)
    return (cpu_s(process.pid) - begin_cpu_s) / (time.monotonic() - begin_s)


def cpu_s(pid: int) -> float:
    """Return the processor time of a process, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(argv: list[str] | None = None) -> None:
    """Measure, print, store the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.live", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--quick", action="store_true", help="few windows; the results are not stored"
    )
    quick = parser.parse_args(argv).quick
    machine, cases = describe(), []
    for network in (Network(2, 5 if quick else 20), Network(50, 3 if quick else 15)):
        for mapping in MAPPINGS:
            case = measure(network, mapping, is_idle=mapping == "simple")
            show(case)
            cases.append(case)
    if not quick:
        record = {"machine": machine, "cases": cases}
        RESULT.write_text(json.dumps(record, indent=1) + "\n")
        print(f"stored in {RESULT.relative_to(ROOT)}")


def show(case: dict[str, Any]) -> None:
    """Print the figures of a case."""
    p50, p99 = np.percentile(case["latencies_s"], [50, 99])
    line = f"{case['n_stations']:3} stations, {case['mapping']:8}"
    line += f"{p50:7.2f} s median {p99:7.2f} s 99th percentile"
    if "idle_share" in case:
        line += f"{100 * case['idle_share']:7.2f} % of a core idle"
    print(line, flush=True)


if __name__ == "__main__":
    main()
