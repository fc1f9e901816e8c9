"""Methods for records in pieces, by what their output depends on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal import normalize
from seismo_pes.signal import resample as _resample
from seismo_pes.signal._arrays import FloatArray, as_float
from seismo_pes.signal._recursive import continued, starting_states
from seismo_pes.signal.errors import ParameterError


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
    parts
        States of the methods of which a method consists.
    """

    memory: FloatArray
    n_in: int
    n_out: int
    parts: tuple[State, ...] = ()


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
class Causal:
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


class Windowed:
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
class Reaching(Windowed):
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
class Envelope(Windowed):
    """Division by the mean of `n` neighbours on both sides.

    The first and last `n` samples take the weight of the nearest sample that has all
    neighbours, so nothing is final before ``2 n + 1`` samples.
    """

    n: int

    def n_final(self, n_in: int) -> int:
        return n_in - self.n if n_in > 2 * self.n else 0

    def first_needed(self, n_out: int) -> int:
        return n_out - self.n - 1

    def output(
        self, record: FloatArray, begin: int, start: int, stop: int | None
    ) -> FloatArray:
        out = normalize.envelope(record, self.n)
        return out[..., start - begin : None if stop is None else stop - begin]

    def position(self, n_out: int) -> Fraction:
        return Fraction(n_out)


@dataclass(frozen=True)
class Lanczos(Windowed):
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


@dataclass(frozen=True, eq=False)
class Bands:
    """The sum of several bands, each filtered and then normalised."""

    filters: tuple[Causal, ...]
    normalization: Reaching

    def advance(
        self, x: ArrayLike, state: State | None = None
    ) -> tuple[FloatArray, State]:
        x = as_float(x)
        before = [None] * (2 * len(self.filters)) if state is None else state.parts
        parts: list[State] = []
        outputs = []
        for k, band in enumerate(self.filters):
            filtered, filter_state = band.advance(x, before[2 * k])
            out, normal_state = self.normalization.advance(filtered, before[2 * k + 1])
            outputs.append(out)
            parts += [filter_state, normal_state]
        last = parts[-1]
        return sum(outputs[1:], outputs[0]), State(
            x[..., :0], last.n_in, last.n_out, tuple(parts)
        )

    def flush(self, state: State) -> FloatArray:
        outputs = [self.normalization.flush(part) for part in state.parts[1::2]]
        return sum(outputs[1:], outputs[0])

    def position(self, n_out: int) -> Fraction:
        return Fraction(n_out)


def _require_axes(x: FloatArray, state: State) -> None:
    if x.shape[:-1] != state.memory.shape[:-1]:
        raise ParameterError(
            f"x: shape {x.shape} does not continue records of the axes "
            f"{state.memory.shape[:-1]}"
        )
