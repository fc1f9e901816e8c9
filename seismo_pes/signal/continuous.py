"""Methods for records that arrive in pieces, with a state between the pieces.

A function of this module returns a `Method`. Its `advance` takes the next samples of a
record and the state after the previous samples; it returns the output that is final,
and the new state. Its `flush` returns the last output at the end of the record. The
joined output equals the output of the function of the same name for the whole record,
for any division into pieces.

Filters are causal, and their output is complete at once. If a method needs later
samples (a running mean, the anti-alias filter of `resample`), its output is delayed by
that number of samples. Zero-phase filters run backward from the end of a record, so
they cannot work on pieces.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal import normalize
from seismo_pes.signal import resample as _resample
from seismo_pes.signal._arrays import FloatArray, as_float, require_count
from seismo_pes.signal._recursive import continued, starting_states
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.filter import butterworth

__all__ = [
    "Method",
    "State",
    "agc",
    "bandpass",
    "bandstop",
    "decimate",
    "highpass",
    "interpolate_lanczos",
    "lowpass",
    "resample",
    "running_absolute_mean",
]


@dataclass(frozen=True, eq=False)
class State:
    """The state of a method after some samples, of small and bounded size.

    Attributes
    ----------
    memory
        States of a filter, or the last samples; the other axes are those of the
        records.
    n_in
        Number of samples received, without the samples left out at the start.
    n_out
        Number of output samples that have been returned.
    """

    memory: FloatArray
    n_in: int
    n_out: int


class Method(Protocol):
    """A function for records in pieces."""

    def advance(
        self, x: ArrayLike, state: State | None = None
    ) -> tuple[FloatArray, State]:
        """Return the output that is final after the samples `x`, and the new state.

        Parameters
        ----------
        x
            The next samples, shape ``(..., n)``, the same axes in each piece; n may be
            0.
        state
            The state after the previous piece, which is not changed; None at the start.

        Raises
        ------
        ParameterError
            If the axes before the last differ from those of the previous pieces.
        """

    def flush(self, state: State) -> FloatArray:
        """Return the last output, at the end of the record."""

    def position(self, n_out: int) -> Fraction:
        """Return the position of an output sample, in input samples."""


@dataclass(frozen=True, eq=False)
class _Causal:
    """Second-order sections: each input sample gives one output sample at once."""

    sections: FloatArray

    def advance(
        self, x: ArrayLike, state: State | None = None
    ) -> tuple[FloatArray, State]:
        x = as_float(x)
        if state is None:
            state = State(starting_states(self.sections, x.shape[:-1]), 0, 0)
        _require_axes(x, state)
        out, memory = continued(self.sections, x, state.memory)
        n = state.n_in + x.shape[-1]
        return out, State(memory, n, n)

    def flush(self, state: State) -> FloatArray:
        # the narrower type, so that joining does not change the type of other pieces
        return np.empty((*state.memory.shape[:-1], 0), np.float32)

    def position(self, n_out: int) -> Fraction:
        return Fraction(n_out)


class _Windowed:
    """A method whose output depends on the samples around it.

    The memory holds the samples on which the next output depends, and all later
    samples. So the function for whole records handles the start and the end of the
    record.
    """

    first = 0

    def n_final(self, n_in: int) -> int:
        """Return how many output samples are final after `n_in` samples."""
        raise NotImplementedError

    def first_needed(self, n_out: int) -> int:
        """Return the index of the first sample on which output `n_out` depends."""
        raise NotImplementedError

    def output(
        self, record: FloatArray, begin: int, start: int, stop: int | None
    ) -> FloatArray:
        """Return output from start to stop (or the end); `record` starts at `begin`."""
        raise NotImplementedError

    def advance(
        self, x: ArrayLike, state: State | None = None
    ) -> tuple[FloatArray, State]:
        x = as_float(x)
        if state is None:
            state = State(x[..., :0], -self.first, 0)
        _require_axes(x, state)
        left_out = min(max(-state.n_in, 0), x.shape[-1])
        record = np.concatenate((state.memory, x[..., left_out:]), axis=-1)
        n_in = state.n_in + x.shape[-1]
        begin = n_in - record.shape[-1]
        n_out = max(state.n_out, self.n_final(n_in))
        if n_out == state.n_out:
            return record[..., :0], State(record, n_in, n_out)
        out = self.output(record, begin, state.n_out, n_out)
        n_done = max(0, self.first_needed(n_out) - begin)
        return out, State(record[..., n_done:].copy(), n_in, n_out)

    def flush(self, state: State) -> FloatArray:
        begin = state.n_in - state.memory.shape[-1]
        return self.output(state.memory, begin, state.n_out, None)


@dataclass(frozen=True)
class _Reaching(_Windowed):
    """A function whose output depends on `reach` samples on both sides.

    For the `ratio` p/q, q input samples give p output samples.
    """

    function: Callable[[FloatArray], FloatArray]
    reach: int
    ratio: Fraction = Fraction(1)
    first: int = 0

    def n_final(self, n_in: int) -> int:
        n_ready = n_in - self.reach
        return math.floor((n_ready - 1) * self.ratio) + 1 if n_ready > 0 else 0

    def first_needed(self, n_out: int) -> int:
        q = self.ratio.denominator
        return (math.floor(n_out / self.ratio) - self.reach) // q * q

    def output(
        self, record: FloatArray, begin: int, start: int, stop: int | None
    ) -> FloatArray:
        offset = int(begin * self.ratio)
        out = self.function(record)
        return out[..., start - offset : None if stop is None else stop - offset]

    def position(self, n_out: int) -> Fraction:
        return n_out / self.ratio


@dataclass(frozen=True)
class _Lanczos(_Windowed):
    """Interpolation at indices ``start + step * m``."""

    start: Fraction
    step: Fraction
    half_width: int

    def n_final(self, n_in: int) -> int:
        n_ready = n_in - self.half_width - 1 - float(self.start)
        return math.floor(n_ready / float(self.step)) + 1 if n_ready >= 0 else 0

    def first_needed(self, n_out: int) -> int:
        return math.floor(self._index(n_out)) - self.half_width - 1

    def _index(self, n_out: int) -> float:
        return float(self.start) + float(self.step) * n_out

    def output(
        self, record: FloatArray, begin: int, start: int, stop: int | None
    ) -> FloatArray:
        if stop is None:
            last = begin + record.shape[-1] - 1 - float(self.start)
            stop = max(start, math.floor(last / float(self.step) + 1e-9) + 1)
        indices = float(self.start) + float(self.step) * np.arange(start, stop)
        return _resample.lanczos_at(record, indices - begin, self.half_width)

    def position(self, n_out: int) -> Fraction:
        return self.start + self.step * n_out


def bandpass(rate_hz: float, low_hz: float, high_hz: float, corners: int = 4) -> Method:
    """Causal Butterworth band-pass; see `filter.bandpass` with ``zero_phase=False``.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist.

    Examples
    --------
    >>> from seismo_pes.signal import filter
    >>> x = np.random.default_rng(1).standard_normal(500)
    >>> method = bandpass(20.0, 0.5, 2.0)
    >>> first, state = method.advance(x[:123])
    >>> second, state = method.advance(x[123:], state)
    >>> whole = filter.bandpass(x, 20.0, 0.5, 2.0, zero_phase=False)
    >>> bool(np.allclose(np.concatenate((first, second)), whole, rtol=0, atol=1e-13))
    True
    """
    return _Causal(butterworth("bandpass", (low_hz, high_hz), rate_hz, corners))


def bandstop(rate_hz: float, low_hz: float, high_hz: float, corners: int = 4) -> Method:
    """Causal Butterworth band-stop; see `filter.bandstop` with ``zero_phase=False``.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist.
    """
    return _Causal(butterworth("bandstop", (low_hz, high_hz), rate_hz, corners))


def lowpass(rate_hz: float, corner_hz: float, corners: int = 4) -> Method:
    """Causal Butterworth low-pass; see `filter.lowpass` with ``zero_phase=False``.

    Raises
    ------
    ParameterError
        If the corner is at or above Nyquist.
    """
    return _Causal(butterworth("lowpass", (corner_hz,), rate_hz, corners))


def highpass(rate_hz: float, corner_hz: float, corners: int = 4) -> Method:
    """Causal Butterworth high-pass; see `filter.highpass` with ``zero_phase=False``.

    Raises
    ------
    ParameterError
        If the corner is at or above Nyquist.
    """
    return _Causal(butterworth("highpass", (corner_hz,), rate_hz, corners))


def resample(rate_in_hz: float, rate_out_hz: float, first: int = 0) -> Method:
    """Change of the sampling rate by a fraction; see `resample.resample`.

    The output is delayed by 33 samples of the lower rate.

    Parameters
    ----------
    rate_in_hz, rate_out_hz
        Sampling rates.
    first
        Number of samples that are left out at the start of the record.

    Raises
    ------
    ParameterError
        If the ratio of the rates is not a fraction of small terms;
        `interpolate_lanczos` takes any ratio.

    Examples
    --------
    >>> method = resample(100.0, 20.0)
    >>> y, state = method.advance(np.ones(1000))
    >>> y.shape, method.flush(state).shape
    ((167,), (33,))
    """
    ratio = _resample.rate_ratio(rate_in_hz, rate_out_hz)
    if not _resample.has_finite_reach(ratio):
        raise ParameterError(
            f"rate_out_hz {rate_out_hz:g}: its ratio to rate_in_hz, {ratio}, has too "
            "large terms for records in pieces; interpolate it by a Lanczos "
            "kernel, or change the rate in two steps"
        )
    function = partial(
        _resample.resample, rate_in_hz=rate_in_hz, rate_out_hz=rate_out_hz
    )
    reach = (
        0
        if ratio == 1
        else math.ceil(_resample.HALF_LENGTH * max(Fraction(1), 1 / ratio))
    )
    return _Reaching(function, reach, ratio, require_count(first, "first"))


def decimate(factor: int) -> Method:
    """Every `factor`-th sample after an anti-alias filter; see `resample.decimate`.

    Raises
    ------
    ParameterError
        If the factor is not a whole number from 1 to 320.
    """
    return resample(float(require_count(factor, "factor", 1)), 1.0)


def interpolate_lanczos(
    start: Fraction | float, step: Fraction | float, half_width: int = 20
) -> Method:
    """Samples at indices ``start + step * m``; see `resample.interpolate_lanczos`.

    The output is delayed by `half_width` samples.

    Parameters
    ----------
    start
        Index of the first output sample, at least 0.
    step
        Distance between output samples in input samples, above 0.
    half_width
        Half width of the kernel, 2 to 200 samples.

    Raises
    ------
    ParameterError
        If a parameter is out of range.
    """
    if not (np.isfinite(float(start)) and start >= 0):
        raise ParameterError(f"start must be at least 0, not {start}")
    half_width = _resample.require_lanczos(float(step), half_width)
    return _Lanczos(Fraction(start), Fraction(step), half_width)


def running_absolute_mean(n_half: int, across_components: bool = False) -> Method:
    """Division by the running mean of ``|x|``; see `normalize.running_absolute_mean`.

    The output is delayed by `n_half` samples.

    Raises
    ------
    ParameterError
        If `n_half` is negative.
    """
    function = partial(
        normalize.running_absolute_mean,
        n_half=n_half,
        across_components=across_components,
    )
    return _Reaching(function, require_count(n_half, "n_half"))


def agc(n_half: int, across_components: bool = False) -> Method:
    """Division by the running root mean square; see `normalize.agc`.

    The output is delayed by `n_half` samples.

    Raises
    ------
    ParameterError
        If `n_half` is negative.
    """
    function = partial(
        normalize.agc, n_half=n_half, across_components=across_components
    )
    return _Reaching(function, require_count(n_half, "n_half"))


def _require_axes(x: FloatArray, state: State) -> None:
    if x.shape[:-1] != state.memory.shape[:-1]:
        raise ParameterError(
            f"x: shape {x.shape} does not continue records of the axes "
            f"{state.memory.shape[:-1]}"
        )
