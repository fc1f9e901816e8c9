import numpy as np
import pytest
from scipy import fft

from seismo_pes.signal.errors import ParameterError, Rejected
from seismo_pes.signal.misfits import measure
from seismo_pes.signal.misfits.tapers import slepian_tapers

DELTA_S = 0.25
T = np.arange(600) * DELTA_S


def dispersed(x, dt_of_hz, factor_of_hz=lambda f: 1.0):
    """Delay and scale each frequency of a record that is zero at its ends."""
    n_fft = 4 * x.size
    f = fft.rfftfreq(n_fft, DELTA_S)
    spectrum = fft.rfft(x, n_fft) * factor_of_hz(f)
    return fft.irfft(spectrum * np.exp(-2j * np.pi * f * dt_of_hz(f)), n_fft)[: x.size]


@pytest.mark.parametrize("window_s", [None, (40.0, 110.0), (60.0, 95.0)])
@pytest.mark.parametrize("dt_s", [0.0, 0.07, -0.613, 1.75, -2.2])
def test_pure_shift_and_pure_factor(packet, window_s, dt_s):
    synthetic = packet(T, 1, half_width_s=18.0)
    observed = 1.7 * packet(T - dt_s, 1, half_width_s=18.0)
    row = measure("mt_time", observed, synthetic, DELTA_S, window_s=window_s)
    assert row.quantities["dt_s"] == pytest.approx(dt_s, abs=1e-6)
    assert row.value == pytest.approx(0.5 * dt_s**2, abs=1e-5)
    assert row.uncertainty < 1e-5
    row = measure("mt_amplitude", observed, synthetic, DELTA_S, window_s=window_s)
    assert row.quantities["dlna"] == pytest.approx(np.log(1.7), abs=1e-6)
    assert row.value == pytest.approx(0.5 * (np.log(1.7) / 0.5) ** 2, abs=1e-5)


def test_dispersion_is_measured_over_frequency(packet):
    """The two halves of the band have the delays of their frequencies."""
    synthetic = packet(T, 4)
    observed = dispersed(synthetic, lambda f: 1.0 + 6 * (f - 0.1))
    means = []
    for short_s, long_s in ((7.0, 9.0), (10.5, 14.0)):
        row = measure(
            "mt_time",
            observed,
            synthetic,
            DELTA_S,
            nw=2.5,
            n_tapers=4,
            min_period_s=short_s,
            max_period_s=long_s,
        )
        f = (row.quantities["low_hz"] + row.quantities["high_hz"]) / 2
        means.append(row.quantities["dt_s"] - (1.0 + 6 * (f - 0.1)))
        assert row.quantities["low_hz"] >= 1 / long_s - 1e-9
        assert row.quantities["high_hz"] <= 1 / short_s + 1e-9
    # tapers average over their bandwidth; a shift alone would be wrong by 0.15 s
    assert np.abs(means).max() < 0.05


def test_amplitudes_over_frequency(packet):
    synthetic = packet(T, 4)
    observed = dispersed(
        synthetic, lambda f: 0.4 + 0 * f, lambda f: np.exp(8 * (f - 0.1))
    )
    row = measure(
        "mt_amplitude", observed, synthetic, DELTA_S, min_period_s=7, max_period_s=9
    )
    f = (row.quantities["low_hz"] + row.quantities["high_hz"]) / 2
    assert row.quantities["dlna"] == pytest.approx(8 * (f - 0.1), abs=0.05)


@pytest.mark.parametrize(
    ("name", "sigma"), [("mt_time", "sigma_s"), ("mt_amplitude", "sigma")]
)
@pytest.mark.parametrize("convention", ["native", "pyadjoint"])
def test_errors_as_weights_are_constants_of_the_adjoint(
    name, sigma, convention, records, gradient_error
):
    """Also in whole samples: a small change does not change the alignment."""
    observed, synthetic = records[:2]
    more = {"window_s": (40.0, 110.0), "convention": convention, "nw": 2.5}
    more |= {"min_period_s": 7.0, "max_period_s": 13.0}
    row = measure(
        name, observed, synthetic, DELTA_S, weighting="error", **{sigma: 1e-3}, **more
    )
    frozen = {sigma: row.quantities[sigma], "weighting": "fixed", **more}
    assert row.quantities[sigma] > 1e-3
    fixed = measure(name, observed, synthetic, DELTA_S, **frozen)
    assert fixed.adjoint == pytest.approx(row.adjoint, rel=1e-12)

    def chi(s):
        return measure(name, observed, s, DELTA_S, **frozen).misfit

    assert gradient_error(chi, row.adjoint, synthetic) < 1e-5


def test_jackknife_error_grows_with_noise(packet):
    errors = []
    for level in (0.02, 0.2):
        observed = packet(T - 0.6) + level * packet(T, 7, half_width_s=60.0)
        row = measure("mt_time", observed, packet(T), DELTA_S, window_s=(40, 110))
        errors.append(row.uncertainty)
        assert abs(row.quantities["dt_s"] - 0.6) < 5 * row.uncertainty + 0.01
    assert 3 < errors[1] / errors[0] < 30


def test_a_narrow_band_is_rejected(packet):
    with pytest.raises(Rejected, match="band narrower"):
        measure(
            "mt_time",
            packet(T - 0.5),
            packet(T),
            DELTA_S,
            window_s=(60, 80),
            min_period_s=9.0,
            max_period_s=10.0,
        )


def test_a_frequency_beyond_half_its_period_is_rejected(packet):
    observed = dispersed(packet(T, 4), lambda f: 90 * (f - 0.11))
    with pytest.raises(Rejected) as caught:
        measure("mt_time", observed, packet(T, 4), DELTA_S, nw=2.5, n_tapers=4)
    assert caught.value.reason == "cycle skip"
    numbers = caught.value.numbers
    assert abs(numbers["dt_s"]) > 0.3 * numbers["period_s"]


def test_tapers_concentrate_energy():
    """Tapers are orthonormal; the energy inside the band is that of Slepian (1978)."""
    n, nw = 128, 4.0
    tapers = slepian_tapers(n, nw, 7)
    assert tapers @ tapers.T == pytest.approx(np.eye(7), abs=1e-10)
    lag = np.arange(n)
    kernel = 2 * nw / n * np.sinc(2 * nw / n * (lag[:, None] - lag))
    shares = np.diag(tapers @ kernel @ tapers.T)
    largest = np.linalg.eigvalsh(kernel)[::-1][:7]
    assert shares == pytest.approx(largest, abs=1e-10)
    assert slepian_tapers(n, nw, 7) is tapers
    with pytest.raises(ParameterError, match="n_tapers"):
        slepian_tapers(128, 2.0, 5)
