"""Recursive filters as products of matrices, a block of samples at a time.

In a loop over samples each step waits for the previous step. Here a filter is a vector
of states and four matrices. From a block of samples and the states before it, the
matrices give the output of the block and the states after it. Only the states are
computed one after another, in groups of blocks and groups of such groups; all other
steps are matrix products in BLAS.

The two states of a section with complex poles rotate and shrink (the coupled form).
They neither grow nor cancel. For a narrow band far below Nyquist the result has ten
digits more than the result of the usual direct form.

References
----------
Burrus, C. S. (1972), Block realization of digital filters, IEEE Trans. Audio
Electroacoust. 20, 230-235.
Barnes, C. W. and Fam, A. T. (1977), Minimum norm recursive digital filters that are
free of overflow limit cycles, IEEE Trans. Circuits Syst. 24, 569-574.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import numpy as np

from seismo_pes.signal._arrays import FloatArray, scratch

_BLOCK = 64  # samples of a block: products of eight states cost as much as their loop
_FEW = 8192  # samples: shorter records are filtered group by group
_GROUP = 8  # blocks in a group, groups in a group of groups, and so on
_PIECE = 512  # blocks per step: they stay in the processor's cache
_TOGETHER = 2**18  # samples of short records per step


def filtered(sections: FloatArray, x: FloatArray, zero_phase: bool) -> FloatArray:
    """Run second-order sections over the last axis, from states of zero, in float64.

    Parameters
    ----------
    sections
        Shape ``(n_sections, 6)``, as in `scipy.signal.sosfilt`, with poles within the
        unit circle.
    x
        Records, float32 or float64, shape ``(..., n)``, n > 0. A sample that is not
        finite becomes NaN, and so does all output that depends on it.
    zero_phase
        Filter forward and backward; otherwise forward only.

    Returns
    -------
    A new array of the same shape and type.
    """
    if not zero_phase:
        return continued(sections, x, starting_states(sections, x.shape[:-1]))[0]
    n = x.shape[-1]
    records = x.reshape(-1, n)
    out = np.empty(records.shape, records.dtype)
    blocks = _zero_phase_blocks(sections.tobytes())
    with np.errstate(invalid="ignore", over="ignore"):
        for rows in _batches_of_short_records(records):
            blocks.run(records[rows], out[rows])
    return out.reshape(x.shape)


def starting_states(sections: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return the states before the first samples of records: zeros.

    Parameters
    ----------
    sections
        Shape ``(n_sections, 6)``.
    shape
        Shape of the records without their axis of samples.
    """
    return np.zeros((*shape, 2 * len(sections)))


def continued(
    sections: FloatArray, x: FloatArray, states: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Run second-order sections forward over the next samples of records.

    Parameters
    ----------
    sections
        Shape ``(n_sections, 6)``, as for `filtered`.
    x
        The next samples, shape ``(..., n)``.
    states
        States after the previous samples, shape ``(..., 2 n_sections)``; not changed.

    Returns
    -------
    out
        A new array, shape and type as `x`.
    states
        States after the last sample, float64.
    """
    if x.size == 0:
        return x.copy(), states.copy()
    n, m = x.shape[-1], states.shape[-1]
    records, before = x.reshape(-1, n), states.reshape(-1, m)
    out, after = np.empty(records.shape, records.dtype), np.empty(before.shape)
    blocks = _causal_blocks(sections.tobytes())
    with np.errstate(invalid="ignore", over="ignore"):
        for rows in _batches_of_short_records(records):
            blocks.run(records[rows], before[rows], out[rows], after[rows])
        for i in np.flatnonzero(~np.isfinite(after).all(axis=1)):
            _restore_causality(blocks, records[i : i + 1], before[i : i + 1], out[i])
    return out.reshape(x.shape), after.reshape(states.shape)


def _batches_of_short_records(records: FloatArray) -> Iterator[slice]:
    n_records = max(1, _TOGETHER // max(1, records.shape[1]))
    for i in range(0, len(records), n_records):
        yield slice(i, i + n_records)


def _restore_causality(
    blocks: "_CausalBlocks", record: FloatArray, states: FloatArray, out: FloatArray
) -> None:
    """Repair the samples of a block that come before a sample that is not finite."""
    finite = np.isfinite(record[0])
    if not finite.all():
        first = int(finite.argmin())
        begin = record.copy()
        begin[:, first:] = 0
        blocks.run(begin, states, out[None], np.empty(states.shape))
        out[first:] = np.nan


@lru_cache(maxsize=64)
def _causal_blocks(sections: bytes) -> "_CausalBlocks":
    return _CausalBlocks(np.frombuffer(sections).reshape(-1, 6))


@lru_cache(maxsize=64)
def _zero_phase_blocks(sections: bytes) -> "_ZeroPhaseBlocks":
    return _ZeroPhaseBlocks(np.frombuffer(sections).reshape(-1, 6))


class _CausalBlocks:
    """The matrices of a forward filter, for rows: ``[samples, states] @ matrix``."""

    def __init__(self, sections: FloatArray) -> None:
        self.response, self.ringing, self.enter, self.powers = _matrices(sections)
        self.leave = np.vstack((self.response, self.ringing))
        self.carry = _carry(self.powers[-1])

    def run(
        self, x: FloatArray, states: FloatArray, out: FloatArray, after: FloatArray
    ) -> None:
        """Filter records of shape ``(n_records, n)``; only the last block may be short.

        The output is written to `out`, the states after the last sample to `after`.
        """
        n, first = x.shape[1], 0
        if n > _FEW:
            first = n // _BLOCK * _BLOCK
            states = self._run_many(x[:, :first], states, out[:, :first])
        for i in range(first, n, _GROUP * _BLOCK):
            end = min(i + _GROUP * _BLOCK, n)
            states = self._run_group(x[:, i:end], states, out[:, i:end])
        after[:] = states

    def _run_group(
        self, x: FloatArray, states: FloatArray, out: FloatArray
    ) -> FloatArray:
        """Filter up to `_GROUP` blocks, the last of any length, in few products."""
        (n_records, n), m = x.shape, states.shape[1]
        n_blocks = -(-n // _BLOCK)
        samples = np.zeros((n_records, n_blocks * _BLOCK))
        samples[:, :n] = x
        blocks = _blocks_of(samples)
        added = np.empty((n_records, n_blocks, m))
        added[:, 0] = states
        np.matmul(blocks[:, :-1], self.enter, out=added[:, 1:])
        size = n_blocks * m
        before = added.reshape(n_records, size) @ self.carry[:size, :size]
        before = before.reshape(n_records, n_blocks, m)
        filtered = blocks @ self.response
        filtered += before @ self.ringing
        out[:] = filtered.reshape(samples.shape)[:, :n]
        n_last = n - (n_blocks - 1) * _BLOCK
        entered = samples[:, n - n_last : n] @ self.enter[_BLOCK - n_last :]
        return np.asarray(before[:, -1] @ self.powers[n_last] + entered)

    def _run_many(
        self, x: FloatArray, states: FloatArray, out: FloatArray
    ) -> FloatArray:
        """Filter any number of whole blocks."""
        blocks, m = _blocks_of(x), states.shape[1]
        n_records, n_blocks, _ = blocks.shape
        # the given states enter like the states of a block before the first
        n_slots = -(-(n_blocks + 2) // _GROUP) * _GROUP
        entered = scratch("entered", (n_records, n_slots, m), np.float64)
        before = scratch("states", (n_records, n_slots, m), np.float64)
        entered[:, 0] = states
        _enter(blocks, self.enter, entered[:, 1 : n_blocks + 1])
        entered[:, n_blocks + 1 :] = 0
        _accumulate(entered, self.powers[-1], before)
        _leave(blocks, before[:, 1:], self.leave, _blocks_of(out))
        return before[:, n_blocks + 1]


def _carry(power: FloatArray) -> FloatArray:
    """Return the matrix from the contributions of blocks to the states before blocks.

    Shape ``(_GROUP n_states, _GROUP n_states)``: for a few blocks one product with it
    takes less time than a loop over the blocks.
    """
    m = len(power)
    carry = np.zeros((_GROUP, m, _GROUP, m))
    for i in range(_GROUP):
        carry[i, :, i] = np.eye(m)
        for j in range(i + 1, _GROUP):
            carry[i, :, j] = carry[i, :, j - 1] @ power
    return carry.reshape(_GROUP * m, _GROUP * m)


class _ZeroPhaseBlocks:
    """The matrices of a filter that runs forward and backward, for rows.

    The first block of a record is the short one, as if zeros came before it: then the
    backward pass starts with the last sample, not with the ringing behind it.
    """

    def __init__(self, sections: FloatArray) -> None:
        response, ringing, enter, powers = _matrices(sections)
        self.power = powers[-1]
        # backward is the same filter for samples in reverse order
        self.cross = ringing[:, ::-1] @ enter
        self.enter = np.hstack((enter, response[:, ::-1] @ enter))
        both = np.vstack((response, ringing)) @ response[::-1, ::-1]
        self.leave = np.vstack((both, ringing[:, ::-1]))

    def run(self, x: FloatArray, out: FloatArray) -> None:
        """Filter records of shape ``(n_records, n)``; write the output to `out`."""
        n_first = x.shape[1] % _BLOCK
        states = self._states(x, n_first)
        if n_first:
            rows = np.concatenate((x[:, :n_first], states[:, 0]), axis=1)
            leave = self.leave[_BLOCK - n_first :, _BLOCK - n_first :]
            out[:, :n_first] = rows @ leave
            states = states[:, 1:]
        _leave(
            _blocks_of(x[:, n_first:]), states, self.leave, _blocks_of(out[:, n_first:])
        )

    def _states(self, x: FloatArray, n_first: int) -> FloatArray:
        """Return the states before each block beside the states after it."""
        first, whole = int(n_first > 0), _blocks_of(x[:, n_first:])
        n_records, n_blocks = len(x), first + whole.shape[1]
        n_slots, m = -(-n_blocks // _GROUP) * _GROUP, len(self.power)
        entered = scratch("entered", (n_records, n_slots, 2 * m), np.float64)
        states = scratch("states", (n_records, n_slots, 2 * m), np.float64)
        entered[:, n_blocks:] = 0
        if first:
            entered[:, 0] = x[:, :n_first] @ self.enter[_BLOCK - n_first :]
        _enter(whole, self.enter, entered[:, first:n_blocks])
        _accumulate(entered[:, :, :m], self.power, states[:, :, :m])
        for i in range(0, n_blocks, _PIECE):
            before = states[:, i : min(i + _PIECE, n_blocks), :m]
            entered[:, i : i + before.shape[1], m:] += before @ self.cross
        _accumulate(entered[:, ::-1, m:], self.power, states[:, ::-1, m:])
        return states[:, :n_blocks]


def _blocks_of(x: FloatArray) -> FloatArray:
    """Return whole blocks, shape ``(n_records, n_blocks, _BLOCK)``: a view."""
    return x.reshape(len(x), x.shape[1] // _BLOCK, _BLOCK)


def _enter(whole: FloatArray, matrix: FloatArray, entered: FloatArray) -> None:
    """Multiply blocks of samples by a matrix, as many as stay in cache at a time."""
    for i in range(0, whole.shape[1], _PIECE):
        blocks = whole[:, i : i + _PIECE].astype(np.float64, copy=False)
        np.matmul(blocks, matrix, out=entered[:, i : i + blocks.shape[1]])


def _leave(
    whole: FloatArray, states: FloatArray, matrix: FloatArray, out: FloatArray
) -> None:
    """Multiply blocks of samples and the states beside them by a matrix."""
    n_records, n_blocks, _ = whole.shape
    shape = (n_records, min(n_blocks, _PIECE), len(matrix))
    work = scratch("blocks and states", shape, np.float64)
    for i in range(0, n_blocks, _PIECE):
        target = out[:, i : i + _PIECE]
        rows = work[:, : target.shape[1]]
        rows[:, :, :_BLOCK] = whole[:, i : i + _PIECE]
        rows[:, :, _BLOCK:] = states[:, i : i + target.shape[1]]
        if target.dtype == np.float64:
            np.matmul(rows, matrix, out=target)
        else:
            target[:] = rows @ matrix


def _accumulate(entered: FloatArray, power: FloatArray, before: FloatArray) -> None:
    """Compute the states before each block from the contributions of the blocks.

    Parameters
    ----------
    entered
        What each block adds to the states, shape ``(n_records, n_blocks, n_states)``,
        n_blocks a multiple of `_GROUP`.
    power
        States before a block to states after it, shape ``(n_states, n_states)``.
    before
        Overwritten; shape as `entered`.
    """
    n_records, n_blocks, m = entered.shape
    n_groups = n_blocks // _GROUP
    entered = entered.reshape(n_records, n_groups, _GROUP, m)
    groups = before.reshape(n_records, n_groups, _GROUP, m)  # a view
    state, powers = np.zeros((n_records, n_groups, m)), [np.eye(m)]
    for i in range(_GROUP):
        groups[:, :, i] = state
        state = state @ power + entered[:, :, i]
        powers.append(powers[-1] @ power)
    if n_groups > 1:
        ends = np.zeros((n_records, -(-n_groups // _GROUP) * _GROUP, m))
        ends[:, :n_groups] = state
        carried = np.empty_like(ends)
        _accumulate(ends, powers.pop(), carried)
        groups += (carried[:, :n_groups] @ np.hstack(powers)).reshape(groups.shape)


def _matrices(sections: FloatArray) -> tuple[FloatArray, ...]:
    """Return the matrices of a block, for rows.

    Returns
    -------
    response
        Samples to output, shape ``(_BLOCK, _BLOCK)``.
    ringing
        States before to output, shape ``(n_states, _BLOCK)``.
    enter
        Samples to states after, shape ``(_BLOCK, n_states)``.
    powers
        States before to states after 0 to `_BLOCK` samples, shape
        ``(_BLOCK + 1, n_states, n_states)``.
    """
    turn, enter_one, leave_one, direct = _one_sample(sections)
    m = len(turn)
    ringing, enter = np.empty((m, _BLOCK)), np.empty((_BLOCK, m))
    powers = np.empty((_BLOCK + 1, m, m))
    powers[0] = np.eye(m)
    for i in range(_BLOCK):
        ringing[:, i] = powers[i] @ leave_one
        enter[_BLOCK - 1 - i] = enter_one @ powers[i]
        powers[i + 1] = powers[i] @ turn
    impulse = np.append(direct, enter_one @ ringing[:, :-1])
    response = np.zeros((_BLOCK, _BLOCK))
    for i in range(_BLOCK):
        response[i, i:] = impulse[: _BLOCK - i]
    return response, ringing, enter, powers


def _one_sample(
    sections: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return the matrices of a single sample, and the factor of the sample itself.

    The input of a section is the output of the sections before it: a weighted sum of
    their states, and a multiple of the sample.
    """
    m = 2 * len(sections)
    turn, enter = np.zeros((m, m)), np.zeros(m)
    leave, direct = np.zeros(m), 1.0
    for i, section in enumerate(sections):
        own = slice(2 * i, 2 * i + 2)
        turn[own, own], weights = _coupled(section)
        turn[:, 2 * i] += leave
        enter[2 * i] = direct
        leave, direct = leave * section[0], direct * section[0]
        leave[own] += weights
    return turn, enter, leave, direct


def _coupled(section: FloatArray) -> tuple[FloatArray, tuple[float, float]]:
    """Return the matrix of a section's two states, and their weights in its output.

    The coefficients of low corners cancel to a few digits: they are combined exactly.
    """
    b0, b1, b2, _, a1, a2 = (Fraction(float(value)) for value in section)
    first, second = b1 - b0 * a1, b2 - b0 * a2
    middle = -a1 / 2
    square = float(a2 - middle**2)
    distance = abs(square) ** 0.5
    if square > 0:
        real = float(middle)
        turn = np.array([[real, distance], [-distance, real]])
        return turn, (float(first), float(second + first * middle) / distance)
    small = float(middle) - distance
    turn = np.array([[float(middle) + distance, 1], [0, small]])
    return turn, (float(first), float(second) + float(first) * small)
