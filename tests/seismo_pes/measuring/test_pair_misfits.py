"""Measures of two stations: which windows belong together, and their lengths."""

from dataclasses import replace

import numpy as np
import pytest

from dispel4py.errors import ParameterError
from seismo_pes.items.comparison import MeasuredBand, MeasuredStation
from seismo_pes.measuring.misfit_settings import MisfitSettings
from seismo_pes.measuring.pair_misfits import match_windows, measure_pair
from seismo_pes.measuring.station_weights import azimuth_weights, density_weights

DELTA_S = 0.1


def wave(times_s, arrival_s):
    phase = (times_s - arrival_s) / 8.0
    return np.exp(-((phase / 1.2) ** 2)) * np.cos(2 * np.pi * phase)


def station(name, arrival_s, late_s, window_s, start_s=0.0, delta_s=DELTA_S):
    """A station whose observed wave is `late_s` after the synthetic one."""
    times_s = start_s + np.arange(round(200.0 / delta_s)) * delta_s
    band = MeasuredBand(
        location="00",
        component="Z",
        band=(4.0, 20.0),
        unit="m/s",
        delta_s=delta_s,
        observed=wave(times_s, arrival_s + late_s),
        synthetic=wave(times_s, arrival_s),
        start_s=start_s,
        first=0,
        n_whole=times_s.size,
        windows_s=(window_s,),
    )
    return MeasuredStation("event", name, arrival_s * 3.0, (band,))


def settings(*names):
    measures = tuple((name, {}) for name in names)
    return MisfitSettings(bands=((4.0, 20.0),), measures=(), pair_measures=measures)


def measured(first, second, *names):
    bands = first.bands[0], second.bands[0]
    return measure_pair(first, second, bands, settings(*names))


@pytest.mark.parametrize("start_s", [0.0, -3.7, 0.05])
def test_windows_of_other_lengths_and_times_give_the_true_difference(start_s):
    first = station("X.A", 60.0, 0.93, (25.0, 95.0))
    second = station("X.B", 80.0, -0.46, (50.0, 112.0), start_s=start_s)
    (pair,) = measured(first, second, "dd_cc")
    assert pair.row.pair == "X.B.00.Z"
    assert pair.row.window_s == pytest.approx((25.0, 95.0))
    assert pair.row.quantities["dt_s"] == pytest.approx(0.93 + 0.46, abs=2e-3)
    (back,) = measured(second, first, "dd_cc")
    assert back.row.quantities["dt_s"] == pytest.approx(-pair.row.quantities["dt_s"])
    assert back.row.misfit == pytest.approx(pair.row.misfit)
    # both ways have the same adjoint sources
    scale = np.abs(pair.adjoint).max()
    np.testing.assert_allclose(back.adjoint_other, pair.adjoint, atol=1e-6 * scale)


def test_equal_records_have_no_misfit_and_no_adjoint_source():
    first = station("X.A", 60.0, 0.0, (25.0, 95.0))
    second = station("X.B", 80.0, 0.0, (45.0, 115.0))
    for pair in measured(first, second, "dd_cc", "dd_waveform", "dd_mt", "convolved"):
        assert pair.row.misfit == 0.0
        assert not pair.adjoint.any()
        assert not pair.adjoint_other.any()


def test_a_window_at_the_end_is_extended_inside_the_record():
    first = station("X.A", 60.0, 0.93, (0.0, 120.0))
    second = station("X.B", 160.0, -0.46, (130.0, 195.0))
    (pair,) = measured(first, second, "dd_waveform")
    assert pair.row.status == "measured"
    assert not pair.adjoint_other[: round(79.0 / DELTA_S)].any()


def test_pairs_that_cannot_be_measured_have_a_reason():
    first = station("X.A", 60.0, 0.93, (25.0, 95.0))
    coarse = station("X.B", 80.0, 0.0, (45.0, 115.0), delta_s=0.2)
    outside = station("X.C", 80.0, 0.0, (150.0, 250.0))
    without = replace(first, bands=(replace(first.bands[0], windows_s=()),))
    for second, reason in (
        (coarse, "the sampling intervals differ (0.1 s, 0.2 s)"),
        (outside, "window outside the data"),
        (without, "no windows that belong together"),
    ):
        (pair,) = measured(first, second, "dd_cc")
        assert pair.row.status == "rejected"
        assert pair.row.reason.startswith(reason)
        assert pair.adjoint is None


def test_equal_times_belong_together_before_equal_slownesses():
    windows = [(20.0, 40.0), (60.0, 80.0)]
    assert match_windows(windows, windows, (100.0, 200.0)) == [
        (window, window) for window in windows
    ]
    assert match_windows([(0.0, 10.0)], [], (1.0, 1.0)) == []


def test_a_measure_of_one_station_is_none_of_two():
    with pytest.raises(ParameterError, match="cc_time: compares one station"):
        settings("cc_time").check()
    with pytest.raises(ParameterError, match="dd_cc: compares two stations"):
        MisfitSettings(((4.0, 20.0),), (("dd_cc", {}),)).check()


def test_weights_by_density_are_those_of_the_formula():
    """On the equator a degree is 111.3 km."""
    weights = density_weights([0, 0, 0], [0, 1, 40], reference_km=111.319491)
    shared = 1 / (1 + np.exp(-1.0))
    expected = np.array([shared, shared, 1.0])
    np.testing.assert_allclose(weights, expected / expected.mean(), rtol=1e-6)
    assert density_weights([5.0], [6.0]) == [1.0]
    assert density_weights([], []).size == 0
    with pytest.raises(ParameterError, match="above 0"):
        density_weights([0], [0], reference_km=0)


def test_each_sector_with_stations_has_the_same_weight():
    azimuth = np.random.default_rng(4).uniform(-360, 720, 50) ** 2 / 720
    weights = azimuth_weights(azimuth, 8)
    sums = [weights[(azimuth % 360) // 45 == k].sum() for k in range(8)]
    occupied = [total for total in sums if total]
    assert weights.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(occupied, 50 / len(occupied))
    with pytest.raises(ParameterError, match="1 or more"):
        azimuth_weights([0.0], 0)
