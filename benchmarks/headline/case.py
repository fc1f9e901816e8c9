"""One run of the headline: the application as a user calls it, and the bare kernel."""

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

from benchmarks.headline import reference
from benchmarks.planewave import N_PROCESSES, PlaneWave, make
from benchmarks.process import Cost, measure

ROOT = Path(__file__).parent.parent.parent
DTYPES = {"lean": "float32", "original": "float64"}
DISK_BYTES = 2 << 30
DISK_BLOCK = 16 << 20


def hour(n_stations: int) -> PlaneWave:
    """Return what the data are: an hour of the week before the talk of 2015."""
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
    """What is run: how many stations, in which precision, under which mapping."""

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
    """Run the bare kernel; return what it took, and remove what it wrote."""
    traces = reference.traces_file(place, case.wave.codes(), case.dtype)
    command = [sys.executable, "-m", "benchmarks.headline.kernel", str(traces)]
    try:
        cost, said = measure([*command, str(out), str(reference.N_LAGS)], folder=ROOT)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    seconds = json.loads(said.strip().splitlines()[-1])["seconds"]
    return {"wall_s": round(seconds, 2), "user_s": round(cost.user_s, 2)}


def disk_gb_s(folder: Path, n_bytes: int) -> float:
    """Return how fast large aligned blocks are written around the page cache."""
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
    """Return what a folder takes on the disk."""
    return sum(512 * path.stat().st_blocks for path in out.rglob("*"))


def run_case(
    case: Case, folder: Path, n_checked: int = 40, disk_bytes: int = DISK_BYTES
) -> dict[str, Any]:
    """Run one case and the kernel beside it; check what was found, and remove it.

    The kernel runs before and after, for disks have moods.
    """
    place, out = make(case.wave, folder), folder / "out"
    found: dict[str, Any] = {**asdict(case), "n_pairs": case.n_pairs}
    found["kernel"] = [run_kernel(case, place, folder / "kernel")]
    found["disk_gb_s"] = [round(disk_gb_s(folder, disk_bytes), 2)]
    try:
        cost = run_application(case, place, out)
        found |= cost.to_dict()
        found["written_gb"] = round(written_bytes(out) / 1e9, 3)
        found["gb_s"] = round(found["written_gb"] / cost.wall_s, 2)
        found |= check(case, place, out, n_checked)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    found["disk_gb_s"].append(round(disk_gb_s(folder, disk_bytes), 2))
    found["kernel"].append(run_kernel(case, place, folder / "kernel"))
    kernel_s = sum(one["wall_s"] for one in found["kernel"]) / len(found["kernel"])
    found["ratio_to_kernel"] = round(cost.wall_s / kernel_s, 2)
    return found


def check(case: Case, place: Path, out: Path, n_pairs: int) -> dict[str, float]:
    """Compare sampled pairs with the textbook and with the truth."""
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
