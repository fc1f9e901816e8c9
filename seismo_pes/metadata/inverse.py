"""Inverses of instrument responses, each evaluated once.

Once for all channels whose response it is: of those that differ in their gains alone,
only the first is evaluated. What evalresp takes a second for on the million frequencies
of a day, it does in hundredths on `N_NODES` frequencies or fewer, between which a cubic
spline in log frequency agrees with it to `TOLERANCE`, which is checked; where it does
not, evalresp does all of them.
"""

from __future__ import annotations

import hashlib
import math
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

from seismo_pes.metadata.deferred import DeferredResponse
from seismo_pes.signal.transfer import Transfer, transfer

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

__all__ = ["PreFilter", "ResponseCache", "digest"]

N_NODES = 2**15
# of the spline for a record of few frequencies, if so many are enough
FEWEST_NODES = 2**11
# the lowest node, in sampling rates: below the lowest frequency of years of samples
LOWEST_NODE = 1e-9
TOLERANCE = 1e-8
PreFilter = Sequence[float]


class ResponseCache:
    """Responses that were evaluated before, those used last kept.

    Parameters
    ----------
    max_mb : float
        Memory that they may take. The inverse spectrum of a day at 20 Hz takes 28 MB.
        One that was dropped is computed again from the spline of its response (2 MB),
        in about the time of a Fourier transform, and in little more without it.
    """

    def __init__(self, max_mb: float = 256.0) -> None:
        self._max_bytes = max_mb * 1e6
        self._bytes = 0
        self._kept: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()
        # with the response, so that no other can get the id of one that is a key
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
        """Return what to multiply a spectrum of length ``n_fft`` by, and its scale.

        The channels of a network mostly differ in the gains of their stages alone,
        and share the first.
        """
        filt = None if pre_filt is None else tuple(pre_filt)
        contents = self._contents_of(response)
        key = (contents, n_fft, rate_hz, output, filt, water_level_db)
        if (shared := self._get(key)) is not None:
            return shared[0], shared[1] / contents.gain
        curve_key = (contents, rate_hz, output)
        if (curve := self._get(curve_key)) is None:
            curve = _Curve.of(response, rate_hz, output, n_fft // 2 + 1)
            curve = replace(curve, gain=contents.gain)
            self._keep(curve_key, curve, curve.nbytes)
        freqs_hz = np.linspace(0.0, rate_hz / 2, n_fft // 2 + 1)
        inverse = _inverted(curve.at(freqs_hz), water_level_db)
        if filt is not None:
            inverse *= _pass_band(freqs_hz, filt)
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
    """What a response says: equal for two channels with instruments of one kind.

    Attributes
    ----------
    gain : float
        The gains of its stages, multiplied, in which such two may differ.
    """

    def __init__(self, response: Response) -> None:
        known = None
        if isinstance(response, DeferredResponse) and not response.is_parsed:
            known = response.gain_and_kind
        self.gain, self._values = known or self.read(response)
        self._hash = hash(self._values)

    @staticmethod
    def read(response: Response) -> tuple[float, tuple[Any, ...]]:
        """Return the gain, and all else."""
        stages, sensitivity = response.response_stages, response.instrument_sensitivity
        gains = [stage.stage_gain for stage in stages]
        gain = 1.0
        but: tuple[Any, ...] = ()
        if all(gains) and not any(
            isinstance(stage, PolynomialResponseStage) for stage in stages
        ):
            gain, but = abs(math.prod(map(float, gains))), ("stage_gain",)
        return gain, (
            [float(gain) < 0 for gain in gains].count(True) % 2 if but else None,
            _values_of(stages, but),
            # evalresp compares the value with the gains, and uses the latter
            _values_of(sensitivity, ("value", "value_uncertainty")),
        )

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Contents) and self._values == other._values


def digest(response: Response | None) -> str:
    """Return a short text that is another where a response says something else."""
    if response is None:
        return ""
    if isinstance(response, DeferredResponse) and not response.is_parsed:
        content = response.text
    else:
        content = repr(_Contents.read(response)).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


_PLAIN = (float, int, str, complex, type(None))


def _values_of(thing: Any, but: tuple[str, ...] = ()) -> Any:
    """Return all numbers and texts in a thing, nested as they are, hashable.

    Attributes with the names in ``but`` are left out.
    """
    if isinstance(thing, _PLAIN):
        extra = getattr(thing, "__dict__", None)  # units, uncertainties
        return (thing, _values_of(extra)) if extra else thing
    if isinstance(thing, dict):
        return tuple(
            (name, _values_of(value, but))
            for name, value in thing.items()
            if name.lstrip("_") not in but
        )
    if isinstance(thing, Iterable):
        return tuple(_values_of(value, but) for value in thing)
    return (type(thing).__name__, _values_of(vars(thing), but))


@dataclass(frozen=True)
class _Curve:
    """A response as a function of frequency."""

    response: Response
    output: str
    lowest_hz: float
    spline: CubicSpline | None
    gain: float = 1.0

    @classmethod
    def of(
        cls, response: Response, rate_hz: float, output: str, n_wanted: int
    ) -> _Curve:
        """Fit a spline whose nodes are worth it for ``n_wanted`` frequencies."""
        lowest_hz = LOWEST_NODE * rate_hz
        bare = cls(response, output, lowest_hz, None)
        if any(
            isinstance(stage, ResponseListResponseStage)
            for stage in response.response_stages
        ):
            # straight lines between its entries: no spline follows their corners
            return bare
        n_nodes = max(FEWEST_NODES, 1 << (n_wanted // 4).bit_length())
        while n_nodes < N_NODES:
            if (spline := bare._fitted(_nodes(lowest_hz, rate_hz, n_nodes))) is None:
                n_nodes *= 2
                continue
            return cls(response, output, lowest_hz, spline)
        return cls(
            response, output, lowest_hz, bare._fitted(_nodes(lowest_hz, rate_hz))
        )

    def _fitted(self, nodes: np.ndarray) -> CubicSpline | None:
        """Return the spline through the nodes; None where it is not good enough."""
        from scipy.interpolate import CubicSpline

        exact = self.at(nodes)
        if not np.isfinite(exact).all():
            return None
        half = CubicSpline(np.log(nodes[::2]), exact[::2])(np.log(nodes[1::2]))
        error = np.abs(half - exact[1::2])
        # with all nodes the error is a sixteenth of that with every other one
        allowed = 16 * TOLERANCE * (np.abs(exact[1::2]) + 1e-6 * np.abs(exact).max())
        return None if (error > allowed).any() else CubicSpline(np.log(nodes), exact)

    @property
    def nbytes(self) -> int:
        """Memory that the spline takes."""
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
        if self.spline is not None:
            curve[n_exact:] = self.spline(np.log(freqs_hz[n_exact:]))
        return curve


def _nodes(lowest_hz: float, rate_hz: float, n: int = N_NODES) -> np.ndarray:
    """Frequencies, rising: even in log up to a fiftieth of the rate, then even.

    Seismometers are smooth in log frequency; the filters of digitisers have their
    ripples and their steep edge at even distances below Nyquist.
    """
    middle_hz = rate_hz / 50
    low = np.geomspace(lowest_hz, middle_hz, n // 2, endpoint=False)
    return np.concatenate((low, np.linspace(middle_hz, rate_hz / 2, n // 2 + 1)))


def _pass_band(freqs_hz: np.ndarray, corners_hz: PreFilter) -> np.ndarray:
    """Return 1 between the inner corners, 0 beyond the outer, cosine flanks."""
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
