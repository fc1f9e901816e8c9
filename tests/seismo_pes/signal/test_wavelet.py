import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal import wavelet as w
from seismo_pes.signal.errors import ParameterError

RATE = 10.0
FREQUENCY = np.geomspace(0.3, 1.5, 9)


def coda(at, seed=1):
    rng = np.random.default_rng(seed)
    f = np.linspace(0.1, 2.0, 300)
    phase = rng.uniform(0, 2 * np.pi, 300)
    return np.cos(2 * np.pi * f * at[:, None] + phase).sum(axis=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transform_is_the_convolution_with_the_wavelet(dtype):
    x = np.random.default_rng(1).standard_normal(301).astype(dtype)
    f, n_cycles = 0.7, 6.0
    out = w.morlet(x, RATE, [f], n_cycles)
    assert out.dtype == (np.complex64 if dtype == np.float32 else np.complex128)
    t = np.arange(-300, 301) / RATE
    # Of unit response at f: twice a Gaussian of sigma n / (2 pi f) times the wave.
    sigma = n_cycles / (2 * np.pi * f)
    psi = 2 * np.exp(-0.5 * (t / sigma) ** 2 + 2j * np.pi * f * t)
    psi /= sigma * np.sqrt(2 * np.pi) * RATE
    wanted = np.convolve(x, psi)[300:601]
    # The real wavelet has weak negative frequencies; the transform has none.
    assert np.abs(out[0] - wanted).max() < 1e-6


def test_sine_has_its_amplitude_and_phase():
    t = np.arange(2000) / RATE
    x = 3 * np.cos(2 * np.pi * FREQUENCY[4] * t + 0.7)
    out = w.morlet(np.stack([x, 2 * x]), RATE, FREQUENCY)
    assert out.shape == (2, 9, 2000)
    middle = out[0, 4, 1000]
    assert abs(abs(middle) - 3) < 1e-6
    angle = 2 * np.pi * FREQUENCY[4] * t[1000] + 0.7
    assert abs(np.exp(1j * (np.angle(middle) - angle)) - 1) < 1e-6
    assert np.argmax(np.abs(out[1, :, 1000])) == 4


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(-5, 5))
def test_transform_is_linear(seed, factor):
    x, y = np.random.default_rng(seed).standard_normal((2, 100))
    left = w.morlet(x + factor * y, RATE, FREQUENCY)
    right = w.morlet(x, RATE, FREQUENCY) + factor * w.morlet(y, RATE, FREQUENCY)
    assert np.allclose(left, right, atol=1e-12)


@pytest.mark.parametrize("delay", [0.0, 0.05, -0.1])
def test_a_shift_is_found_at_every_frequency(delay):
    t = np.arange(1500) / RATE
    a, b = coda(t), coda(t - delay)
    before = a.copy()
    result = w.wavelet_delays(a, b, RATE, FREQUENCY)
    inner = result.delay_s[:, 100:-100]
    loud = result.coherence[:, 100:-100] > 0.95
    assert loud.mean() > 0.95
    assert np.abs(inner[loud] - delay).mean() < 0.003
    assert np.array_equal(a, before)
    swapped = w.wavelet_delays(b, a, RATE, FREQUENCY)
    assert np.allclose(swapped.delay_s, -result.delay_s, atol=1e-9)


def test_velocity_change_at_every_frequency():
    t = np.arange(-600, 601) / RATE
    a, b = coda(t), coda(t * 1.002)
    result = w.wavelet_delays(a, b, RATE, FREQUENCY)
    changes = w.wavelet_velocity_change(result, t, 10, 50)
    assert len(changes) == 9
    for change in changes:
        assert abs(change.dvv - 0.002) < 1e-4
        assert change.error < 1e-4
    stretched = w.wavelet_stretch(a, b, t, FREQUENCY, 10, 50)
    assert np.abs(stretched.dvv - 0.002).max() < 1e-4
    assert stretched.dvv.shape == (9,)


def test_silence_and_mistakes():
    x = np.ones(50)
    assert np.isnan(w.wavelet_delays(0 * x, 0 * x, RATE, [1.0]).delay_s).all()
    bad = np.where(np.arange(50) == 9, np.nan, x)
    assert np.isnan(w.wavelet_delays(x, bad, RATE, [1.0]).delay_s).all()
    assert w.morlet(np.empty((2, 0)), RATE, [1.0]).shape == (2, 1, 0)
    result = w.wavelet_delays(0 * x, 0 * x, RATE, [1.0])
    change = w.wavelet_velocity_change(result, np.arange(50.0), 1, 40)[0]
    assert np.isnan(change.dvv)
    for call, name in [
        (lambda: w.morlet(x, RATE, [5.1]), "Nyquist"),
        (lambda: w.morlet(x, RATE, []), "frequency_hz"),
        (lambda: w.morlet(x, RATE, [1.0], 1), "n_cycles"),
        (lambda: w.wavelet_delays(x, x, RATE, [1.0], 6, 2), "odd"),
        (lambda: w.wavelet_velocity_change(result, x[1:], 0, 1), "does not fit"),
        (lambda: w.wavelet_velocity_change(result, x, 5, 9), "no lag"),
        (lambda: w.wavelet_stretch(x, x, x[1:], [1.0], 1, 2), "does not fit"),
    ]:
        with pytest.raises(ParameterError, match=name):
            call()
