"""Transforms by the kernel alone are those of scipy.fft, to the last bit."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.fft

from seismo_pes.signal import fourier

DTYPES = [np.float64, np.float32, np.float16, np.int32, ">f4", bool]
COMPLEX = [np.complex128, np.complex64, ">c8"]


@pytest.fixture(params=["kernel", "usual"], autouse=True)
def way(request, monkeypatch):
    if request.param == "usual":
        monkeypatch.setattr(fourier, "_POCKET", None)
    else:
        assert fourier._POCKET is not None, "this scipy has another kernel"


def records(dtype, shape=(3, 20, 4)):
    rng = np.random.default_rng(1)
    made = 10 * rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        made = made + 10j * rng.standard_normal(shape)
    return made.astype(dtype)


def check(made, wanted):
    assert made.dtype == wanted.dtype
    assert np.array_equal(made, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [-1, 1, 0])
@pytest.mark.parametrize("n", [None, 3, 20, 31])
def test_rfft(dtype, axis, n):
    x = records(dtype)
    before = x.copy()
    check(fourier.rfft(x, n, axis), scipy.fft.rfft(x, n, axis))
    assert np.array_equal(x, before)


@pytest.mark.parametrize("dtype", [*COMPLEX, np.float32])
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("n", [None, 5, 38, 61])
def test_irfft(dtype, axis, n):
    x = records(dtype)
    before = x.copy()
    check(fourier.irfft(x, n, axis), scipy.fft.irfft(x, n, axis))
    assert np.array_equal(x, before)


@pytest.mark.parametrize("dtype", [*COMPLEX, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("name", ["fft", "ifft"])
@pytest.mark.parametrize("axis", [-1, 1])
def test_complex_transforms(dtype, name, axis):
    x = records(dtype)
    wanted = getattr(scipy.fft, name)(x, axis=axis)
    before = x.copy()
    check(getattr(fourier, name)(x, axis), wanted)
    assert np.array_equal(x, before)
    check(getattr(fourier, name)(x, axis, overwrite_x=True), wanted)


def test_the_input_is_overwritten_where_that_is_wanted():
    x = records(np.complex64)
    made = fourier.fft(x, overwrite_x=True)
    assert np.shares_memory(made, x)


def test_views_and_unaligned_records():
    x = records(np.float64)[:, ::-2, 1:]
    check(fourier.rfft(x, 9), scipy.fft.rfft(x, 9))
    content = b"x" + records(np.float32, (8,)).tobytes()
    unaligned = np.frombuffer(content, np.float32, offset=1)
    check(fourier.rfft(unaligned), scipy.fft.rfft(unaligned))


@pytest.mark.parametrize("real", [True, False])
def test_fast_lengths(real):
    for length in (1, 7, 11, 997, 14_401, 1_728_001):
        wanted = scipy.fft.next_fast_len(length, real)
        assert fourier.next_fast_len(length, real) == wanted


def test_complex_records_are_refused_where_real_ones_are_due():
    with pytest.raises(TypeError, match="real"):
        fourier.rfft(records(np.complex64))


CODE = """
import sys
import numpy as np
from seismo_pes.signal import fourier
made = fourier.rfft(np.arange(10.0))
assert "scipy.fft" not in sys.modules and "scipy.special" not in sys.modules
import scipy.fft
assert (scipy.fft.rfft(np.arange(10.0)) == made).all()
"""


def test_scipy_fft_is_not_loaded_and_not_hindered():
    done = subprocess.run([sys.executable, "-W", "error", "-c", CODE])
    assert done.returncode == 0
