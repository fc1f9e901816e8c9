"""One case of the example: the application as users call it, and the kernel."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.command_cost import Cost, measure
from benchmarks.headline import reference
from benchmarks.planewave import N_PROCESSES, PlaneWave, make_archive

ROOT = Path(__file__).parent.parent.parent
DTYPES = {"lean": "float32", "original": "float64"}
DISK_BYTES = 2 << 30  # written to measure the speed of the disk
DISK_BLOCK = 16 << 20  # bytes per write, as the application writes


def hour(n_stations: int) -> PlaneWave:
    """Return the parameters of the data: one hour, a week before the talk of 2015."""
    return PlaneWave(
        n_stations,
        channel="BHZ",
        rate_hz=40.0,
        seconds=3600.0,
        start="2015-04-06T06:00:00",
        diameter_km=600.0,
        band_hz=(0.02, 1.2),
    )


@dataclass(frozen=True)
class Case:
    """Number of stations, precision and mapping of one case."""

    n_stations: int
    form: str = "lean"
    mapping: str = "multi"

    @property
    def wave(self) -> PlaneWave:
        """The data."""
        return hour(self.n_stations)

    @property
    def dtype(self) -> str:
        """Type of the correlations."""
        return DTYPES[self.form]

    @property
    def n_pairs(self) -> int:
        """Pairs of different stations."""
        return self.n_stations * (self.n_stations - 1) // 2

    @property
    def n_bytes(self) -> int:
        """Bytes of correlations."""
        return self.n_pairs * reference.N_LAGS * (4 if self.dtype == "float32" else 8)

    def words(self, place: Path, out: Path) -> list[str]:
        """Return the command line of the application."""
        command = [
            *(sys.executable, "-m", "xcorr_app"),
            *("--stations", str(place / "stations.txt")),
            *("--data", str(place / "archive")),
            *("--inventory", str(place / "stations.xml")),
            *("--steps", reference.STEPS),
            *("--window-s", str(reference.WINDOW_S), "--window-detrend", "none"),
            *("--max-lag-s", str(reference.MAX_LAG_S), "--normalize", "none"),
            *("--dtype", self.dtype, "--out", str(out)),
            *("--mapping", self.mapping),
        ]
        if self.mapping == "simple":
            return command
        command += ["-n", str(N_PROCESSES)]
        if self.mapping == "mpi":
            mpiexec = Path(sys.executable).with_name("mpiexec")
            return [str(mpiexec), "-n", str(N_PROCESSES), *command]
        return command


def run_application(case: Case, place: Path, out: Path) -> Cost:
    """Run the application; its results stay in ``out``."""
    shutil.rmtree(out, ignore_errors=True)
    cost, _ = measure(case.words(place, out), folder=ROOT)
    return cost


def run_kernel(case: Case, place: Path, out: Path) -> dict[str, float]:
    """Run the kernel; return its times, and remove its files."""
    traces = reference.traces_file(place, case.wave.codes(), case.dtype)
    command = [sys.executable, "-m", "benchmarks.headline.kernel", str(traces)]
    try:
        cost, text = measure([*command, str(out), str(reference.N_LAGS)], folder=ROOT)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    seconds = json.loads(text.strip().splitlines()[-1])["seconds"]
    return {"wall_s": round(seconds, 2), "user_s": round(cost.user_s, 2)}


def disk_gb_s(folder: Path, n_bytes: int) -> float:
    """Return the speed of writing large aligned blocks without the page cache."""
    path, block = folder / "disk-speed.bin", mmap.mmap(-1, DISK_BLOCK)
    block.write(os.urandom(1 << 20) * (DISK_BLOCK >> 20))
    try:
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_DIRECT)
        begin = time.perf_counter()
        os.posix_fallocate(file, 0, n_bytes)
        for offset in range(0, n_bytes, DISK_BLOCK):
            os.pwrite(file, block, offset)
        os.fsync(file)
        seconds = time.perf_counter() - begin
        os.close(file)
    finally:
        path.unlink(missing_ok=True)
    return n_bytes / seconds / 1e9


def written_bytes(out: Path) -> int:
    """Return the space on the disk that a folder takes, in bytes."""
    return sum(512 * path.stat().st_blocks for path in out.rglob("*"))


def run_case(
    case: Case, folder: Path, n_checked: int = 40, disk_bytes: int = DISK_BYTES
) -> dict[str, Any]:
    """Run one case and the kernel, check the results, and remove them.

    The kernel runs before and after the application, because the speed of a disk
    varies.
    """
    place, out = make_archive(case.wave, folder), folder / "out"
    figures: dict[str, Any] = {**asdict(case), "n_pairs": case.n_pairs}
    figures["kernel"] = [run_kernel(case, place, folder / "kernel")]
    figures["disk_gb_s"] = [round(disk_gb_s(folder, disk_bytes), 2)]
    try:
        cost = run_application(case, place, out)
        figures |= cost.to_dict()
        figures["written_gb"] = round(written_bytes(out) / 1e9, 3)
        figures["gb_s"] = round(figures["written_gb"] / cost.wall_s, 2)
        figures |= check(case, place, out, n_checked)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    figures["disk_gb_s"].append(round(disk_gb_s(folder, disk_bytes), 2))
    figures["kernel"].append(run_kernel(case, place, folder / "kernel"))
    kernel_s = sum(run["wall_s"] for run in figures["kernel"]) / len(figures["kernel"])
    figures["ratio_to_kernel"] = round(cost.wall_s / kernel_s, 2)
    return figures


def check(case: Case, place: Path, out: Path, n_pairs: int) -> dict[str, float]:
    """Compare some pairs with the direct sum, and more of them with the true lags."""
    wave = case.wave
    truth = json.loads((place / "truth.json").read_text())["arrivals_s"]
    few = reference.sample_pairs(case.n_stations, n_pairs)
    many = reference.sample_pairs(case.n_stations, 50 * n_pairs, seed=2)
    return {
        "largest_difference": reference.largest_difference(place, wave, few, out),
        "largest_lag_error_samples": round(
            reference.largest_lag_error(wave, many, truth, out), 4
        ),
        "pairs_compared": len(few),
        "lags_compared": len(many),
    }
