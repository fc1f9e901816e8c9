"""The picker in stages, on records whose shifts and amplitudes are known."""

import numpy as np
import pytest

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.windowing import (
    Arrivals,
    StageSettings,
    pick_windows_in_stages,
)
from seismo_pes.signal.windowing.multistage import sliding_correlation

DELTA_S, PERIOD_S = 0.1, 4.0
T = np.arange(3000) * DELTA_S


def pulse(at_s):
    return np.exp(-(((T - at_s) / 6) ** 2)) * np.cos(2 * np.pi * (T - at_s) / 4.5)


def noise(level, seed=1):
    rng = np.random.default_rng(seed)
    return level * np.convolve(rng.standard_normal(T.size), np.hanning(21), "same") / 3


SYNTHETIC = pulse(100) + pulse(180)


def pick(observed, synthetic=SYNTHETIC, arrivals=None, **options):
    return pick_windows_in_stages(
        observed,
        synthetic,
        DELTA_S,
        PERIOD_S,
        arrivals or Arrivals((85.0,)),
        StageSettings(**options),
    )


def holding(picks, at_s):
    return [w for w in picks.windows if w.start_s < at_s < w.end_s]


def test_arrivals_with_known_shifts():
    observed = 1.4 * pulse(100.5) + 0.8 * pulse(179.3) + noise(0.01)
    picks = pick(observed)
    for at_s, dt_s, dlna in ((100, 0.5, np.log(1.4)), (180, -0.7, np.log(0.8))):
        (window,) = holding(picks, at_s)
        assert window.dt_s == pytest.approx(dt_s, abs=0.03)
        assert window.dlna == pytest.approx(dlna, abs=0.03)
        assert window.cc > 0.98
        assert window.snr > 10
    assert all(window.start_s > 80 for window in picks.windows)


def test_times_at_which_the_shift_is_too_large_are_left_out():
    picks = pick(pulse(100.4) + pulse(181.7))
    assert len(holding(picks, 100)) == 1
    assert not holding(picks, 180)
    rows = [row for row in picks.rejected if row.reason == "time shift"]
    assert {row.stage for row in rows} == {"sliding"}
    around = [row for row in rows if row.start_s < 180 < row.end_s]
    assert around[0].numbers["dt_s"] == pytest.approx(1.7, abs=0.1)


def test_times_at_which_the_waves_differ_are_left_out():
    other = np.exp(-(((T - 180) / 6) ** 2)) * np.cos(2 * np.pi * (T - 180) / 2.1)
    picks = pick(pulse(100) + other)
    assert len(holding(picks, 100)) == 1
    assert not holding(picks, 180)
    assert ("sliding", "correlation") in {(r.stage, r.reason) for r in picks.rejected}


def test_records_of_noise_and_of_opposite_polarity_are_rejected():
    picks = pick(SYNTHETIC + noise(1.0))
    assert [(r.stage, r.reason) for r in picks.rejected] == [("data", "noise")]
    picks = pick(noise(0.5, 7) * (T > 85), min_record_cc=0.5)
    assert [(r.stage, r.reason) for r in picks.rejected] == [("data", "correlation")]
    assert picks.windows == ()
    flipped = pick(-SYNTHETIC)
    assert not holding(flipped, 100)


@pytest.mark.parametrize(
    ("observed", "options", "reason"),
    [
        (5 * SYNTHETIC, {}, "amplitude"),
        (SYNTHETIC, {"min_length_periods": 40.0}, "length"),
        (SYNTHETIC, {"min_peaks": 60}, "peaks"),
        (
            SYNTHETIC + noise(0.1),
            {"max_window_noise": 0.02, "max_record_noise": 1.0},
            "noise",
        ),
    ],
    ids=["energy", "length", "peaks", "noise"],
)
def test_each_stage_rejects_windows(observed, options, reason):
    picks = pick(observed, **options)
    assert picks.windows == ()
    assert reason in {row.reason for row in picks.rejected}


def test_windows_lie_between_the_arrivals():
    picks = pick(SYNTHETIC, arrivals=Arrivals((90.0, 95.0), latest_s=140.0))
    assert holding(picks, 100)
    assert not holding(picks, 180)
    assert all(w.start_s >= 88 and w.end_s <= 140 for w in picks.windows)
    with pytest.raises(ParameterError, match="arrivals"):
        pick(SYNTHETIC, arrivals=Arrivals(()))


def test_no_data_no_window():
    picks = pick(np.zeros(T.size))
    assert [(r.stage, r.reason) for r in picks.rejected] == [
        ("data", "observed record is zero")
    ]


def test_sliding_correlation_of_a_sine_of_varying_phase():
    """The shift of each time, and one sided windows at the ends."""
    t = np.arange(2000)
    late = np.where(t < 1000, 3, -4)
    d, s = np.sin(0.2 * (t - late)), np.sin(0.2 * t)
    lags, cc = sliding_correlation(d, s, 100, 10)
    assert np.array_equal(lags[100:900], np.full(800, 3))
    assert np.array_equal(lags[1100:1900], np.full(800, -4))
    assert cc[100:900] == pytest.approx(1, abs=1e-9)
    assert cc.max() <= 1
    silent = sliding_correlation(np.where(t < 500, 0, d), s, 100, 10)[1]
    assert np.abs(silent[:400]).max() < 1e-6
