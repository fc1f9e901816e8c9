"""A month of a live run in minutes, with kills: ``make soak-live``.

Two stations with the same noise are replayed at 3600 times real time. The process is
killed at times drawn by chance, and started again. At the end each window must be in
the stack once, the lag must be the true one, and memory and state must not grow.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from obspy import Trace, UTCDateTime

from xcorr_app import store

START = UTCDateTime(2024, 3, 1)
RATE_HZ, SHIFT_S = 1.0, 7
WINDOW_S = 3600
DAY = round(86400 * RATE_HZ)
# Memory after the first days, which fill the page and the caches; and largest growth.
SETTLED, MOST_GROWTH = 0.25, 1.1
MOST_STATE_BYTES = 20_000_000


def write_archive(folder: Path, days: int) -> None:
    """Write files of days of two stations; the second one records the noise later."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=SHIFT_S)
    for day in range(days):
        noise = np.concatenate([noise[-SHIFT_S:], rng.normal(size=DAY)])
        for station, data in (("AAA", noise[SHIFT_S:]), ("BBB", noise[:-SHIFT_S])):
            trace = Trace((1000 * data).astype(np.int32))
            trace.id = f"XX.{station}..LHZ"
            trace.stats.starttime = START + 86400 * day
            trace.write(str(folder / f"{station}.{day:03d}.mseed"), "MSEED")


def memory_mb(pid: int) -> float:
    """Return the memory of a process; 0 after its end."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in text.splitlines() if line.startswith("VmRSS")]
    return float(lines[0].split()[1]) / 1024 if lines else 0.0


def run(words: list[str], lifetimes_s: list[float]) -> list[float]:
    """Run the command to its end, after kills; return the memory of each second, MB."""
    memory: list[float] = []
    for lifetime_s in [*lifetimes_s, float("inf")]:
        process = subprocess.Popen([sys.executable, "-m", "xcorr_app", *words])
        began_s = time.monotonic()
        while process.poll() is None:
            if time.monotonic() - began_s > lifetime_s:
                process.kill()
            memory.append(memory_mb(process.pid))
            time.sleep(1.0)
        if process.returncode == 0:
            return memory
        print(
            f"killed after {time.monotonic() - began_s:.0f} s, "
            f"{max(memory):.0f} MB at most"
        )
    raise SystemExit("the last run has failed")


def main() -> None:
    """Make an archive, replay it with kills, and compare the result with the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--speed", type=float, default=3600.0)
    parser.add_argument("--kills", type=int, default=5)
    given = parser.parse_args()
    length_s = given.days * 86400 / given.speed
    lifetimes_s = [random.uniform(10, length_s / 5 + 10) for _ in range(given.kills)]
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "data").mkdir()
        write_archive(here / "data", given.days)
        (here / "list.txt").write_text("XX AAA 45 10\nXX BBB 45.1 10\n")
        words = ["live", "--replay", str(here / "data"), "--speed", str(given.speed)]
        words += ["--stations", str(here / "list.txt"), "--out", str(here / "out")]
        words += ["--window-s", str(WINDOW_S), "--max-lag-s", "60", "--quiet"]
        words += ["--detrend", "none", "--substack", "day"]
        memory = run(words, lifetimes_s)
        with store.open(here / "out") as results:
            stack = results.get("XX.AAA..LHZ", "XX.BBB..LHZ")
            peak_s = abs(results.lags_s[np.argmax(stack.data)])
        state = sum(p.stat().st_size for p in (here / "out" / "live").iterdir())
    first = int(len(memory) * SETTLED)
    growth = max(memory[first:]) / max(memory[: first + 1])
    print(
        f"{given.days} days, {given.kills} kills: {stack.n_windows} windows, "
        f"lag {peak_s:g} s, {max(memory):.0f} MB at most, growth {growth:.3f}, "
        f"state {state / 1e6:.1f} MB"
    )
    is_right = stack.n_windows == given.days * 86400 // WINDOW_S and peak_s == SHIFT_S
    if not is_right or growth > MOST_GROWTH or state > MOST_STATE_BYTES:
        raise SystemExit("not as expected")


if __name__ == "__main__":
    main()
