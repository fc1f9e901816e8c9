"""Filters without scipy.signal are those of scipy.signal."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.signal

from seismo_pes.signal._sections import butterworth

BANDS = [(0.01, 8.0), (0.1, 2.0), (0.02, 0.021), (0.001, 9.9), (3.3, 9.0)]
KINDS = ["lowpass", "highpass", "bandpass", "bandstop"]


def reference(kind, corners_hz, order):
    band = corners_hz if len(corners_hz) == 2 else corners_hz[0]
    return scipy.signal.butter(order, band, kind, fs=20.0, output="sos")


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7, 20])
@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_design_is_that_of_scipy_to_the_last_bit(kind, band, order):
    corners_hz = band if kind.startswith("band") else band[1:]
    made = butterworth(kind, corners_hz, 20.0, order)
    assert np.array_equal(made, reference(kind, corners_hz, order))


@pytest.mark.parametrize("kind", KINDS[2:])
@pytest.mark.parametrize("order", [3, 8])
def test_poles_at_equal_distance_may_come_in_another_order(kind, order):
    # a band in the middle: each pole has one opposite, as far from the unit circle
    frequencies = np.linspace(0, np.pi, 101)
    made = butterworth(kind, (2.5, 7.5), 20.0, order)
    wanted = reference(kind, (2.5, 7.5), order)
    responses = [scipy.signal.sosfreqz(s, frequencies)[1] for s in (made, wanted)]
    assert np.abs(responses[0] - responses[1]).max() < 1e-12


FILTER_FIRST = """
import sys
import numpy as np
from seismo_pes.signal.filter import bandpass
from seismo_pes.signal.resample import resample
x = np.random.default_rng(1).standard_normal(1000)
made = resample(bandpass(x, 20.0, 0.1, 2.0), 20.0, 10.0)
assert "scipy.signal" not in sys.modules and "scipy.stats" not in sys.modules
assert "scipy.fft" not in sys.modules
import scipy.fft
from scipy.fft._pocketfft import pypocketfft
from seismo_pes.signal._compiled import compiled
assert compiled("fft._pocketfft.pypocketfft") is pypocketfft
assert np.isfinite(scipy.fft.rfft(x)).all()
"""


NO_FILE = """
import sys
from seismo_pes.signal import _compiled
class Nowhere:
    find_spec = staticmethod(lambda *_: None)
_compiled.PathFinder = Nowhere
assert callable(_compiled.compiled("fft._pocketfft.pypocketfft").r2c)
assert "scipy.fft" in sys.modules
"""


@pytest.mark.parametrize("code", [FILTER_FIRST, NO_FILE], ids=["file", "no file"])
def test_a_run_does_without_the_packages_of_scipy_where_it_can(code):
    done = subprocess.run([sys.executable, "-W", "error", "-c", code])
    assert done.returncode == 0
