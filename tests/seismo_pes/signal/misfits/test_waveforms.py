import numpy as np
import pytest

from seismo_pes.signal.misfits import measure

DELTA_S = 0.05
T = np.arange(4000) * DELTA_S


def gaussian(at_s):
    return np.exp(-(((T - at_s) / 4.0) ** 2))


def test_waveform_of_gaussians():
    """The integral of (a - b)^2 is known for two shifted Gaussians of width w."""
    row = measure("waveform", gaussian(100.0), gaussian(103.0), DELTA_S)
    energy = 4.0 * np.sqrt(np.pi / 2)
    expected = energy * (1 - np.exp(-(3.0**2) / (2 * 4.0**2)))
    assert row.value == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(row.adjoint, gaussian(103.0) - gaussian(100.0))
    assert row.unit == "u^2 s"


def test_waveform_normalised_by_the_observed_energy():
    row = measure("waveform", gaussian(90.0), 3 * gaussian(90.0), DELTA_S)
    part = measure(
        "waveform", gaussian(90.0), 3 * gaussian(90.0), DELTA_S, normalised=True
    )
    assert part.value == pytest.approx(0.5 * 2**2, rel=1e-12)
    assert part.unit == "1"
    assert row.value == pytest.approx(2 * 4.0 * np.sqrt(np.pi / 2), rel=1e-12)


def test_coefficient_of_sines_with_a_phase():
    wave = np.sin(2 * np.pi * T / 10)
    for phase in (0.3, 1.2, np.pi):
        late = np.sin(2 * np.pi * T / 10 - phase)
        row = measure("cc_coefficient", 7 * late, wave, DELTA_S)
        assert row.value == pytest.approx(1 - np.cos(phase), abs=1e-12)
    # opposite polarity: rounding does not lead to a value above two
    assert row.value <= 2


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_coefficient_ignores_a_factor(factor):
    row = measure("cc_coefficient", factor * gaussian(100.0), gaussian(100.0), DELTA_S)
    assert row.value == pytest.approx(0, abs=1e-15)


def test_convolution_ignores_the_source_time_function():
    """Synthetics with another source time function and origin time have no misfit."""
    green_1, green_2 = gaussian(60.0) - gaussian(66.0), gaussian(50.0)
    true, wrong = gaussian(20.0), 2.5 * gaussian(31.0) - gaussian(35.0)

    def record(source, green):
        return np.convolve(source, green)[: T.size] * DELTA_S

    row = measure(
        "convolved",
        record(true, green_1),
        record(wrong, green_1),
        DELTA_S,
        other=(record(true, green_2), record(wrong, green_2)),
        normalised=True,
    )
    assert row.value < 1e-20
    plain = measure("waveform", record(true, green_1), record(wrong, green_1), DELTA_S)
    assert plain.value > 1


def test_convolved_records_of_different_length():
    other = (gaussian(40.0)[:2000], 2 * gaussian(40.0)[:2000])
    row = measure("convolved", gaussian(100.0), gaussian(100.0), DELTA_S, other=other)
    # residual -d * d_r, of two Gaussians with width 4: width sqrt(32)
    energy = (16 * np.pi / np.sqrt(32 * np.pi)) ** 2 * np.sqrt(32 * np.pi / 2)
    assert row.value == pytest.approx(0.5 * energy, rel=1e-9)
    assert row.adjoint.size == 4000
    assert row.adjoint_other.size == 2000
