import numpy as np
import pytest
from obspy.signal import tf_misfit

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.misfits import measure
from seismo_pes.signal.misfits.time_frequency import (
    goodness_of_fit,
    time_frequency_misfit,
)
from seismo_pes.signal.misfits.wavelets import Wavelets, wavelets

DELTA_S = 0.02
T = np.arange(501) * DELTA_S
NAMES = ("tfem", "tem", "fem", "em", "tfpm", "tpm", "fpm", "pm")


def wave(at_s, rng_seed=0):
    """Return a wavelet as of Kristekova et al., with noise up to both ends."""
    rng = np.random.default_rng(rng_seed)
    pulse = np.exp(-(((T - at_s) / 0.8) ** 2)) * np.cos(2 * np.pi * 2 * (T - at_s))
    return pulse + 0.05 * rng.standard_normal(T.size).cumsum() / 5


@pytest.mark.parametrize(
    ("norm", "reference", "low_hz", "high_hz", "nf", "w0"),
    [
        ("global", "synthetic", 0.5, 10.0, 30, 6.0),
        ("global", "observed", 0.05, 24.0, 17, 3.0),  # wavelets longer than the record
        ("global", "synthetic", 1.0, 4.0, 20, 12.0),
        ("local", "observed", 0.5, 10.0, 10, 6.0),
    ],
)
def test_equal_to_obspy(norm, reference, low_hz, high_hz, nf, w0):
    observed, synthetic = 1.4 * wave(5.2, 1), wave(5.0, 2)
    misfit = time_frequency_misfit(
        observed, synthetic, DELTA_S, low_hz, high_hz, nf, w0, reference, norm
    )
    pair = (observed, synthetic)
    if reference == "observed":
        pair = pair[::-1]
    for name in NAMES:
        expected = getattr(tf_misfit, name)(
            *pair, dt=DELTA_S, fmin=low_hz, fmax=high_hz, nf=nf, w0=w0, norm=norm
        )
        ours = getattr(misfit, name)
        scale = np.abs(expected).max()
        if norm == "global":
            assert np.abs(ours - expected).max() < 1e-9 * scale, name
        else:  # rounding errors are larger in quotients of numbers close to zero
            assert np.median(np.abs(ours - expected)) < 1e-9 * scale, name
    f = np.logspace(np.log10(low_hz), np.log10(high_hz), nf)
    assert misfit.frequency_hz == pytest.approx(f, rel=1e-12)


def test_measures_equal_obspy_on_a_whole_record():
    observed, synthetic = 1.4 * wave(5.2, 1), wave(5.0, 2)
    settings = {"min_period_s": 0.1, "max_period_s": 2.0}
    em = measure("tf_envelope", observed, synthetic, DELTA_S, **settings)
    pm = measure("tf_phase", observed, synthetic, DELTA_S, **settings)
    keys = {"dt": DELTA_S, "fmin": 0.5, "fmax": 10.0, "nf": 100, "w0": 6}
    assert em.value == pytest.approx(tf_misfit.em(observed, synthetic, **keys), 1e-9)
    assert pm.value == pytest.approx(tf_misfit.pm(observed, synthetic, **keys), 1e-9)
    good = em.quantities["goodness"], pm.quantities["goodness"]
    assert good[0] == pytest.approx(tf_misfit.eg(observed, synthetic, **keys), 1e-9)
    assert good[1] == pytest.approx(tf_misfit.pg(observed, synthetic, **keys), 1e-9)


@pytest.mark.parametrize("factor", [0.25, 0.9, 1.1, 3.0])
def test_pure_factor(factor):
    """EM is exact, relative to the reference; PM is zero."""
    for reference, expected in (
        ("synthetic", abs(factor - 1)),
        ("observed", abs(1 / factor - 1)),
    ):
        row = measure(
            "tf_envelope", factor * wave(5.0), wave(5.0), DELTA_S, reference=reference
        )
        assert row.value == pytest.approx(expected, rel=1e-10)
        row = measure(
            "tf_phase", factor * wave(5.0), wave(5.0), DELTA_S, reference=reference
        )
        assert row.value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("phase", [0.1, -0.3, 0.45])
def test_pure_phase_shift(phase):
    """If the analytic signal has a phase of a fraction of pi, PM is that fraction."""
    t = np.arange(4000) * 0.01

    def packet(angle):
        return np.exp(-(((t - 20) / 3) ** 2)) * np.cos(2 * np.pi * 2 * t + angle)

    misfit = time_frequency_misfit(
        packet(phase * np.pi), packet(0), 0.01, 1.0, 4.0, 30, reference="synthetic"
    )
    assert misfit.pm == pytest.approx(abs(phase), rel=1e-6)
    assert misfit.em < 1e-6
    # the phase is ahead if the record is early
    assert np.sign(misfit.tpm[2000]) == np.sign(phase)


def test_opposite_polarity_is_a_phase_of_pi():
    row = measure("tf_phase", -wave(5.0), wave(5.0), DELTA_S)
    assert row.value == pytest.approx(1.0, rel=1e-12)


def test_goodness_of_fit_of_known_misfits():
    envelope, phase = goodness_of_fit([0.0, 0.1, -1.0], [0.0, 0.5, 1.0])
    assert envelope == pytest.approx([10, 10 * np.exp(-0.1), 10 * np.exp(-1)])
    assert phase == pytest.approx([10, 5, 0])


def test_transpose_of_the_transform():
    """The inner products of both spaces are equal."""
    rng = np.random.default_rng(4)
    table = wavelets(77, 0.1, 0.2, 4.9, 9, 5.0)
    x = rng.standard_normal(77)
    g = rng.standard_normal((9, 77)) + 1j * rng.standard_normal((9, 77))
    left = np.vdot(g, table.transform(x)).real
    assert left == pytest.approx(np.dot(table.transpose(g), x), rel=1e-12)


def test_both_measures_share_the_transforms(monkeypatch):
    from seismo_pes.signal.misfits.wavelets import Wavelets

    calls = []
    transform = Wavelets.transform

    def counted(self, x):
        calls.append(x.size)
        return transform(self, x)

    monkeypatch.setattr(Wavelets, "transform", counted)
    from seismo_pes.signal.misfits import measure_windows

    names = ["tf_envelope", "tf_phase"]
    measure_windows(names, wave(5.0), wave(5.2), DELTA_S, [None, (2.0, 8.0)])
    assert calls == [501, 501, 301, 301]


@pytest.mark.parametrize(
    "more",
    [
        {"min_period_s": 2.0, "max_period_s": 1.0},
        {"min_period_s": 0.03, "max_period_s": 1.0},
        {"reference": "none"},
        {"n_frequencies": 1},
        {"n_frequencies": 20.5},
        {"w0": 0.0},
    ],
)
def test_parameters_are_checked(more):
    with pytest.raises(ParameterError, match=next(iter(more))):
        measure("tf_envelope", wave(5.0), wave(5.2), DELTA_S, **more)


def test_windows_of_many_lengths_share_wavelets():
    """A table serves shorter records: they are those of their own length."""
    rng = np.random.default_rng(6)
    f = np.logspace(-1, 1, 7)
    for n in (100, 117, 1000, 1060):
        x = rng.standard_normal(n)
        g = rng.standard_normal((7, n)) + 1j * rng.standard_normal((7, n))
        shared = wavelets(n, 0.05, 0.1, 10.0, 7, 6.0)
        own = Wavelets(n, 0.05, f, 6.0)
        assert shared.n >= n
        scale = np.abs(own.transform(x)).max()
        assert np.abs(shared.transform(x) - own.transform(x)).max() < 1e-12 * scale
        scale = np.abs(own.transpose(g)).max()
        assert np.abs(shared.transpose(g) - own.transpose(g)).max() < 1e-12 * scale
    assert wavelets(1000, 0.05, 0.1, 10.0, 7, 6.0) is wavelets(
        1020, 0.05, 0.1, 10.0, 7, 6.0
    )


def test_kept_wavelets_are_bounded(monkeypatch):
    from seismo_pes.signal.misfits import wavelets as module

    monkeypatch.setattr(module, "_kept", {})
    monkeypatch.setattr(module, "_KEPT_BYTES", 100_000)
    for w0 in (4.0, 5.0, 6.0, 7.0):
        table = module.wavelets(100, 0.05, 0.1, 10.0, 7, w0)
    assert 2 * table.n_bytes <= 100_000 < 4 * table.n_bytes
    assert module.wavelets(100, 0.05, 0.1, 10.0, 7, 7.0) is table
    assert sum(kept.n_bytes for kept in module._kept.values()) <= 100_000
