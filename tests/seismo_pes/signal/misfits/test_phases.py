import numpy as np
import pytest

from seismo_pes.signal.misfits import measure

DELTA_S = 0.25
# A whole number of periods: the analytic signal of the samples is exact.
T = np.arange(800) * DELTA_S
PERIOD_S = 8.0


def wave(phase=0.0, factor=1.0):
    return factor * np.cos(2 * np.pi * T / PERIOD_S - phase)


def modulated(phase=0.0):
    return (1 + 0.5 * np.cos(2 * np.pi * T / 50)) * wave(phase)


@pytest.mark.parametrize("phase", [0.3, -0.7, 2.5])
def test_instantaneous_phase_of_waves(phase):
    """The observed wave is late by the phase; W is (1 + w^2)^-2 for constant E."""
    row = measure("instantaneous_phase", 3 * wave(phase), wave(), DELTA_S)
    assert row.quantities["phase_rad"] == pytest.approx(-phase, rel=1e-12)
    assert row.value == pytest.approx(0.5 * 200 * phase**2 / 1.04**2, rel=1e-12)
    assert row.unit == "rad^2 s"
    row = measure("instantaneous_phase", wave(phase), wave(), DELTA_S, water_level=1e-6)
    assert row.value == pytest.approx(0.5 * 200 * phase**2, rel=1e-9)


@pytest.mark.parametrize("phase", [0.3, -0.7, 2.5])
def test_exponentiated_phase_of_waves(phase):
    """|exp(i a) - exp(i b)|^2 = 2 - 2 cos(a - b), divided by (1 + w)^2."""
    row = measure("exponentiated_phase", 3 * wave(phase), wave(), DELTA_S)
    expected = 0.5 * 200 * (2 - 2 * np.cos(phase)) / 1.2**2
    assert row.value == pytest.approx(expected, rel=1e-12)
    assert row.unit == "s"


@pytest.mark.parametrize("name", ["instantaneous_phase", "exponentiated_phase"])
def test_phases_ignore_factors(name):
    row = measure(name, 5 * modulated(0.4), modulated(0.4), DELTA_S)
    assert row.value < 1e-20


def test_envelope_of_waves():
    row = measure("envelope", wave(1.1, factor=3.0), wave(), DELTA_S)
    assert row.value == pytest.approx(0.5 * 200 * 2.0**2, rel=1e-12)
    assert row.quantities["dlna"] == pytest.approx(np.log(3), rel=1e-12)


def test_logarithm_of_the_envelope_of_a_factor():
    """It is ln of the factor everywhere, also where the envelope is small."""
    row = measure("envelope", 3 * modulated(), modulated(), DELTA_S, logarithmic=True)
    assert row.value == pytest.approx(0.5 * 200 * np.log(3) ** 2, rel=1e-12)
    assert row.unit == "s"


def test_envelopes_ignore_phases():
    for options in ({}, {"logarithmic": True}):
        row = measure("envelope", modulated(0.9), modulated(), DELTA_S, **options)
        assert row.value < 1e-20


def test_a_synthetic_with_silence_has_a_finite_adjoint():
    silent = np.where((T > 80) & (T < 100), 0.0, modulated())
    for name in ("instantaneous_phase", "exponentiated_phase", "envelope"):
        row = measure(name, modulated(0.3), silent, DELTA_S)
        assert np.isfinite(row.adjoint).all()
        assert np.isfinite(row.value)
