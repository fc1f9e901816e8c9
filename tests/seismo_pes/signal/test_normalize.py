import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy.signal.util import smooth

from seismo_pes.signal import normalize as n
from seismo_pes.signal.errors import ParameterError

FUNCTIONS = {
    "onebit": n.onebit,
    "ram": lambda x: n.running_absolute_mean(x, 5),
    "clip": lambda x: n.clip(x, 2.0),
    "winsorize": lambda x: n.winsorize(x, 2.0),
    "envelope": lambda x: n.envelope(x, 5),
    "agc": lambda x: n.agc(x, 5),
    "gain": lambda x: n.gain(x, 5),
    "mean": n.mean_normalize,
    "water_level": lambda x: n.water_level(x, 3.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_type_shape_and_input(name, dtype):
    x = np.random.default_rng(1).standard_normal((3, 101)).astype(dtype)
    before = x.copy()
    y = FUNCTIONS[name](x)
    assert y.dtype == dtype
    assert y.shape == x.shape
    assert np.array_equal(x, before)
    row = FUNCTIONS[name](x[1])
    assert np.allclose(row, y[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_odd_inputs(name):
    f = FUNCTIONS[name]
    assert f(np.empty((2, 0))).shape == (2, 0)
    assert np.array_equal(f(np.zeros(30)), np.zeros(30))
    assert f([1, -2, 3]).dtype == np.float64
    assert np.isfinite(f([2.0])).all()
    assert np.isfinite(f(np.full(40, 7.0))).all()
    assert np.isnan(f([1.0, np.nan] * 20)[1])


@pytest.mark.parametrize("name", ["onebit", "ram", "envelope", "agc", "gain", "mean"])
@settings(deadline=None, max_examples=30)
@given(st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_does_not_depend_on_the_units(name, factor, seed):
    x = np.random.default_rng(seed).standard_normal(40)
    f = FUNCTIONS[name]
    assert np.allclose(f(factor * x), f(x), rtol=1e-9, atol=1e-12)
    assert np.allclose(f(-x), -f(x), rtol=0, atol=1e-15)


@pytest.mark.parametrize("n_half", [0, 1, 5, 20, 50, 200])
def test_running_absolute_mean_by_its_definition(n_half):
    x = np.random.default_rng(2).standard_normal(101)
    weight = [
        np.abs(x[max(0, i - n_half) : i + n_half + 1]).mean() for i in range(x.size)
    ]
    y = n.running_absolute_mean(x, n_half)
    assert np.allclose(y, x / weight, rtol=1e-12)
    if n_half == 0:
        assert np.allclose(y, n.onebit(x), rtol=0, atol=1e-15)


def test_zero_weight_gives_zero_after_a_loud_signal():
    x = np.zeros(1000, np.float32)
    x[:10] = 1e9
    y = n.running_absolute_mean(x, 20)
    assert (y[40:] == 0).all()
    assert np.isfinite(y).all()
    assert (n.envelope(x, 20)[60:] == 0).all()


def test_components_share_one_weight():
    x = np.random.default_rng(3).standard_normal((3, 200))
    y = n.running_absolute_mean(x, 10, across_components=True)
    assert np.allclose(y[0] / y[1], x[0] / x[1], rtol=1e-9)
    single = n.running_absolute_mean(np.stack([x[0]] * 3), 10, across_components=True)
    assert np.allclose(single[0], n.running_absolute_mean(x[0], 10))
    with pytest.raises(ParameterError, match="axis of components"):
        n.running_absolute_mean(x[0], 10, across_components=True)


def test_bands_are_normalised_each_on_its_own():
    from seismo_pes.signal.filter import bandpass

    x = np.random.default_rng(10).standard_normal((2, 500))
    bands = [(0.05, 0.1), (0.2, 0.4)]
    wanted = sum(n.running_absolute_mean(bandpass(x, 1, *b), 20) for b in bands)
    result = n.multiband_running_absolute_mean(x, 1.0, bands, 20)
    assert np.allclose(result, wanted, atol=1e-12)
    with pytest.raises(ParameterError, match="no band"):
        n.multiband_running_absolute_mean(x, 1.0, [], 20)
    with pytest.raises(ParameterError, match="Nyquist"):
        n.multiband_running_absolute_mean(x, 1.0, [(0.1, 0.5)], 20)


def test_envelope_is_that_of_the_2015_workflow():
    x = np.random.default_rng(4).standard_normal(500)
    for width in (1, 15):
        assert np.allclose(n.envelope(x, width), x / smooth(np.abs(x), width))


def test_clip_is_at_the_root_mean_square():
    x = np.random.default_rng(5).standard_normal(1000)
    x[7] = 50.0
    bound = 3 * np.sqrt((x**2).mean())
    y = n.clip(x, 3)
    assert y.max() == bound
    assert np.array_equal(y[np.abs(x) < bound], x[np.abs(x) < bound])


def test_winsorize_reaches_its_fixed_point():
    x = np.random.default_rng(6).standard_normal(2000)
    x[100] = 1e4
    y = n.winsorize(x, 3.0, n_passes=100)
    assert abs(np.abs(y).max() - 3 * np.sqrt((y**2).mean())) < 1e-3
    assert np.abs(n.clip(x, 3.0)).max() > 100 * np.abs(y).max()


def test_gain_by_its_definition():
    x = np.random.default_rng(7).standard_normal(60)
    half = 4
    triangle = 1 - np.abs(np.arange(-half, half + 1)) / (half + 1)
    power = np.convolve(x**2, triangle, "same")
    power /= np.convolve(np.ones(60), triangle, "same")
    assert np.allclose(n.gain(x, half), x / np.sqrt(power), rtol=1e-6)


def test_agc_has_unit_power():
    x = 100 * np.random.default_rng(8).standard_normal(20_000)
    y = n.agc(x, 500)
    assert abs((y**2).mean() - 1) < 0.01


def test_water_level_leaves_the_noise():
    x = np.random.default_rng(9).uniform(-1, 1, 500)
    x[50:60] *= 1e5
    y = n.water_level(x, 4.0)
    quiet = np.r_[0:50, 60:500]
    assert np.array_equal(y[quiet], x[quiet])
    assert np.abs(y).max() <= 4 * np.abs(y).mean()


def test_wrong_parameters_are_named():
    x = [1.0, 2.0]
    for call, name in [
        (lambda: n.running_absolute_mean(x, -1), "n_half"),
        (lambda: n.clip(x, 0), "n_std"),
        (lambda: n.winsorize(x, 0.5), "n_rms"),
        (lambda: n.envelope(x, 0), "n must"),
        (lambda: n.water_level(x, 1.0), "level"),
        (lambda: n.gain(x, -2), "n_half"),
    ]:
        with pytest.raises(ParameterError, match=name):
            call()
