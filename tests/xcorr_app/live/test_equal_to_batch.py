"""A replayed archive gives the correlations and counts of a batch run."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import ParameterError, RunError
from dispel4py.mappings.storm import run as storm_run
from tests.mappings.fake_storm import FakeNimbus, fake_storm
from tests.mappings.programs import environment
from xcorr_app import store, workflow
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.session import run_live
from xcorr_app.live.source import ReplayInput
from xcorr_app.live.status import read_status

HOUR_NS = 3600 * 10**9
PATIENCE_S = 120  # for a busy machine


@settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # an example takes seconds
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    record_s=st.floats(4.0, 300.0),
    delay_s=st.floats(0.0, 120.0),
    seed=st.integers(0, 1000),
)
def test_equal_for_packets_of_any_size_and_order(
    record_s, delay_s, seed, archive, config, batch, tmp_path_factory, assert_equal_to
):
    out = tmp_path_factory.mktemp("live") / "out"
    replay = ReplayInput(str(archive), record_s=record_s, delay_s=delay_s, seed=seed)
    run_live(config(out), replay, 600.0, Alerts())
    assert_equal_to(batch, out)


def test_a_part_of_an_archive_has_its_margins(
    archive, config, tmp_path, assert_equal_to
):
    """The first and the last window see the data before and after them."""
    times = {"start": "2024-03-01T22:45", "end": "2024-03-02T01:00"}
    options = config(tmp_path / "batch", **times)
    workflow.run(options)
    replay = ReplayInput(str(archive), math.inf, options.start_ns, options.end_ns)
    run_live(config(tmp_path / "live", **times), replay, 600.0, Alerts())
    assert_equal_to(tmp_path / "batch", tmp_path / "live")
    with store.open(tmp_path / "live") as results:
        assert results.windows("all")["n_windows"].max() == 9


def test_equal_in_several_processes(archive, config, batch, tmp_path, assert_equal_to):
    out = tmp_path / "out"
    replay = ReplayInput(str(archive), delay_s=60.0)
    run_live(config(out, mapping="multi", processes=3), replay, 600.0, Alerts())
    assert_equal_to(batch, out)


@pytest.fixture(scope="module")
def storm(tmp_path_factory) -> Iterator[FakeNimbus]:
    """Run topologies on a Storm in Python."""
    pytest.importorskip("thriftpy2", reason="needs the extra storm")
    folder = tmp_path_factory.mktemp("storm")
    variables = environment() | {"TMPDIR": str(folder)}
    with (
        pytest.MonkeyPatch.context() as patch,
        fake_storm(folder, variables, ("xcorr_app.live.session",)) as nimbus,
    ):
        patch.setenv("DISPEL4PY_NIMBUS", "fake")
        patch.setattr(storm_run, "_cluster", lambda _: contextlib.nullcontext(nimbus))
        yield nimbus


def test_equal_on_storm_also_after_a_lost_process(
    storm, archive, config, batch, tmp_path, assert_equal_to
):
    """The stacks are the state of a process: the run ends, and continues by command."""
    out = tmp_path / "out"
    options = config(out, mapping="storm", processes=2)

    def lose_the_stacks() -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not (read_status(out / "live") or {"windows": 0})["windows"]:
            if time.monotonic() > deadline_s:
                return
            time.sleep(0.05)
        storm.end_worker("LiveStack")

    thread = threading.Thread(target=lose_the_stacks)
    thread.start()
    replay = ReplayInput(str(archive), 2000.0)
    with pytest.raises(RunError, match="LiveStack"):
        run_live(options, replay, 600.0, Alerts())
    thread.join()
    assert 0 < read_status(out / "live")["windows"] < 16
    run_live(config(out), ReplayInput(str(archive)), 600.0, Alerts())
    assert_equal_to(batch, out)


OTHER_OPTIONS = {
    "overlapping windows": {"step_s": 450, "substack": "day"},
    "several bands": {"bands_hz": ((0.1, 0.3), (0.3, 0.8)), "substack": "none"},
    "normalised": {"time_norm": "ram", "whiten": "band", "whiten_hz": (0.2, 0.8)},
    "other rate": {"sampling_rate_hz": 2.0, "bandpass_hz": (0.1, 0.8)},
    "no filter": {"bandpass_hz": None, "taper_s": 0},
}


@pytest.mark.parametrize("name", OTHER_OPTIONS)
def test_equal_with_other_options(name, archive, config, tmp_path, assert_equal_to):
    more = OTHER_OPTIONS[name]
    workflow.run(config(tmp_path / "batch", **more))
    replay = ReplayInput(str(archive))
    run_live(config(tmp_path / "live", **more), replay, 600.0, Alerts())
    assert_equal_to(tmp_path / "batch", tmp_path / "live")


def test_a_trend_is_that_of_window_and_margins(
    archive, config, tmp_path, assert_equal_to
):
    workflow.run(config(tmp_path / "batch", detrend="linear"))
    replay = ReplayInput(str(archive))
    run_live(config(tmp_path / "live", detrend="linear"), replay, 600.0, Alerts())
    # the filter removes the difference, except near gaps and the ends of the data
    assert_equal_to(tmp_path / "batch", tmp_path / "live", 1e-5)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"detrend": "spline"}, "DetrendSpline"),
        ({"bandpass_hz": None, "detrend": "linear"}, "--detrend"),
        ({"time_norm": "clip"}, "Clip"),
        ({"stack": "robust"}, "--stack robust"),
        ({"moving_s": 7200}, "--moving-s"),
    ],
)
def test_options_that_need_the_whole_day_are_refused(
    more, message, archive, config, tmp_path
):
    with pytest.raises(ParameterError, match=message):
        run_live(
            config(tmp_path / "out", **more), ReplayInput(str(archive)), 60.0, Alerts()
        )


def test_a_station_that_is_off_for_a_day_and_comes_back(
    config, tmp_path, assert_equal_to
):
    """When it is back, its clock is 40 s wrong for two hours, and then set back."""
    start, n = UTCDateTime(2024, 3, 1, 12), 50 * 3600
    rng = np.random.default_rng(4)
    common = rng.normal(size=n + 100)
    data = tmp_path / "data"
    data.mkdir()
    for k, station in enumerate(("AAA", "BBB", "CCC")):
        noise = common[7 * k : 7 * k + n] + rng.normal(size=n)
        header = {"network": "XX", "station": station, "channel": "LHZ"}
        stream = Stream([Trace(noise.astype("f4"), header)])
        stream[0].stats.starttime = start
        if station == "BBB":
            back = start + 30 * 3600
            wrong = stream.slice(back, back + 7199).copy()
            wrong[0].stats.starttime += 40
            stream = (
                stream.slice(endtime=start + 5 * 3600)
                + wrong
                + stream.slice(back + 7200)
            )
        stream.write(str(data / f"{station}.mseed"), "MSEED")
    more = {"data": str(data), "window_s": 3600, "bandpass_hz": (0.05, 0.4)}
    workflow.run(config(tmp_path / "batch", substack="day", **more))
    replay = ReplayInput(str(data), record_s=300.0, delay_s=200.0)
    live = config(tmp_path / "live", substack="day", **more)
    run_live(live, replay, 1200.0, Alerts())
    assert_equal_to(tmp_path / "batch", tmp_path / "live")
    with store.open(tmp_path / "live") as results:
        n_windows = results.windows("all")["n_windows"].tolist()
    assert n_windows == [24, 50, 24]  # the first window of the wrong clock has a gap


def test_a_run_that_ends_continues(archive, config, batch, tmp_path, assert_equal_to):
    out = tmp_path / "out"
    middle_ns = (19783 * 24 + 23) * HOUR_NS + HOUR_NS // 7  # not the end of a window
    for end_ns in (middle_ns, None):
        replay = ReplayInput(str(archive), end_ns=end_ns)
        run_live(config(out), replay, 600.0, Alerts())
    assert_equal_to(batch, out)


def _live(config, archive: Path, speed: float) -> None:
    run_live(config, ReplayInput(str(archive), speed), 600.0, Alerts())


def test_killed_runs_lose_no_window_and_count_none_twice(
    archive, config, batch, tmp_path, assert_equal_to
):
    out = tmp_path / "out"
    for _ in range(2):
        process = multiprocessing.get_context("fork").Process(
            target=_live, args=(config(out), archive, 3000.0)
        )
        process.start()
        deadline_s = time.monotonic() + PATIENCE_S
        try:
            while _windows(out, process.pid) < 2 and process.is_alive():
                assert time.monotonic() < deadline_s
                time.sleep(0.02)
        finally:
            process.kill()
            process.join()
    _live(config(out), archive, math.inf)
    assert_equal_to(batch, out)
    open_parts = list((out / "parts").iterdir())
    assert len(open_parts) <= 4  # of closed substacks one for each start, and one


def _windows(out: Path, pid: int | None) -> int:
    """Return the windows that a process has added, by its status."""
    status = read_status(out / "live")
    return status["windows"] if status and status["pid"] == pid else 0


def test_no_items_stay_in_memory(archive, config, tmp_path):
    """Every run collects the items of unconnected outputs; a live run has no end."""
    options = config(tmp_path / "out")
    result = run_live(options, ReplayInput(str(archive)), 600.0, Alerts())
    assert result.complete
    assert not any(result.outputs.values())
    status = read_status(tmp_path / "out" / "live")
    channel = status["channels"][1]
    assert channel["channel"] == "XX.BBB..HHZ"
    assert channel["gaps"] == 1
    assert channel["gap_s"] == pytest.approx(599.75)  # one sample less than the cut
    assert channel["rms"] == pytest.approx(1000 * math.sqrt(2), rel=0.1)
    assert channel["offset"] == pytest.approx(2e4, rel=0.01)
    assert channel["data_latency_p99_s"] == 0.0
    assert channel["windows_used"] == 16 - 2  # the gap is in two windows
