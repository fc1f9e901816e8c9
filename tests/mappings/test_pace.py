"""The number of items of the frames of a Storm source, for known delays and work."""

from __future__ import annotations

import heapq
import random
import statistics

import pytest

from dispel4py.mappings.storm.pace import Pace

#: Frames that wait for their acknowledgement, as for a source with one receiver.
_WINDOW = 8


def lengths(delay_s: float, *works_s: float, seed: int = 0) -> list[int]:
    """Return the numbers of items of frames to a receiver behind a delay.

    The receiver works on one item after the other; the time of an item changes from
    one of the values to the next. The delay of each frame is random.
    """
    random_delays, pace = random.Random(seed), Pace()
    now = free = acknowledged = 0.0
    pending: list[tuple[float, float, int, int]] = []
    found: list[int] = []
    n_frames = 150 * len(works_s)
    while len(found) < n_frames or pending:
        if len(found) < n_frames and len(pending) < _WINDOW:
            n = pace.length
            n_pending = n + sum(frame[2] for frame in pending)
            way_s = delay_s * (1 + 0.3 * random_delays.expovariate(1)) / 2
            free = max(now + way_s, free) + n * works_s[len(found) // 150]
            acknowledged = max(acknowledged, free + way_s)
            heapq.heappush(pending, (acknowledged, now, n, n_pending))
            found.append(n)
        else:
            now, sent_at, _, n_pending = heapq.heappop(pending)
            pace.note(n_pending, now - sent_at)
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("delay_s", [0.01, 0.5, 1.0, 3.0])
def test_a_slow_host_does_not_make_frames_small(delay_s, seed):
    """Before, frames had one item if their acknowledgement took over 0.4 s."""
    assert statistics.median(lengths(delay_s, 1e-5, seed=seed)[75:]) >= 16


@pytest.mark.parametrize(
    ("delay_s", "work_s", "least", "most"),
    [(0.01, 0.001, 40, 60), (0.01, 0.01, 4, 6), (0.01, 0.1, 1, 2), (0.2, 0.1, 1, 3)],
)
def test_frames_have_the_work_of_50_ms(delay_s, work_s, least, most):
    assert least <= statistics.median(lengths(delay_s, work_s)[75:]) <= most


def test_frames_become_smaller_when_the_work_becomes_longer():
    assert statistics.median(lengths(0.02, 1e-5, 0.02)[-50:]) <= 4
