import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal import stack as s
from seismo_pes.signal import stack_filters as sf
from seismo_pes.signal.errors import ParameterError

STACKS = {
    "linear": s.linear,
    "nth_root": lambda x: s.nth_root(x, 2),
    "phase_weighted": lambda x: s.phase_weighted(x, 2, 3),
    "selective": lambda x: s.selective(x, 0.0)[0],
    "robust": lambda x: s.robust(x)[0],
    "adaptive_covariance": sf.adaptive_covariance,
    "wiener": sf.wiener,
    "tf_pws": lambda x: sf.time_frequency_phase_weighted(x, 1.0, 0.02, 0.4),
}
# Those that give back a wave that all windows share.
FAITHFUL = [name for name in STACKS if name not in ("wiener", "tf_pws")]


def noisy(n_windows, noise, n=400, seed=1):
    t = np.arange(n)
    wave = np.exp(-(((t - 150) / 15) ** 2)) * np.cos(0.5 * (t - 150))
    rng = np.random.default_rng(seed)
    return wave, wave + noise * rng.standard_normal((n_windows, n))


def error(y, wave):
    return np.linalg.norm(y - wave) / np.linalg.norm(wave)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_type_and_input(name, dtype):
    x = noisy(6, 0.3, 97)[1].astype(dtype)
    before = x.copy()
    y = STACKS[name](x)
    assert y.dtype == dtype
    assert y.shape == (97,)
    assert np.array_equal(x, before)
    wanted = STACKS[name](x.astype(np.float64))
    assert np.abs(y - wanted).max() < 2e-5 * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("name", STACKS)
def test_odd_inputs(name):
    f = STACKS[name]
    assert np.array_equal(f(np.empty((0, 20))), np.zeros(20))
    assert f(np.empty((3, 0))).shape == (0,)
    assert np.array_equal(f(np.zeros((3, 20))), np.zeros(20))
    assert np.isfinite(f(np.ones((3, 1)))).all()
    assert np.isfinite(f(np.full((3, 20), 5.0))).all()
    bad = np.ones((3, 20))
    bad[1, 4] = np.nan
    if name != "selective":  # there a window with NaN does not reach the threshold
        assert np.isnan(f(bad)).any()
    with pytest.raises(ParameterError):
        f([1.0, 2.0])


@pytest.mark.parametrize("name", FAITHFUL)
def test_equal_windows_come_back(name):
    wave = noisy(1, 0)[0]
    assert error(STACKS[name](np.stack([wave] * 5)), wave) < 1e-6


@pytest.mark.parametrize("name", STACKS)
@settings(deadline=None, max_examples=30)
@given(st.floats(1e-3, 1e3), st.integers(0, 1000))
def test_scales_with_the_unit_and_ignores_the_order(name, factor, seed):
    x = noisy(5, 0.5, 64, seed)[1]
    y = STACKS[name](x)
    assert np.allclose(STACKS[name](factor * x), factor * y, rtol=1e-6, atol=1e-7)
    if name != "wiener":  # its neighbourhood goes across neighbouring windows
        turned = STACKS[name](x[::-1])
        assert np.allclose(turned, y, rtol=0, atol=1e-7)


def test_linear_is_the_mean_of_those_in_use():
    x = np.random.default_rng(1).standard_normal((3, 5, 7)).astype(np.float32)
    use = np.array([True, False, True, True, False])
    assert np.allclose(s.linear(x), x.mean(axis=1), atol=1e-7)
    assert np.allclose(s.linear(x, use), x[:, use].mean(axis=1), atol=1e-7)
    assert (s.linear(x, ~(use | True)) == 0).all()
    with pytest.raises(ParameterError, match="does not fit"):
        s.linear(x, use[:2])


def test_analytic_signal_equals_scipy():
    for n in (1, 2, 7, 64, 97):
        x = np.random.default_rng(n).standard_normal((2, n))
        assert np.allclose(s.analytic(x), scipy.signal.hilbert(x), atol=1e-13)


def test_phase_weighted_by_its_definition():
    x = noisy(8, 1.0)[1]
    phasors = np.exp(1j * np.angle(scipy.signal.hilbert(x)))
    wanted = x.mean(axis=0) * np.abs(phasors.mean(axis=0)) ** 3
    assert np.allclose(s.phase_weighted(x, 3), wanted, atol=1e-12)
    assert np.allclose(s.phase_weighted(x, 0), x.mean(axis=0))


def test_random_phases_cancel():
    x = np.random.default_rng(4).standard_normal((400, 500))
    # The mean of N random phasors has a length of sqrt(pi / (4 N)) on average.
    assert abs(s.phase_coherence(x).mean() / np.sqrt(np.pi / 1600) - 1) < 0.05


def test_selection_and_coefficients():
    wave, x = noisy(10, 0.1)
    x[[2, 5]] *= -1
    stack, used = s.selective(x, 0.5, wave)
    assert np.flatnonzero(~used).tolist() == [2, 5]
    assert np.allclose(stack, x[used].mean(axis=0))
    wanted = [np.corrcoef(row, wave)[0, 1] for row in x - x.mean(1, keepdims=True)]
    zero_mean = x - x.mean(axis=1, keepdims=True)
    result = s.coefficients(zero_mean, wave - wave.mean())
    assert np.allclose(result, wanted, atol=1e-12)


def test_robust_shuts_out_a_burst():
    wave, x = noisy(20, 0.1)
    x[7] += 50 * np.random.default_rng(2).standard_normal(400)
    stack, weights = s.robust(x)
    assert weights[7] < 0.002
    assert abs(weights.sum() - 1) < 1e-12
    without = np.delete(x, 7, axis=0).mean(axis=0)
    assert error(stack, wave) < 2 * error(without, wave)
    assert error(x.mean(axis=0), wave) > 5 * error(stack, wave)


def test_moving_stacks():
    x = np.random.default_rng(5).standard_normal((2, 9, 4))
    y = s.moving(x, 4, 2)
    assert y.shape == (2, 3, 4)
    assert np.allclose(y[:, 1], x[:, 2:6].mean(axis=1))
    assert s.moving(x, 10).shape == (2, 0, 4)


def test_bootstrap_deviation_is_the_standard_error():
    x = 3 + np.random.default_rng(6).standard_normal((100, 50))
    mean, deviation = s.bootstrap(x, 500)
    assert np.allclose(mean, x.mean(axis=0), atol=0.03)
    assert abs((deviation / (x.std(axis=0) / 10)).mean() - 1) < 0.05
    slow = s.bootstrap(x, 500, stack=s.linear)[1]
    assert abs((slow / deviation).mean() - 1) < 0.05
    assert np.array_equal(s.bootstrap(x, 9, 4)[0], s.bootstrap(x, 9, 4)[0])


def test_adaptive_covariance_by_its_definition():
    x = noisy(5, 1.0, 60)[1]
    spectra = np.fft.rfft(x, 120)
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    cross = sum((spectra[i] * spectra[j].conj()).real for i, j in pairs) / 20
    auto = (np.abs(spectra) ** 2).mean(axis=0)
    factor = np.clip(cross / auto, 0, 1) ** 1.5
    wanted = np.fft.irfft(factor * spectra.mean(axis=0), 120)[:60]
    assert np.allclose(sf.adaptive_covariance(x, 1.5), wanted, atol=1e-12)


def test_filters_beat_the_mean_on_noise():
    wave, x = noisy(60, 1.0)
    plain = error(x.mean(axis=0), wave)
    assert error(sf.wiener(x), wave) < 0.7 * plain
    tf = sf.time_frequency_phase_weighted(x, 1.0, 0.02, 0.3)
    assert error(tf, wave) < 0.6 * plain
    assert error(s.phase_weighted(x, 2, 5), wave) < plain


def test_time_frequency_with_power_zero_is_a_band_of_the_mean():
    x = noisy(7, 1.0, 101)[1]
    spectrum = np.fft.rfft(x.mean(axis=0))
    f = np.fft.rfftfreq(101)
    spectrum[(f < 0.1) | (f > 0.3)] = 0
    wanted = np.fft.irfft(spectrum, 101)
    y = sf.time_frequency_phase_weighted(x, 1.0, 0.1, 0.3, power=0)
    assert np.allclose(y, wanted, atol=1e-12)


def test_wrong_parameters_are_named():
    x = np.ones((3, 8))
    for call, name in [
        (lambda: s.nth_root(x, 0.5), "power"),
        (lambda: s.phase_weighted(x, -1), "power"),
        (lambda: s.phase_weighted(x, 1, -1), "n_half"),
        (lambda: s.selective(x, 1.5), "threshold"),
        (lambda: s.selective(x, 0.5, np.ones(7)), "reference"),
        (lambda: s.robust(x, 0), "tolerance"),
        (lambda: s.moving(x, 0), "n_windows"),
        (lambda: s.bootstrap(x, 1), "n_draws"),
        (lambda: s.bootstrap(x[:0]), "x must"),
        (lambda: sf.adaptive_covariance(x, -1), "power"),
        (lambda: sf.wiener(x, 0), "n_components"),
        (lambda: sf.time_frequency_phase_weighted(x, 1, 0.1, 0.6), "Nyquist"),
        (lambda: sf.time_frequency_phase_weighted(x, 1, 0.1, 0.3, -1), "power"),
    ]:
        with pytest.raises(ParameterError, match=name):
            call()
