import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal import coherency as c
from seismo_pes.signal._lags import lags_from_spectra
from seismo_pes.signal.errors import ParameterError


def spectra(n_records, n, n_fft, seed=1):
    x = np.random.default_rng(seed).standard_normal((n_records, n))
    return np.fft.rfft(x, n_fft)


def test_coherency_of_a_delayed_record_is_a_pulse():
    n = 512
    a = spectra(1, n, n)[0]
    b = 5 * a * np.exp(-2j * np.pi * 30 * np.arange(a.size) / n)
    product = np.conj(c.coherency_spectra(a)) * c.coherency_spectra(b)
    out = lags_from_spectra(product, n, None, 100)
    assert abs(out[130] - 1) < 0.01
    assert np.abs(np.delete(out, 130)).max() < 0.01


def test_deconvolution_gives_the_impulse_response():
    rng = np.random.default_rng(2)
    n, n_fft = 2000, 4096
    a = rng.standard_normal(n)
    response = np.zeros(60)
    response[[3, 20, 45]] = [1.0, -0.5, 0.25]
    b = np.convolve(a, response)
    level = 1e-9
    source = c.deconvolution_spectra(np.fft.rfft(a, n_fft), level)
    out = lags_from_spectra(np.conj(source) * np.fft.rfft(b, n_fft), n_fft, None, 100)
    assert np.abs(out[100:160] - response).max() < 1e-6
    assert np.abs(out[:100]).max() < 1e-6


def test_deconvolution_water_level_and_silence():
    a = np.array([[1.0, 0.001, 1.0], [0, 0, 0]], np.complex64)
    out = c.deconvolution_spectra(a, 0.1)
    assert out.dtype == np.complex64
    assert np.allclose(out[0], [1, 0.001 / (0.1 * 2 / 3), 1], rtol=1e-5)
    assert (out[1] == 0).all()
    smooth = c.deconvolution_spectra(np.array([1.0, 3.0, 1.0]), 0.1, 1)
    assert np.allclose(smooth, [1 / 5, 9 / 11, 1 / 5])
    with pytest.raises(ParameterError, match="level"):
        c.deconvolution_spectra(a, 0)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_phase_correlation_by_its_definition(power, dtype):
    a, b = np.random.default_rng(3).standard_normal((2, 61)).astype(dtype)
    u, v = c.analytic_phase(a), c.analytic_phase(b)
    wanted = []
    for k in range(-70, 71):
        terms = [
            abs(u[n] + v[n + k]) ** power - abs(u[n] - v[n + k]) ** power
            for n in range(61)
            if 0 <= n + k < 61
        ]
        wanted.append(sum(terms) / (2**power * 61))
    out = c.phase_cross_correlate(a, b, 70, power)
    assert out.dtype == dtype
    assert np.abs(out - wanted).max() < (1e-12 if dtype == np.float64 else 1e-6)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(500, 1200),
    st.floats(-1, 1),
    st.tuples(st.integers(-1500, 1500), st.integers(0, 50)),
    st.integers(0, 2**32 - 1),
)
def test_first_power_in_16_bits_is_that_in_float64(n, likeness, span, seed):
    a, noise = np.random.default_rng(seed).standard_normal((2, n)).astype("f4")
    b = (likeness * a + (1 - abs(likeness)) * noise).astype("f4")
    lags = (span[0], span[0] + span[1])
    result = c.phase_cross_correlate(a, b, lags, 1.0)
    u, v = c.analytic_phase(a), c.analytic_phase(b)
    exact = c.phase_sums(u, v, range(lags[0], lags[1] + 1), 1.0, "f8")
    assert result.dtype == np.float32
    # eight harmonics leave up to 7e-6, and 16 bits 1e-6 (one standard deviation)
    assert np.abs(result - exact).max() < 2e-5


def test_first_power_of_records_longer_than_32_bits_can_sum():
    a = np.random.default_rng(5).standard_normal(132_000).astype("f4")
    result = c.phase_cross_correlate(a, -a, 1, 1.0)  # the largest sum there can be
    exact = c.phase_cross_correlate(a.astype("f8"), -a.astype("f8"), 1, 1.0)
    assert np.abs(result - exact).max() < 1e-5
    assert result[1] == pytest.approx(-1, abs=1e-6)


def test_first_power_of_phases_that_are_rounded_alike():
    n = np.arange(2000)
    a, b = (np.cos(2 * np.pi * (n / 4 + p)).astype("f4") for p in (0.1, 0.2))
    result = c.phase_cross_correlate(a, b, 30, 1.0)
    exact = c.phase_cross_correlate(a.astype("f8"), b.astype("f8"), 30, 1.0)
    assert np.abs(result - exact).max() < 6e-5


def test_first_power_of_records_with_silence():
    a, b = np.random.default_rng(6).standard_normal((2, 600)).astype("f4")
    u, v = c.analytic_phase(a), c.analytic_phase(b)
    u[50:60] = 0
    result = c.phase_sums(u, v, range(-5, 6), 1.0, "f4")
    exact = c.phase_sums(u, v, range(-5, 6), 1.0, "f8")
    assert np.abs(result - exact).max() < 1e-6


def test_phase_correlation_finds_a_lag_below_a_loud_burst():
    x = np.random.default_rng(4).standard_normal(1040)
    a, b = x[40:].copy(), x[:1000].copy()
    a[500] += 1e4
    for power in (1.0, 2.0):
        out = c.phase_cross_correlate(a, b, 60, power)
        assert np.argmax(out) - 60 == 40


@settings(deadline=None, max_examples=30)
@given(st.floats(1e-3, 1e3), st.sampled_from([1.0, 2.0]), st.integers(0, 2**32 - 1))
def test_phase_correlation_is_bounded_symmetric_and_without_unit(factor, power, seed):
    a, b = np.random.default_rng(seed).standard_normal((2, 40))
    ab = c.phase_cross_correlate(a, b, 45, power)
    assert np.allclose(ab, c.phase_cross_correlate(b, a, 45, power)[::-1], atol=1e-12)
    assert np.allclose(ab, c.phase_cross_correlate(factor * a, b, 45, power), atol=1e-9)
    assert np.abs(ab).max() <= 1 + 1e-12


def test_phase_correlation_of_odd_inputs():
    assert c.phase_cross_correlate([], [], 2).tolist() == [0] * 5
    assert (c.phase_cross_correlate(np.zeros(9), np.ones(9), 2) == 0).all()
    assert c.phase_cross_correlate([2.0], [3.0], 1).tolist() == [0, 1, 0]
    assert np.isnan(c.phase_cross_correlate([np.nan, 1.0], [1.0, 2.0], 1)).any()
    for call, name in [
        (lambda: c.phase_cross_correlate([1.0], [1.0, 2.0], 1), "one length"),
        (lambda: c.phase_cross_correlate([1.0], [1.0], 1, 0), "power"),
    ]:
        with pytest.raises(ParameterError, match=name):
            call()


@pytest.mark.parametrize("azimuth", [0.0, 30.0, 90.0, 200.0, 359.0])
def test_rotation_puts_a_radial_and_a_transverse_wave_in_their_places(azimuth):
    # On a plane the back-azimuth is the azimuth turned round.
    az = np.deg2rad(azimuth)
    radial = np.array([0, np.cos(az), np.sin(az)])
    transverse = np.array([0, -np.sin(az), np.cos(az)])
    wave = np.arange(5.0)
    for vector, place in ((radial, 1), (transverse, 2)):
        tensor = np.multiply.outer(np.outer(vector, vector), wave)
        out = c.rotate_tensor(tensor, azimuth, azimuth + 180)
        wanted = np.zeros((3, 3, 5))
        wanted[place, place] = wave
        assert np.allclose(out, wanted, atol=1e-12)


def test_rotation_equals_obspy_at_one_station():
    from obspy.signal.rotate import rotate_ne_rt

    n, e = np.random.default_rng(5).standard_normal((2, 50))
    tensor = np.zeros((3, 3, 50))
    tensor[0, 1], tensor[0, 2] = n, e
    out = c.rotate_tensor(tensor, 0.0, 77.0)
    r, t = rotate_ne_rt(n, e, 77.0)
    assert np.allclose(out[0, 1], r)
    assert np.allclose(out[0, 2], t)


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 360), st.floats(0, 360), st.integers(0, 2**32 - 1))
def test_rotation_keeps_energy(azimuth, back_azimuth, seed):
    x = np.random.default_rng(seed).standard_normal((3, 3, 4))
    y = c.rotate_tensor(x, azimuth, back_azimuth)
    assert np.allclose((y**2).sum((0, 1)), (x**2).sum((0, 1)))
    assert np.allclose(y[0, 0], x[0, 0])


def test_rotation_refuses_other_shapes():
    with pytest.raises(ParameterError, match="shape"):
        c.rotate_tensor(np.ones((2, 3, 4)), 0, 0)
    with pytest.raises(ParameterError, match="finite"):
        c.rotate_tensor(np.ones((3, 3, 4)), np.nan, 0)
