"""Inverses of instrument responses, each evaluated once.

Channels whose responses differ only in their gains share one evaluation. evalresp needs
a second for the million frequencies of a day. Here it evaluates at most `N_NODES`
frequencies, in some hundredths of a second; a cubic spline in log frequency gives the
others. The error of the spline is checked. If it exceeds `TOLERANCE`, evalresp
evaluates all frequencies.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from obspy.core.inventory import Response
from obspy.core.inventory.response import (
    PolynomialResponseStage,
    ResponseListResponseStage,
)

from dispel4py.errors import DataError
from seismo_pes.metadata.deferred import DeferredResponse
from seismo_pes.metadata.units import in_metres

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

    from seismo_pes.signal.transfer import Transfer

__all__ = ["PreFilter", "ResponseCache", "digest"]

N_NODES = 2**15
# nodes of the spline for a record of few frequencies, if the error allows it
FEWEST_NODES = 2**11
# lowest node as a fraction of the sampling rate: lower than a record of years needs
LOWEST_NODE = 1e-9
TOLERANCE = 1e-8
PreFilter = Sequence[float]


class ResponseCache:
    """A cache of evaluated responses that drops the least recently used.

    Parameters
    ----------
    max_mb : float
        Largest memory of the cache. The inverse spectrum of a day at 20 Hz takes 28 MB.
        A dropped spectrum is computed again from the spline of its response (2 MB), in
        about the time of a Fourier transform.
    """

    def __init__(self, max_mb: float = 256.0) -> None:
        self._max_bytes = max_mb * 1e6
        self._bytes = 0
        self._kept: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()
        # a reference to each response, so that no new object gets its id
        self._contents: dict[int, tuple[Response, _Contents]] = {}

    def inverse(
        self,
        response: Response,
        n_fft: int,
        rate_hz: float,
        output: str,
        pre_filt: PreFilter | None,
        water_level_db: float | None,
    ) -> tuple[Transfer, float]:
        """Return the inverse response for spectra of length ``n_fft``, and its scale.

        Most channels of a network differ only in the gains of their stages, and share
        the inverse response.

        Raises
        ------
        DataError
            If the response has no inverse: it is 0 or not a number.
        """
        filt = None if pre_filt is None else tuple(pre_filt)
        contents = self._contents_of(response)
        if not sys.float_info.min <= contents.gain < math.inf:
            # other responses would share a curve that is not a number
            raise DataError(f"the product of its gains is {contents.gain:g}")
        key = (contents, n_fft, rate_hz, output, filt, water_level_db)
        if (shared := self._get(key)) is not None:
            return shared[0], shared[1] / contents.gain
        curve_key = (contents, rate_hz, output)
        if (curve := self._get(curve_key)) is None:
            curve = _Curve.of(response, rate_hz, output, n_fft // 2 + 1)
            curve = replace(curve, gain=contents.gain)
            self._keep(curve_key, curve, curve.nbytes)
        freqs_hz = np.linspace(0.0, rate_hz / 2, n_fft // 2 + 1)
        inverse = _inverted(_usable(curve.at(freqs_hz)), water_level_db)
        if filt is not None:
            inverse *= _pass_band(freqs_hz, filt)
        # its transforms are slow to import, also for processes that only read
        from seismo_pes.signal.transfer import transfer

        function = transfer(inverse)
        gain = curve.gain
        self._keep(key, (function, gain), function.nbytes)
        return function, gain / contents.gain

    def _contents_of(self, response: Response) -> _Contents:
        if id(response) not in self._contents:
            self._contents[id(response)] = (response, _Contents(response))
        return self._contents[id(response)][1]

    def _get(self, key: tuple[Any, ...]) -> Any:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def _keep(self, key: tuple[Any, ...], value: Any, nbytes: int) -> None:
        self._kept[key] = (value, nbytes)
        self._bytes += nbytes
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed


class _Contents:
    """The contents of a response, equal for two instruments of one type.

    Attributes
    ----------
    gain : float
        The product of the gains of the stages, which the comparison ignores.
    """

    def __init__(self, response: Response) -> None:
        contents = None
        if isinstance(response, DeferredResponse) and not response.is_parsed:
            contents = response.gain_and_kind
        self.gain, self._values = contents or self.read(response)
        self._hash = hash(self._values)

    @staticmethod
    def read(response: Response) -> tuple[float, tuple[Any, ...]]:
        """Return the gain, and all other contents."""
        stages, sensitivity = response.response_stages, response.instrument_sensitivity
        gains = [stage.stage_gain for stage in stages]
        gain = 1.0
        ignored: tuple[Any, ...] = ()
        if all(gains) and not any(
            isinstance(stage, PolynomialResponseStage) for stage in stages
        ):
            gain, ignored = abs(math.prod(map(float, gains))), ("stage_gain",)
        return gain, (
            [float(gain) < 0 for gain in gains].count(True) % 2 if ignored else None,
            _values_of(stages, ignored),
            # evalresp compares the value with the gains, but computes with the gains
            _values_of(sensitivity, ("value", "value_uncertainty")),
            sensitivity is not None and sensitivity.value == 0,
        )

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Contents) and self._values == other._values


def digest(response: Response | None) -> str:
    """Return a short text that differs for responses with different contents."""
    if response is None:
        return ""
    if isinstance(response, DeferredResponse) and not response.is_parsed:
        content = response.text
    else:
        content = repr(_Contents.read(response)).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


_PLAIN = (float, int, str, complex, type(None))


def _values_of(content: Any, ignored: tuple[str, ...] = ()) -> Any:
    """Return all numbers and texts in an object as nested tuples, which have a hash.

    Attributes with the ``ignored`` names are left out.
    """
    if isinstance(content, _PLAIN):
        extra = getattr(content, "__dict__", None)  # units, uncertainties
        return (content, _values_of(extra)) if extra else content
    if isinstance(content, dict):
        return tuple(
            (name, _values_of(entry, ignored))
            for name, entry in content.items()
            if name.lstrip("_") not in ignored
        )
    if isinstance(content, Iterable):
        return tuple(_values_of(entry, ignored) for entry in content)
    return (type(content).__name__, _values_of(vars(content), ignored))


@dataclass(frozen=True)
class _Curve:
    """A response as a function of frequency."""

    response: Response
    output: str
    lowest_hz: float
    spline: CubicSpline | None
    gain: float = 1.0
    factor: float = 1.0

    @classmethod
    def of(
        cls, response: Response, rate_hz: float, output: str, n_wanted: int
    ) -> _Curve:
        """Fit a spline with few nodes compared with ``n_wanted`` frequencies."""
        _check_zeros(response)
        lowest_hz, factor = LOWEST_NODE * rate_hz, 1.0
        if output != "DEF":
            response, factor = in_metres(response)
        bare = cls(response, output, lowest_hz, None, factor=factor)
        if any(
            isinstance(stage, ResponseListResponseStage)
            for stage in response.response_stages
        ):
            # straight lines between the entries have corners, which no spline follows
            return bare
        n_nodes = max(FEWEST_NODES, 1 << (n_wanted // 4).bit_length())
        while n_nodes < N_NODES:
            if (spline := bare._fit(_nodes(lowest_hz, rate_hz, n_nodes))) is None:
                n_nodes *= 2
                continue
            return replace(bare, spline=spline)
        return replace(bare, spline=bare._fit(_nodes(lowest_hz, rate_hz)))

    def _fit(self, nodes: np.ndarray) -> CubicSpline | None:
        """Return the spline through the nodes; None if its error is too large."""
        from scipy.interpolate import CubicSpline

        exact = self.at(nodes)
        if not np.isfinite(exact).all():
            return None
        half = CubicSpline(np.log(nodes[::2]), exact[::2])(np.log(nodes[1::2]))
        error = np.abs(half - exact[1::2])
        # twice as many nodes reduce the error to a sixteenth
        allowed = 16 * TOLERANCE * (np.abs(exact[1::2]) + 1e-6 * np.abs(exact).max())
        return None if (error > allowed).any() else CubicSpline(np.log(nodes), exact)

    @property
    def nbytes(self) -> int:
        """Bytes of memory of the spline."""
        return 0 if self.spline is None else self.spline.c.nbytes + self.spline.x.nbytes

    def at(self, freqs_hz: np.ndarray) -> np.ndarray:
        """Return the complex response at rising frequencies."""
        n_exact = len(freqs_hz)
        if self.spline is not None:
            n_exact = int(np.searchsorted(freqs_hz, self.lowest_hz))
        curve = np.empty(len(freqs_hz), dtype=np.complex128)
        if n_exact:
            curve[:n_exact] = self.response.get_evalresp_response_for_frequencies(
                freqs_hz[:n_exact],
                output=self.output,
                hide_sensitivity_mismatch_warning=True,
            )
            curve[:n_exact] *= self.factor
        if self.spline is not None:
            curve[n_exact:] = self.spline(np.log(freqs_hz[n_exact:]))
        return curve


def _check_zeros(response: Response) -> None:
    """Refuse zeros about which evalresp would also print messages of its own."""
    sensitivity = response.instrument_sensitivity
    if sensitivity is not None and sensitivity.value == 0:
        raise DataError("its sensitivity is 0")
    for stage in response.response_stages:
        number = stage.stage_sequence_number
        if stage.stage_gain == 0:
            raise DataError(f"stage {number} has the gain 0")
        # of filters
        for name in ("coefficients", "numerator"):
            values = getattr(stage, name, None)
            if values is not None and len(values) and not any(values):
                raise DataError(f"all coefficients of stage {number} are 0")


def _usable(spectrum: np.ndarray) -> np.ndarray:
    """Return a spectrum; refuse one that is 0 everywhere, or not a number somewhere."""
    if not np.isfinite(spectrum[1:]).all():
        raise DataError("it is not a number at some frequencies")
    if not spectrum[1:].any():
        raise DataError("it is 0 at all frequencies")
    return spectrum


def _nodes(lowest_hz: float, rate_hz: float, n: int = N_NODES) -> np.ndarray:
    """Return rising frequencies: even in log up to a fiftieth of the rate, then even.

    Seismometers are smooth in log frequency; the filters of digitisers have their
    ripples and their steep edge at even distances below Nyquist.
    """
    middle_hz = rate_hz / 50
    low = np.geomspace(lowest_hz, middle_hz, n // 2, endpoint=False)
    return np.concatenate((low, np.linspace(middle_hz, rate_hz / 2, n // 2 + 1)))


def _pass_band(freqs_hz: np.ndarray, corners_hz: PreFilter) -> np.ndarray:
    """Return 1 between the inner corners, 0 beyond the outer, and cosine flanks."""
    f1, f2, f3, f4 = corners_hz
    rise = np.clip((freqs_hz - f1) / (f2 - f1), 0.0, 1.0)
    fall = np.clip((f4 - freqs_hz) / (f4 - f3), 0.0, 1.0)
    return np.asarray(0.25 * (1 - np.cos(np.pi * rise)) * (1 - np.cos(np.pi * fall)))


def _inverted(spectrum: np.ndarray, water_level_db: float | None) -> np.ndarray:
    """Return 1 / spectrum with its amplitude kept above the water level; 0 for 0."""
    if water_level_db is None:
        spectrum[0] = 0.0
    amplitude = np.abs(spectrum)
    inverse = np.zeros_like(spectrum)
    np.divide(1.0, spectrum, out=inverse, where=amplitude > 0)
    if water_level_db is not None:
        floor = amplitude.max() * 10.0 ** (-water_level_db / 20.0)
        low = np.flatnonzero((amplitude < floor) & (amplitude > 0))
        inverse[low] *= amplitude[low] / floor
    return inverse
