import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits import Rejection, measure, measure_windows

DELTA_S = 0.25
T = np.arange(600) * DELTA_S


@settings(deadline=None, max_examples=25)
@given(
    dt_s=st.floats(-2.4, 2.4), factor=st.floats(0.05, 20.0), seed=st.integers(1, 1000)
)
@pytest.mark.parametrize(
    "window_s", [None, (40.0, 110.0), (70.0, 95.0)], ids=["whole", "long", "cut"]
)
def test_pure_shift_and_pure_factor(packet, window_s, dt_s, factor, seed):
    """Shifts of fractions of a sample are exact, also if the window cuts the signal."""
    synthetic = packet(T, seed, half_width_s=18.0)
    observed = factor * packet(T - dt_s, seed, half_width_s=18.0)
    for name in ("cc_time", "cc_amplitude"):
        row = measure(name, observed, synthetic, DELTA_S, window_s=window_s)
        assert row.quantities["dt_s"] == pytest.approx(dt_s, abs=2e-6)
        assert row.quantities["dlna"] == pytest.approx(np.log(factor), abs=2e-6)
        assert row.quantities["cc"] == pytest.approx(1, abs=1e-6)
        assert row.uncertainty < 1e-4


def test_chi_of_known_shift_and_factor(packet):
    row = measure("cc_time", packet(T - 1.3), packet(T), DELTA_S, sigma_s=0.5)
    assert row.value == pytest.approx(0.5 * (1.3 / 0.5) ** 2, rel=1e-6)
    row = measure("cc_amplitude", 3 * packet(T - 1.3), packet(T), DELTA_S, sigma=1.0)
    assert row.value == pytest.approx(0.5 * np.log(3) ** 2, rel=1e-6)


def test_a_late_observation_is_positive(packet):
    late = measure("cc_time", packet(T - 0.37), packet(T), DELTA_S)
    early = measure("cc_time", packet(T + 0.37), packet(T), DELTA_S)
    assert late.quantities["dt_s"] > 0 > early.quantities["dt_s"]
    # if the observation is late, a later synthetic has a smaller chi: the product of
    # the adjoint and the change -ds/dt dt is negative
    later = packet(T - 0.01) - packet(T)
    assert np.dot(late.adjoint, later) < 0 < np.dot(early.adjoint, later)


def test_adjoint_of_waves_that_are_alike(packet):
    """Then it is the usual one: dt times the velocity over its energy."""
    synthetic = packet(T, half_width_s=14.0)
    row = measure("cc_time", 2 * packet(T - 0.4, half_width_s=14.0), synthetic, DELTA_S)
    velocity = np.gradient(synthetic, DELTA_S, edge_order=2)
    usual = 0.4 * velocity / (np.sum(velocity**2) * DELTA_S)
    # central differences of samples are right to (omega delta)^2 / 6, one percent
    assert row.adjoint == pytest.approx(usual, abs=0.02 * np.abs(usual).max())
    row = measure("cc_amplitude", 2 * synthetic, synthetic, DELTA_S)
    usual = -np.log(2) / 0.5**2 * synthetic / (np.sum(synthetic**2) * DELTA_S)
    assert row.adjoint == pytest.approx(usual, abs=1e-9 * np.abs(usual).max())


def test_shift_of_coarse_samples(packet):
    """Two samples in the shortest period are enough."""
    t = np.arange(75) * 2.0
    row = measure("cc_time", packet(t - 0.7), packet(t), 2.0)
    assert row.quantities["dt_s"] == pytest.approx(0.7, abs=1e-5)


@pytest.mark.parametrize("convention", ["native", "pyadjoint"])
def test_a_shift_beyond_half_a_period_is_rejected(convention, packet):
    period_s = 8.0

    def wave(t):
        return np.exp(-(((t - 75) / 12) ** 2)) * np.cos(2 * np.pi * (t - 75) / period_s)

    for dt_s in (3.5, -3.5):
        row = measure(
            "cc_time", wave(T - dt_s), wave(T), DELTA_S, convention=convention
        )
        assert row.quantities["dt_s"] == pytest.approx(dt_s, abs=1e-6)
    for dt_s in (4.5, -4.5, 6.0, 9.0, -11.0):
        with pytest.raises(Rejected) as caught:
            measure("cc_time", wave(T - dt_s), wave(T), DELTA_S, convention=convention)
        assert caught.value.reason == "cycle skip"
        assert abs(caught.value.numbers["dt_s"] - dt_s) < 0.01
        assert caught.value.numbers["period_s"] == pytest.approx(period_s, rel=0.02)
    row = measure(
        "cc_time",
        wave(T - 4.5),
        wave(T),
        DELTA_S,
        max_shift_periods=0.75,
        convention=convention,
    )
    assert row.quantities["dt_s"] == pytest.approx(4.5, abs=1e-6)
    with pytest.raises(Rejected, match="cycle skip"):
        measure(
            "cc_time",
            wave(T - 3.5),
            wave(T),
            DELTA_S,
            period_s=6.0,
            convention=convention,
        )


@pytest.mark.parametrize("late_s", [0.0, 0.4, -0.9])
def test_opposite_polarity_is_rejected(late_s, packet):
    """It is no good fit, nor a shift of nearly half a period."""
    observed = -2 * packet(T - late_s)
    names = ["cc_time", "cc_amplitude", "mt_time", "mt_amplitude"]
    rows = measure_windows(names, observed, packet(T), DELTA_S, [None, (40.0, 110.0)])
    for row in rows:
        assert isinstance(row, Rejection)
        assert row.reason in ("opposite polarity", "cycle skip")
    assert "opposite polarity" in {row.reason for row in rows}
    assert measure("cc_coefficient", -packet(T), packet(T), DELTA_S).value == 2
    pulse = np.exp(-(((T - 75) / 3) ** 2))  # one sign: no positive correlation
    with pytest.raises(Rejected):
        measure("cc_time", -pulse, pulse, DELTA_S)


@pytest.mark.parametrize("dt_s", [3.0, -3.9])
def test_shifts_of_nearly_half_a_period_in_noise_keep_their_polarity(dt_s, packet):
    def wave(t):
        return np.exp(-(((t - 75) / 12) ** 2)) * np.cos(2 * np.pi * (t - 75) / 8.0)

    observed = wave(T - dt_s) + 0.02 * packet(T, 9, half_width_s=60.0)
    row = measure("cc_time", observed, wave(T), DELTA_S, window_s=(40.0, 110.0))
    assert row.quantities["dt_s"] == pytest.approx(dt_s, abs=0.1)


def test_the_shifted_window_must_lie_in_the_data(packet):
    wave = packet(T, half_width_s=1e6)  # the signal reaches both ends
    late = packet(T + 2.0, half_width_s=1e6)
    with pytest.raises(Rejected, match="shifted window outside the data"):
        measure("cc_time", late, wave, DELTA_S, window_s=(1.0, 60.0))
    row = measure("cc_time", late, wave, DELTA_S, window_s=(30.0, 90.0))
    assert row.quantities["dt_s"] == pytest.approx(-2.0, abs=0.02)


def test_error_is_the_scatter_over_noise(packet):
    """The stated error is above the scatter of shifts in noise, but not by much."""
    rng = np.random.default_rng(3)
    shifts, errors = [], []
    for seed in rng.integers(1, 10**6, 40):
        noise = 0.1 * packet(T, seed, half_width_s=60.0)
        row = measure(
            "cc_time", packet(T - 0.6) + noise, packet(T), DELTA_S, window_s=(45, 105)
        )
        shifts.append(row.quantities["dt_s"])
        errors.append(row.uncertainty)
    assert np.mean(shifts) == pytest.approx(0.6, abs=3 * np.std(shifts) / np.sqrt(40))
    # errors count as correlated, so the stated error is an upper limit
    assert 1 < np.mean(errors) / np.std(shifts) < 8


@pytest.mark.parametrize("convention", ["native", "pyadjoint"])
@pytest.mark.parametrize(
    ("name", "sigma"), [("cc_time", "sigma_s"), ("cc_amplitude", "sigma")]
)
def test_errors_as_weights_are_constants_of_the_adjoint(
    name, sigma, convention, records, gradient_error
):
    observed, synthetic = records[:2]
    more = {"window_s": (40.0, 110.0), "convention": convention}
    row = measure(
        name, observed, synthetic, DELTA_S, weighting="error", **{sigma: 1e-3}, **more
    )
    assert row.quantities[sigma] == row.uncertainty > 1e-3
    frozen = {sigma: row.uncertainty, "weighting": "fixed", **more}
    fixed = measure(name, observed, synthetic, DELTA_S, **frozen)
    assert np.array_equal(fixed.adjoint, row.adjoint)
    assert fixed.misfit == row.misfit
    if (name, convention) == ("cc_time", "pyadjoint"):
        return  # a shift in whole samples has no derivative

    def chi(s):
        return measure(name, observed, s, DELTA_S, **frozen).misfit

    assert gradient_error(chi, row.adjoint, synthetic) < 1e-6


def test_adjoint_of_whole_samples_is_that_of_the_maximum_below_one(records):
    """As in pyadjoint, chi has steps; the adjoint is the slope of its trend."""
    observed, synthetic = records[:2]
    row = measure(
        "cc_time",
        observed,
        synthetic,
        DELTA_S,
        window_s=(40.0, 110.0),
        convention="pyadjoint",
    )
    exact = measure("cc_time", observed, synthetic, DELTA_S, window_s=(40.0, 110.0))
    alike = np.corrcoef(row.adjoint, exact.adjoint)[0, 1]
    assert alike > 0.99
    assert abs(row.quantities["dt_s"] - exact.quantities["dt_s"]) <= DELTA_S


def test_a_window_at_the_end_of_the_data(packet):
    """No shift needs data outside; of others only those away from the end do not."""
    wave = packet(T, half_width_s=1e6)
    for window_s in ((0.0, 60.0), (100.0, 149.75)):
        row = measure("cc_time", wave, wave, DELTA_S, window_s=window_s)
        assert row.misfit == 0
    early = packet(T + 0.4, half_width_s=1e6)
    row = measure("cc_time", early, wave, DELTA_S, window_s=(100.0, 149.75))
    assert row.quantities["dt_s"] == pytest.approx(-0.4, abs=0.01)
    with pytest.raises(Rejected, match="shifted window outside the data"):
        measure("cc_time", early, wave, DELTA_S, window_s=(0.0, 60.0))
