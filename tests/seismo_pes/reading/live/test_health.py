"""Latency, gaps and level of live channels, against values known in advance."""

from __future__ import annotations

import numpy as np
import pytest
from obspy import Stream

from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.items.times import NS
from seismo_pes.reading.live.clock import STEP_LASTS_S, SteadyClock
from seismo_pes.reading.live.health import HealthMeter
from seismo_pes.reading.live.record import Record
from seismo_pes.reading.live.replay import Replay
from tests.seismo_pes.reading.live.records import RATE_HZ, START, samples, trace_of


def test_latencies_are_percentiles() -> None:
    """Records of 10 s that arrive 1 to 100 s after their ends."""
    meter = HealthMeter("XX.AAA..BHZ")
    for k in range(1, 101):
        record = Record(trace_of(samples(200), 200 * k), 0, 0.0)
        meter.arrived(Record(record.trace, record.end_ns + k * NS, 0.0))
        meter.look(START.ns + k * NS, START.ns)
    health = meter.report(START.ns, {})
    expected = np.percentile(np.arange(1, 101), (50, 95, 99))
    np.testing.assert_allclose(health.data_latency_s, expected, rtol=1e-12)
    np.testing.assert_allclose(health.feed_latency_s, expected, rtol=1e-12)
    assert health.n_records == 100
    again = meter.report(START.ns, {})
    assert (again.data_latency_s, again.n_records, again.rms) == (None, 0, None)


@pytest.mark.parametrize("offset", [0.0, 1e7])
@pytest.mark.parametrize("kind", [np.int32, np.float32, np.float64])
def test_the_level_of_pieces_is_that_of_the_whole(offset, kind) -> None:
    data = (samples(5000) + offset).astype(kind)
    meter = HealthMeter("XX.AAA..BHZ")
    for piece in np.split(data, [1, 7, 1000, 1003, 4000]):
        meter.used(Record(trace_of(piece), 0, 0.0))
    health = meter.report(0, {})
    # rounding of sums of 5000 values in double precision
    np.testing.assert_allclose(health.offset, data.mean(dtype=float), rtol=1e-12)
    np.testing.assert_allclose(health.rms, data.std(dtype=float), rtol=1e-9)


def test_a_source_reports_each_minute(tmp_path) -> None:
    """Half an hour with a gap of 200 s, from 600 s on."""
    data = samples(round(1800 * RATE_HZ))
    whole = trace_of(data)
    parts = [whole.slice(None, START + 600), whole.slice(START + 800, None)]
    Stream(parts).write(str(tmp_path / "a.ms"), "MSEED")
    source = Replay(str(tmp_path), [whole.id], np.inf, record_s=10.0, hold_s=100.0)
    graph = WorkflowGraph()
    graph.add(source)
    reports = run(graph, {source: 1}).outputs[source.id]["health"]
    clocks = np.array([report.clock_ns for report in reports[:-1]]) - START.ns
    np.testing.assert_array_equal(clocks, 60 * NS * np.arange(1, len(clocks) + 1))
    assert sum(report.n_gaps for report in reports) == 1
    total_s = sum(report.gap_s for report in reports)
    assert total_s == pytest.approx(200 - 1 / RATE_HZ, abs=1e-6)
    worst = max(r.feed_latency_s.p99 for r in reports if r.feed_latency_s)
    # the last states before the next record are those at 780 s
    assert worst == pytest.approx(180, abs=1.0)
    assert all(r.data_latency_s.p99 < 1e-6 for r in reports if r.data_latency_s)
    assert sum(r.n_used for r in reports) == sum(r.n_records for r in reports)


# ------------------------------------------------------------------------ the clock


class Clocks:
    wall_ns, monotonic_s = 10**18, 100.0

    def pass_s(self, seconds: float) -> None:
        self.wall_ns += round(seconds * NS)
        self.monotonic_s += seconds


def test_the_clock_ignores_a_short_step_and_follows_a_long_one() -> None:
    clocks = Clocks()
    clock = SteadyClock(lambda: clocks.wall_ns, lambda: clocks.monotonic_s)
    began_ns = clock.now_ns()
    clocks.wall_ns += 700 * NS  # the step that ended the stream of the old client
    for _ in range(5):
        clocks.pass_s(60)
        clock.now_ns()
    assert clock.now_ns() == began_ns + 300 * NS
    clocks.wall_ns -= 700 * NS
    clocks.pass_s(60)
    assert clock.now_ns() == began_ns + 360 * NS
    clocks.wall_ns += 700 * NS
    clock.now_ns()
    clocks.pass_s(STEP_LASTS_S + 1)
    assert clock.now_ns() == clocks.wall_ns


def test_the_clock_never_goes_back() -> None:
    clocks = Clocks()
    clock = SteadyClock(lambda: clocks.wall_ns, lambda: clocks.monotonic_s)
    clocks.wall_ns -= 5000 * NS
    times = []
    for _ in range(30):
        clocks.pass_s(60)
        times.append(clock.now_ns())
    assert times == sorted(times)
    assert clock.time_of(clocks.monotonic_s - 5) == clock.now_ns() - 5 * NS
