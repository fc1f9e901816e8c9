"""The steps of a plan that need no files: grid, periods, components."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dispel4py.errors import ParameterError
from seismo_pes.reading.archives.archive import ChannelInfo
from seismo_pes.signal.window import WindowGrid
from xcorr_app.planning.components import Components
from xcorr_app.planning.grid import (
    SamplingRates,
    run_grid,
    usual_rate_hz,
)
from xcorr_app.planning.periods import window_periods

NS = 10**9
DAY_NS = 86_400 * NS


def recorded(rates_hz, limits=(None, None)):
    """Channels of one day, as an archive describes them."""
    infos = {
        f"XX.S{k}..HHZ": ChannelInfo(
            f"XX.S{k}..HHZ", DAY_NS, 2 * DAY_NS - NS, ("file",), (rate_hz,)
        )
        for k, rate_hz in enumerate(rates_hz)
    }
    return SimpleNamespace(infos=infos, limits=limits)


def infos(*args):
    return list(recorded(*args).infos.values())


def test_windows_start_at_midnight_of_the_first_day_or_at_the_limit() -> None:
    grid = run_grid(recorded([10.0]), 3600, 1800, SamplingRates())
    assert (grid.windows.origin_ns, grid.end_ns) == (DAY_NS, 2 * DAY_NS)
    assert (grid.windows.length_ns, grid.windows.step_ns) == (3600 * NS, 1800 * NS)
    limits = DAY_NS + 600 * NS, DAY_NS + 7200 * NS
    grid = run_grid(recorded([10.0], limits), 3600, 3600, SamplingRates())
    assert (grid.windows.origin_ns, grid.end_ns) == limits


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (SamplingRates(), (100.0, 100.0)),
        (SamplingRates(asked_hz=20.0), (100.0, 20.0)),
        (SamplingRates(recorded_hz=99.0), (99.0, 99.0)),
        (SamplingRates(steps="Decimate(factor=4)"), (100.0, 25.0)),
    ],
)
def test_sampling_rates(rates, expected) -> None:
    grid = run_grid(recorded([100.0, 100.0, 40.0]), 600, 600, rates)
    assert (grid.recorded_hz, grid.rate_hz) == expected


def test_the_usual_rate_is_the_higher_of_two_equally_frequent_rates() -> None:
    assert usual_rate_hz(infos([20.0, 100.0])) == 100.0
    with pytest.raises(ParameterError, match="give --sampling-rate-hz"):
        usual_rate_hz([])


def test_a_window_belongs_to_the_day_in_which_it_starts() -> None:
    windows = WindowGrid(10 * DAY_NS, 7200 * NS, 3600 * NS)
    periods = window_periods(windows, 12 * DAY_NS, "archive")
    assert periods == {
        10: (10 * DAY_NS, 11 * DAY_NS + 3600 * NS),
        11: (11 * DAY_NS, 12 * DAY_NS),
    }
    with pytest.raises(ParameterError, match="archive: no window of --window-s 7200"):
        window_periods(windows, 10 * DAY_NS + 3600 * NS, "archive")


@pytest.mark.parametrize(
    ("components", "rotated", "whole"),
    [
        (Components(), False, False),
        (Components(("ZZ",)), False, False),
        (Components(("ZZ", "RT")), True, True),
        (Components(("ZZ",), together=True), False, True),
        (Components(None, oriented=True), False, True),
    ],
)
def test_components(components, rotated, whole) -> None:
    assert (components.rotated, components.whole_instruments) == (rotated, whole)
