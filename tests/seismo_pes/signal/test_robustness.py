"""Common tests of all functions on arrays: types, unusual input, unchanged input.

The results of each function have their own tests; these are the promises of all
functions.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seismo_pes.signal
from seismo_pes.signal import (
    amplitudes,
    coherency,
    correlate,
    delays,
    detrend,
    filter,
    folding,
    ftan,
    ftan_image,
    mwcs,
    normalize,
    resample,
    rotation,
    spectra,
    stack,
    stack_filters,
    stretching,
    taper,
    transfer,
    warping,
    wavelet,
    whiten,
    window,
)
from seismo_pes.signal.errors import ParameterError

RATE = 10.0
PRIME = 499
GRID = window.WindowGrid(0, 5_000_000_000, 5_000_000_000)


@dataclass(frozen=True)
class Case:
    """One function under test.

    `call` takes the input, of shape (*axes, n); `kept` says that float32 stays
    float32, `same` that the shape stays, `gaps` that NaN in the result means unknown.
    """

    call: Callable
    axes: tuple = ()
    kept: bool = True
    same: bool = False
    complex: bool = False
    gaps: bool = False


def lags(x):
    n = x.shape[-1]
    return (np.arange(n) - n // 2) / RATE


def ones(x):
    return np.ones(x.shape[-1], x.real.dtype)


RECORD = {
    "detrend.demean": detrend.demean,
    "detrend.detrend_linear": detrend.detrend_linear,
    "detrend.detrend": lambda x: detrend.detrend(x, "linear"),
    "detrend.detrend_polynomial": lambda x: detrend.detrend_polynomial(x, 3),
    "detrend.detrend_spline": lambda x: detrend.detrend_spline(x, 50),
    "taper.taper": lambda x: taper.taper(x, 7),
    "taper.taper_s": lambda x: taper.taper_s(x, 0.7, RATE),
    "filter.bandpass": lambda x: filter.bandpass(x, RATE, 0.5, 2.0),
    "filter.bandstop": lambda x: filter.bandstop(x, RATE, 0.5, 2.0),
    "filter.lowpass": lambda x: filter.lowpass(x, RATE, 2.0),
    "filter.highpass": lambda x: filter.highpass(x, RATE, 2.0, zero_phase=False),
    "normalize.onebit": normalize.onebit,
    "normalize.running_absolute_mean": lambda x: normalize.running_absolute_mean(x, 5),
    "normalize.multiband_running_absolute_mean": lambda x: (
        normalize.multiband_running_absolute_mean(x, RATE, [(0.5, 1), (1, 2)], 5)
    ),
    "normalize.clip": lambda x: normalize.clip(x, 2.0),
    "normalize.clip_at": lambda x: normalize.clip_at(x, 1.5),
    "normalize.winsorize": lambda x: normalize.winsorize(x, 2.0),
    "normalize.envelope": lambda x: normalize.envelope(x, 5),
    "normalize.agc": lambda x: normalize.agc(x, 5),
    "normalize.gain": lambda x: normalize.gain(x, 5),
    "normalize.mean_normalize": normalize.mean_normalize,
    "normalize.water_level": lambda x: normalize.water_level(x, 2.0),
}
CASES = {name: Case(call, same=True) for name, call in RECORD.items()} | {
    "amplitudes.peak_and_rms": Case(amplitudes.peak_and_rms, (3,), kept=False),
    "normalize.running_mean": Case(
        lambda x: normalize.running_mean(x, 5), same=True, kept=False
    ),
    "resample.resample": Case(lambda x: resample.resample(x, RATE, 4.0)),
    "resample.decimate": Case(lambda x: resample.decimate(x, 5)),
    "resample.resample_fourier": Case(lambda x: resample.resample_fourier(x, 77)),
    "resample.interpolate_lanczos": Case(
        lambda x: resample.interpolate_lanczos(x, 0.5, 1.0, max(0, x.shape[-1] - 1))
    ),
    "rotation.to_zne": Case(
        lambda x: rotation.to_zne(x, [0, 0, 90], [-90, 0, 0]), axes=(3,), same=True
    ),
    "rotation.to_rt": Case(lambda x: rotation.to_rt(x, x, 30.0)),
    "spectra.rfft_windows": Case(
        lambda x: spectra.rfft_windows(x, max(2, x.shape[-1])), axes=(3,)
    ),
    "spectra.energy": Case(spectra.energy, kept=False),
    "spectra.energy_of_spectrum": Case(
        lambda x: spectra.energy_of_spectrum(x, 2 * x.shape[-1] - 1),
        kept=False,
        complex=True,
    ),
    "whiten.whiten": Case(
        lambda x: whiten.whiten(x, ones(x), 3), same=True, complex=True
    ),
    "whiten.whiten_psd": Case(
        lambda x: whiten.whiten_psd(x, ones(x), 3), axes=(4,), same=True, complex=True
    ),
    "transfer.apply": Case(
        lambda x: transfer.apply(x, transfer.transfer(np.ones(PRIME + 6))), same=True
    ),
    "window.cut": Case(lambda x: window.cut(x, 3, GRID, RATE, range(8)).data),
    "correlate.correlate_direct": Case(
        lambda x: correlate.correlate_direct(x, x, 9), kept=False
    ),
    "correlate.cross_correlate": Case(
        lambda x: correlate.cross_correlate(x, x, 9, "energy")
    ),
    "correlate.bins_first": Case(correlate.bins_first, axes=(2, 3), complex=True),
    "correlate.stack_cross_spectra": Case(
        lambda x: correlate.stack_cross_spectra(x, x), axes=(2, 3), complex=True
    ),
    "correlate.correlate_block": Case(
        lambda x: correlate.correlate_block(x, x, 2 * x.shape[-1] - 1, None, 0),
        axes=(2, 3),
        complex=True,
    ),
    "coherency.coherency_spectra": Case(
        lambda x: coherency.coherency_spectra(x, 2), same=True, complex=True
    ),
    "coherency.deconvolution_spectra": Case(
        lambda x: coherency.deconvolution_spectra(x, 0.1, 2), same=True, complex=True
    ),
    "coherency.phase_records": Case(coherency.phase_records),
    "coherency.phase_cross_correlate": Case(
        lambda x: coherency.phase_cross_correlate(x, x, 9, 1.0)
    ),
    "coherency.rotate_tensor": Case(
        lambda x: coherency.rotate_tensor(x, 30.0, 200.0), axes=(3, 3), same=True
    ),
    "stack.linear": Case(stack.linear, axes=(5,)),
    "stack.select": Case(lambda x: stack.select(x, None), axes=(5,), same=True),
    "stack.nth_root": Case(stack.nth_root, axes=(5,)),
    "stack.analytic_phase": Case(stack.analytic_phase, same=True),
    "stack.analytic": Case(stack.analytic, same=True),
    "stack.phase_coherence": Case(stack.phase_coherence, axes=(5,)),
    "stack.phase_weighted": Case(stack.phase_weighted, axes=(5,)),
    "stack.coefficients": Case(stack.coefficients, axes=(5,), kept=False),
    "stack.selective": Case(lambda x: stack.selective(x, 0.1)[0], axes=(5,)),
    "stack.robust": Case(lambda x: stack.robust(x)[0], axes=(5,)),
    "stack.moving": Case(lambda x: stack.moving(x, 2), axes=(5,)),
    "stack.bootstrap": Case(lambda x: stack.bootstrap(x, 9), axes=(5,), kept=False),
    "stack_filters.adaptive_covariance": Case(
        stack_filters.adaptive_covariance, axes=(5,)
    ),
    "stack_filters.wiener": Case(stack_filters.wiener, axes=(5,)),
    "stack_filters.wiener_windows": Case(
        stack_filters.wiener_windows, axes=(5,), same=True
    ),
    "stack_filters.time_frequency_phase_weighted": Case(
        lambda x: stack_filters.time_frequency_phase_weighted(x, RATE, 1.0, 2.0),
        axes=(5,),
    ),
    "folding.sides": Case(folding.sides),
    "folding.signal_to_noise": Case(
        lambda x: folding.signal_to_noise(x, RATE, (0, 1), (1.5, 2.0)),
        kept=False,
    ),
    "delays.windowed_delays": Case(
        lambda x: delays.windowed_delays(x, x, RATE, 5.0, 2.5, 1.0), kept=False
    ),
    "mwcs.mwcs_delays": Case(
        lambda x: mwcs.mwcs_delays(x, x, RATE, 0.5, 2.0, 5.0, 2.5), kept=False
    ),
    "stretching.stretch": Case(
        lambda x: stretching.stretch(x, x, lags(x), 1.0, 10.0, n_steps=11),
        kept=False,
        gaps=True,
    ),
    "warping.warping_delays": Case(
        lambda x: warping.warping_delays(x, x, RATE, 0.5, oversample=1), kept=False
    ),
    "wavelet.morlet": Case(lambda x: wavelet.morlet(x, RATE, [0.5, 1.0])),
    "wavelet.wavelet_delays": Case(
        lambda x: wavelet.wavelet_delays(x, x, RATE, [0.5, 1.0]), kept=False
    ),
    "wavelet.wavelet_stretch": Case(
        lambda x: wavelet.wavelet_stretch(x, x, lags(x), [0.5, 1.0], 1.0, 10.0),
        kept=False,
        gaps=True,
    ),
    "ftan.ftan": Case(
        lambda x: ftan.ftan(x, RATE, 30.0, [1.0, 2.0], (1.0, 5.0)),
        kept=False,
        gaps=True,
    ),
    "ftan_image.ftan_image": Case(
        lambda x: ftan_image.ftan_image(x, RATE, 30.0, [1.0, 2.0], [1.0, 2.0, 5.0]),
        kept=False,
        gaps=True,
    ),
}
# These functions take no records, or are parts of the functions above.
NOT_HERE = {
    "clock_network": {"agreeing_stations", "clock_offsets", "clock_series"},
    "coherency": {"phase_sums"},
    "correlate": {"block_pairs", "fast_layout"},
    "delays": {
        "n_alike",
        "pair_of_records",
        "parabolic_peak",
        "velocity_change",
        "window_starts",
    },
    "filter": {"butterworth", "settling_s"},
    # silence has no signal-to-noise ratio: NaN
    "folding": {"branch_signal_to_noise", "outer_signal_to_noise", "peaks"},
    "ftan": {"gaussian_filters"},
    # silence has no shift: NaN
    "lag_shifts": {"lag_shifts"},
    "rates": {"exact_rate", "is_jump", "measure_timing"},
    "resample": {"has_finite_reach", "lanczos_at", "rate_ratio", "require_lanczos"},
    "rotation": {"directions"},
    "spectra": {"fft_length"},
    "stretching": {"n_independent"},
    "symmetry": {"symmetry_centre"},
    "taper": {"cosine_edge"},
    "time_axis": {"resampling"},
    "transfer": {"transfer"},
    "wavelet": {"wavelet_velocity_change"},
    "whiten": {"band_weights"},
    # it takes float64 only, as the measures of misfit do
    "zero_phase": {"symmetric_bandpass"},
    "window": {"lag_axis_s", "n_lags"},
}
# Modules whose functions have such tests of their own.
ELSEWHERE = {"continuous", "gaps", "psd", "shift", "spikes"}

every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def data(case, n, dtype, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((*case.axes, n))
    if case.complex:
        return (x + 1j * rng.standard_normal(x.shape)).astype(
            np.result_type(dtype, np.complex64)
        )
    return x.astype(dtype)


def arrays(result):
    """Return the arrays of a result, from any container."""
    if isinstance(result, tuple):
        return [array for part in result for array in arrays(part)]
    return [np.asarray(result)] if result is not None else []


def used_or_refused(case, x):
    """Return the arrays of the result, or None if the input was refused by name."""
    try:
        return arrays(case.call(x))
    except ParameterError:
        return None


def precise(array):
    return np.finfo(array.dtype).bits if array.dtype.kind in "fc" else None


def test_every_public_function_is_here():
    forward = set()
    for entry in pkgutil.iter_modules(seismo_pes.signal.__path__):
        if entry.name.startswith("_") or entry.name in ELSEWHERE:
            continue
        module = importlib.import_module(f"seismo_pes.signal.{entry.name}")
        for name, member in vars(module).items():
            here = inspect.isfunction(member) and member.__module__ == module.__name__
            if here and not name.startswith("_"):
                forward.add(f"{entry.name}.{name}")
    known = {f"{m}.{name}" for m, names in NOT_HERE.items() for name in names}
    assert forward == set(CASES) | known


def test_the_page_of_the_package_names_every_room():
    message = seismo_pes.signal.__doc__
    rooms = [entry.name for entry in pkgutil.iter_modules(seismo_pes.signal.__path__)]
    assert not [r for r in rooms if r[0] != "_" and f"`{r}" not in message]


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_and_shape_and_input_stay(case, dtype):
    x = data(case, PRIME, dtype)
    before = x.copy()
    x.setflags(write=False)
    result = arrays(case.call(x))
    assert np.array_equal(x, before)
    bits = {precise(array) for array in result} - {None}
    assert bits == ({np.finfo(dtype).bits} if case.kept else {64})
    if case.same:
        assert result[0].shape == x.shape
    assert case.gaps or all(np.isfinite(array).all() for array in result)
    assert not any(np.shares_memory(a, x) and a.flags.writeable for a in result)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_is_float64_but_for_rounding(case, dtype):
    x = data(case, PRIME, np.float32)
    exact = arrays(case.call(x.astype(np.result_type(x.dtype, np.float64))))
    result = arrays(case.call(x.astype(np.result_type(x.dtype, dtype))))
    for first, second in zip(result, exact, strict=True):
        if second.dtype.kind in "fc":
            # sums of some thousand float32 numbers lose three digits of seven
            scale = np.abs(second[np.isfinite(second)]).max(initial=1e-30)
            tolerance = 2e-4 if dtype == np.float32 else 0.0
            assert np.allclose(first, second, 0, tolerance * scale, equal_nan=True)


@every
def test_strides_do_not_matter(case):
    x = data(case, 2 * PRIME, np.float64)
    for view in (x[..., ::2], x[..., ::-2], np.asfortranarray(x)[..., :PRIME]):
        result, expected = arrays(case.call(view)), arrays(case.call(view.copy()))
        for first, second in zip(result, expected, strict=True):
            assert np.allclose(first, second, equal_nan=True)


@every
@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_short_input_is_used_or_refused(case, n, dtype):
    result = used_or_refused(case, data(case, n, dtype))
    if result is None:
        return
    if case.same:
        assert result[0].shape[-1] == n
    if case.kept:
        assert {precise(a) for a in result} - {None} <= {np.finfo(dtype).bits}


@every
@pytest.mark.parametrize("value", [0.0, 3.0, -1e-30, 1e30])
def test_constant_input_gives_finite_results(case, value):
    x = np.full_like(data(case, PRIME, np.float64), value)
    quiet = {"delays", "mwcs", "wavelet", "stretching", "ftan"}
    for array in arrays(case.call(x)):
        # the delay of a window without a result is NaN
        if not any(name in _name_of(case) for name in quiet):
            assert np.isfinite(array).all()


@every
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_passed_on_or_refused(case, value):
    x = data(case, PRIME, np.float64)
    x[..., PRIME // 2] = value
    with np.errstate(invalid="ignore", over="ignore"):
        result = used_or_refused(case, x)
    if result is None:
        return
    if case.same:
        assert result[0].shape == x.shape
    if np.isnan(value) and case.same and "running_mean" not in _name_of(case):
        assert np.isnan(result[0]).any()


def _name_of(case):
    return next(name for name, known in CASES.items() if known is case)


@every
def test_integers_become_float64(case):
    if case.complex:
        return
    x = (100 * data(case, PRIME, np.float64)).astype(np.int32)
    for array in arrays(case.call(x)):
        assert precise(array) in (64, None)


# -- properties ---------------------------------------------------------------------

LINEAR = [
    "detrend.demean",
    "detrend.detrend_linear",
    "detrend.detrend_polynomial",
    "detrend.detrend_spline",
    "taper.taper",
    "filter.bandpass",
    "filter.highpass",
    "resample.resample",
    "resample.resample_fourier",
    "resample.interpolate_lanczos",
    "rotation.to_zne",
    "coherency.rotate_tensor",
    "stack.linear",
    "stack.analytic",
    "stack.moving",
    "wavelet.morlet",
]
numbers = st.floats(-10, 10).filter(lambda x: x == 0 or abs(x) > 1e-3)


@pytest.mark.parametrize("name", LINEAR)
@settings(max_examples=5, deadline=None)
@given(a=numbers, b=numbers)
def test_linear(name, a, b):
    case = CASES[name]
    x, y = (data(case, 97, np.float64, seed) for seed in (1, 2))
    whole = case.call(a * x + b * y)
    parts = a * case.call(x) + b * case.call(y)
    assert np.allclose(whole, parts, rtol=0, atol=1e-9 * (1 + abs(a) + abs(b)))


SCALE_FREE = [
    "normalize.onebit",
    "normalize.running_absolute_mean",
    "normalize.agc",
    "normalize.envelope",
    "normalize.mean_normalize",
    "coherency.coherency_spectra",
    "correlate.cross_correlate",
    "coherency.phase_cross_correlate",
    "coherency.phase_records",
    "stack.analytic_phase",
    "stack.phase_coherence",
    "stack.coefficients",
    "whiten.whiten",
    "whiten.whiten_psd",
]


@pytest.mark.parametrize("name", SCALE_FREE)
@settings(max_examples=5, deadline=None)
@given(factor=st.floats(1e-6, 1e6))
def test_amplitude_does_not_matter(name, factor):
    case = CASES[name]
    x = data(case, 97, np.float64)
    result, expected = arrays(case.call(factor * x)), arrays(case.call(x))
    for first, second in zip(result, expected, strict=True):
        assert np.allclose(first, second, rtol=1e-9, atol=1e-9)


HOMOGENEOUS = [
    "normalize.clip",
    "normalize.winsorize",
    "normalize.water_level",
    "stack.nth_root",
    "stack.phase_weighted",
    "stack.selective",
    "stack.robust",
    "stack_filters.adaptive_covariance",
    "stack_filters.wiener",
    "stack_filters.time_frequency_phase_weighted",
]


@pytest.mark.parametrize("name", HOMOGENEOUS)
@settings(max_examples=5, deadline=None)
@given(factor=st.floats(1e-4, 1e4))
def test_amplitude_passes_through(name, factor):
    case = CASES[name]
    x = data(case, 97, np.float64)
    assert np.allclose(case.call(factor * x) / factor, case.call(x), atol=1e-9)


SHIFT_COVARIANT = [
    "filter.bandpass",
    "filter.bandstop",
    "normalize.onebit",
    "normalize.running_absolute_mean",
    "normalize.agc",
    "stack.nth_root",
]


@pytest.mark.parametrize("name", SHIFT_COVARIANT)
@settings(max_examples=5, deadline=None)
@given(shift=st.integers(1, 40))
def test_a_later_input_gives_a_later_output(name, shift):
    case = CASES[name]
    x = np.zeros((*case.axes, 900))
    x[..., 400:450] = data(case, 50, np.float64)
    moved, still = case.call(np.roll(x, shift, axis=-1)), case.call(x)
    inner = slice(200, 700)
    again = np.roll(still, shift, axis=-1)
    assert np.allclose(moved[..., inner], again[..., inner], atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 60), st.sampled_from(["none", "energy"]))
def test_correlation_the_other_way_round_and_its_bound(seed, n, kind):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, n))
    forward = correlate.cross_correlate(a, b, n + 3, kind)
    back = correlate.cross_correlate(b, a, n + 3, kind)
    assert np.allclose(forward, back[::-1], atol=1e-12 * n)
    bound = 1.0 if kind == "energy" else np.sqrt((a @ a) * (b @ b))
    assert np.abs(forward).max() <= bound * (1 + 1e-12)  # Cauchy and Schwarz


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 200))
def test_energy_is_that_of_the_spectrum(seed, n):
    x = np.random.default_rng(seed).standard_normal(n)
    assert np.isclose(
        spectra.energy_of_spectrum(np.fft.rfft(x), n), spectra.energy(x), rtol=1e-10
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 2.0, 0.5]))
def test_phase_correlations_are_bounded_by_one(seed, power):
    a, b = np.random.default_rng(seed).standard_normal((2, 60))
    c = coherency.phase_cross_correlate(a, b, 70, power)
    assert np.abs(c).max() <= 1 + 1e-12
