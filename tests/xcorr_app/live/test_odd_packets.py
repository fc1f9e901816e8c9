"""Packets of a server in odd orders, doubled, overlapping, with wrong rates."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from obspy import UTCDateTime

from tests.seismo_pes.reading.live.records import samples, trace_of
from tests.seismo_pes.reading.live.seedlink_server import SeedLinkServer, records_of
from xcorr_app import store
from xcorr_app.cli import main

CHANNEL_IDS = "XX.AAA..BHZ", "XX.BBB.00.BHZ"
RATE_HZ, LENGTH_S, SHIFT = 20.0, 600, 50
STEP = 150  # samples between the begins of two packets
N = round(LENGTH_S * RATE_HZ)
OPTIONS = ["--window-s", "100", "--max-lag-s", "10", "--detrend", "none", "--quiet"]

Packets = list[bytes]


@pytest.fixture
def start() -> UTCDateTime:
    return UTCDateTime(int(time.time()) - LENGTH_S - 100)


def packets(data: np.ndarray, channel_id: str, start: UTCDateTime, **how) -> Packets:
    """Return packets of STEP samples, with more of the next packet, or another rate."""
    more, rates = how.get("more", 0), how.get("rates", (RATE_HZ,))
    made = []
    for number, k in enumerate(range(0, len(data), STEP)):
        at = UTCDateTime(ns=start.ns + round(k / rates[-1] * 1e9))
        rate_hz = rates[number % len(rates)]
        part = data[k : k + STEP + more]
        trace = trace_of(part, channel_id=channel_id, rate_hz=rate_hz, start=at)
        made += records_of(trace)
    return made


def odd_order(made: Packets, seed: int) -> Packets:
    """Return packets out of order by up to twenty places, a third of them twice."""
    rng = random.Random(seed)
    places = [(k + rng.uniform(0, 20), p) for k, p in enumerate(made)]
    places += [(k + rng.uniform(0, 60), p) for k, p in enumerate(made) if k % 3 == 0]
    return [packet for _, packet in sorted(places)]


def results_of(
    fed: Packets, start: UTCDateTime, folder: Path, more: Sequence[str]
) -> Path:
    """Run the command on a server with packets; return the result folder."""
    listed, out = folder / "list.txt", folder / "out"
    listed.write_text("XX AAA\nXX BBB\n")
    server = SeedLinkServer()
    try:
        server.feed(*fed)
        line = ["live", "--seedlink", server.address, "--stations", str(listed)]
        line += ["--start", str(start), "--end", str(start + LENGTH_S - 1)]
        line += [*OPTIONS, *more, "--out", str(out), "--max-wait-s", "10"]
        assert main(line) == 0
    finally:
        server.stop()
    return out


CHANGES = {
    "doubled": lambda made, *_: odd_order(made, 1),
    "overlapping": lambda _, *parts: odd_order(packets(*parts, more=70), 2),
    "rates": lambda _, *parts: packets(*parts, rates=(20.0005, 19.9995, 20.0)),
    "drift": lambda _, *parts: packets(*parts, rates=(20.0001,)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_all_windows_have_the_true_correlation(name, start, tmp_path):
    noise = samples(N + SHIFT, 7)
    more = ["--sampling-rate-hz", "20", "--resampling", "lanczos"]
    parts = []
    for channel_id, data in zip(CHANNEL_IDS, (noise[SHIFT:], noise[:N]), strict=True):
        made = packets(data, channel_id, start)
        if channel_id == CHANNEL_IDS[0]:
            made = CHANGES[name](made, data, channel_id, start)
        parts += made
    with store.open(
        results_of(parts, start, tmp_path, more * (name == "drift"))
    ) as results:
        stack = results.get(*CHANNEL_IDS)
        lags_s = results.lags_s
    assert stack.n_windows == LENGTH_S // 100 - 1  # the last one lacks a second
    peak_s = lags_s[np.argmax(stack.data)]
    assert peak_s == pytest.approx(SHIFT / RATE_HZ, abs=1e-3)
    # the same noise but for the shift at the ends of each window; the interpolation
    # loses frequencies near the highest one, which white noise has
    limit = 0.12 if name == "drift" else 0.01
    assert stack.data.max() == pytest.approx(1 - 2.5 / 100, rel=limit)
