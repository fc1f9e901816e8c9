"""Records in any pieces give the output of the whole record."""

import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal import continuous, filter, normalize, resample
from seismo_pes.signal.errors import ParameterError

N = 3000
BANDS_HZ = [(0.1, 1.0), (1.0, 4.0)]
# each method, and the function for whole records that it must equal
METHODS = {
    "bandpass": (
        continuous.bandpass(20.0, 0.1, 2.0),
        lambda x: filter.bandpass(x, 20.0, 0.1, 2.0, zero_phase=False),
    ),
    "narrow bandpass": (
        continuous.bandpass(100.0, 0.005, 0.01),
        lambda x: filter.bandpass(x, 100.0, 0.005, 0.01, zero_phase=False),
    ),
    "bandstop": (
        continuous.bandstop(20.0, 0.1, 2.0, corners=3),
        lambda x: filter.bandstop(x, 20.0, 0.1, 2.0, 3, zero_phase=False),
    ),
    "lowpass": (
        continuous.lowpass(20.0, 2.0, corners=1),
        lambda x: filter.lowpass(x, 20.0, 2.0, 1, zero_phase=False),
    ),
    "highpass": (
        continuous.highpass(20.0, 0.5, corners=8),
        lambda x: filter.highpass(x, 20.0, 0.5, 8, zero_phase=False),
    ),
    "running mean": (
        continuous.running_absolute_mean(100),
        lambda x: normalize.running_absolute_mean(x, 100),
    ),
    "one-bit": (
        continuous.running_absolute_mean(0),
        lambda x: normalize.running_absolute_mean(x, 0),
    ),
    "longer than the record": (
        continuous.running_absolute_mean(2 * N),
        lambda x: normalize.running_absolute_mean(x, 2 * N),
    ),
    "agc": (continuous.agc(37), lambda x: normalize.agc(x, 37)),
    "envelope": (continuous.envelope(15), lambda x: normalize.envelope(x, 15)),
    "envelope of one neighbour": (
        continuous.envelope(1),
        lambda x: normalize.envelope(x, 1),
    ),
    "running means of bands": (
        continuous.multiband_running_absolute_mean(20.0, BANDS_HZ, 50),
        lambda x: normalize.multiband_running_absolute_mean(
            x, 20.0, BANDS_HZ, 50, zero_phase=False
        ),
    ),
    "same rate": (continuous.resample(20, 20), lambda x: resample.resample(x, 20, 20)),
    "lower rate": (
        continuous.resample(100, 20),
        lambda x: resample.resample(x, 100, 20),
    ),
    "lower rate, 8 to 5": (
        continuous.resample(40, 25),
        lambda x: resample.resample(x, 40, 25),
    ),
    "higher rate": (
        continuous.resample(20, 50),
        lambda x: resample.resample(x, 20, 50),
    ),
    "first samples left out": (
        continuous.resample(100, 20, first=3),
        lambda x: resample.resample(x[..., 3:], 100, 20),
    ),
    "decimate": (continuous.decimate(4), lambda x: resample.decimate(x, 4)),
    "lanczos": (
        continuous.interpolate_lanczos(1.25, 0.7137, 10),
        lambda x: resample.interpolate_lanczos(
            x, 1.25, 0.7137, max(0, int((x.shape[-1] - 2.25) // 0.7137) + 1), 10
        ),
    ),
}
# 1e-12 of the largest sample, as far as float64 goes
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-6}

every = pytest.mark.parametrize(
    ("method", "function"), METHODS.values(), ids=list(METHODS)
)


def in_pieces(method, x, cuts, between=lambda state: state):
    """Return the output for a record cut at some samples, joined together."""
    pieces, state = [], None
    for piece in np.split(x, sorted(cuts), axis=-1):
        out, state = method.advance(piece, state)
        state = between(state)
        pieces.append(out)
    return np.concatenate([*pieces, method.flush(state)], axis=-1)


def records(seed, shape=(N,), dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).cumsum(axis=-1)
    # a quake: the samples after it are a millionth of it
    x[..., shape[-1] // 3 : shape[-1] // 3 + 50] *= 1e6
    return x.astype(dtype)


def check(results, wanted, dtype):
    assert results.shape == wanted.shape
    scale = np.abs(wanted).max(initial=0.0)
    assert np.abs(results - wanted).max(initial=0.0) <= TOLERANCE[dtype] * scale


@every
@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, N), max_size=12),
    st.sampled_from([np.float64, np.float32]),
    st.booleans(),
)
def test_pieces_equal_the_whole(method, function, seed, cuts, dtype, several):
    x = records(seed, (2, 3, N) if several else (N,), dtype)
    result = in_pieces(method, x, cuts)
    assert result.dtype == dtype
    check(result, function(x), dtype)


@every
@pytest.mark.parametrize("length", [0, 1, 2, 3, 40])
def test_short_records_sample_by_sample(method, function, length):
    x = records(length, (2, 40))[..., :length]
    check(in_pieces(method, x, range(length)), function(x), np.float64)


@every
def test_packets_of_equal_length(method, function):
    x = records(7)
    for n in (1, 63, 64, 65, 412, 1024):
        result = in_pieces(method, x, range(n, N, n))
        check(result, function(x), np.float64)


@pytest.mark.parametrize("function", ["running_absolute_mean", "agc"])
def test_quiet_samples_after_a_quake_have_all_digits(function):
    x = records(1)
    result = in_pieces(getattr(continuous, function)(20), x, [900, 1100, 1500])
    wanted = getattr(normalize, function)(x, 20)
    assert np.array_equal(result, wanted)


def test_components_share_a_weight():
    x = records(3, (3, N))
    method = continuous.running_absolute_mean(25, across_components=True)
    wanted = normalize.running_absolute_mean(x, 25, across_components=True)
    check(in_pieces(method, x, [10, 1000, 1030]), wanted, np.float64)


@every
def test_a_state_can_be_stored(method, function):
    def stored(state):
        file = io.BytesIO()
        np.savez(file, memory=state.memory, n_in=state.n_in, n_out=state.n_out)
        file.seek(0)
        read = np.load(file)
        parts = tuple(stored(part) for part in state.parts)
        same = continuous.State(
            read["memory"], int(read["n_in"]), int(read["n_out"]), parts
        )
        return pickle.loads(pickle.dumps(same))

    x = records(4)
    result = in_pieces(pickle.loads(pickle.dumps(method)), x, [100, 1777], stored)
    check(result, function(x), np.float64)


@every
def test_states_are_bounded_and_not_changed(method, function):
    x = records(5, (20 * N,))
    state, sizes = None, []
    for piece in np.split(x, range(500, len(x), 500)):
        out, new = method.advance(piece, state)
        if state is not None:
            again, _ = method.advance(piece, state)
            assert np.array_equal(out, again)
        state = new
        sizes.append(sum(part.memory.size for part in (state, *state.parts)))
    assert max(sizes[len(sizes) // 2 :]) <= max(sizes[: len(sizes) // 2])


@pytest.mark.parametrize(
    ("method", "delay"),
    [
        (continuous.bandpass(20.0, 0.1, 2.0), 0),
        (continuous.running_absolute_mean(100), 100),
        (continuous.envelope(15), 15),
        (continuous.multiband_running_absolute_mean(20.0, BANDS_HZ, 50), 50),
        (continuous.resample(100, 20), 33 * 5),
        (continuous.interpolate_lanczos(0, 1, 10), 10),
    ],
)
def test_output_is_delayed_by_the_reach_and_no_more(method, delay):
    _, state = method.advance(np.ones(1000))
    last = method.position(state.n_out - 1)
    assert 1000 - 1 - delay - 5 < last <= 1000 - 1 - delay


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_sample_has_the_same_effect_in_pieces(value):
    x = records(6)
    x[1000] = value
    for name in ("bandpass", "running mean", "agc", "lower rate"):
        method, function = METHODS[name]
        with np.errstate(invalid="ignore"):
            wanted, result = function(x), in_pieces(method, x, [990, 1003, 2000])
        finite = np.isfinite(wanted) & np.isfinite(result)
        # the sample spreads over a block of the change of rate, wherever that begins
        if name != "lower rate":
            assert np.array_equal(finite, np.isfinite(wanted))
        assert finite.sum() > len(wanted) / 4
        check(result[finite], wanted[finite], np.float64)


def test_mistakes():
    with pytest.raises(ParameterError, match="Nyquist"):
        continuous.bandpass(20.0, 1.0, 10.0)
    with pytest.raises(ParameterError, match="large terms"):
        continuous.resample(1000, 1001)
    with pytest.raises(ParameterError, match="large terms"):
        continuous.decimate(321)
    with pytest.raises(ParameterError, match="n_half"):
        continuous.agc(-1)
    with pytest.raises(ParameterError, match="n must"):
        continuous.envelope(0)
    with pytest.raises(ParameterError, match="no band"):
        continuous.multiband_running_absolute_mean(20.0, [], 50)
    with pytest.raises(ParameterError, match="half_width"):
        continuous.interpolate_lanczos(0, 1, 1)
    with pytest.raises(ParameterError, match="start"):
        continuous.interpolate_lanczos(-1, 1)
    method = continuous.lowpass(20.0, 1.0)
    _, state = method.advance(np.ones((2, 10)))
    with pytest.raises(ParameterError, match="does not continue"):
        method.advance(np.ones((3, 10)), state)
