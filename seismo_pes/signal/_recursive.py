"""Recursive filters as products of matrices, a block of samples at a time.

A loop over samples waits in each step for the one before. Here a filter is a state
and four matrices: what a block of samples and the state before it make of the block,
and of the state after it. States are all that must be found one after another, and
they are found in groups of groups of blocks; the rest is matrix products, run by BLAS.

The states of a section turn and shrink (the coupled form) where its poles are complex.
They neither grow nor cancel, so the result has ten digits more than that of the usual
direct form where a narrow band is far below Nyquist.

References
----------
Burrus, C. S. (1972), Block realization of digital filters, IEEE Trans. Audio
Electroacoust. 20, 230-235.
Barnes, C. W. and Fam, A. T. (1977), Minimum norm recursive digital filters that are
free of overflow limit cycles, IEEE Trans. Circuits Syst. 24, 569-574.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np

from seismo_pes.signal._arrays import FloatArray, scratch

_BLOCK = 64  # samples: where the products of eight states cost as much as their loop
_GROUP = 8  # blocks, groups of blocks ...
_PIECE = 512  # blocks of a record that stay in cache on their way through
_TOGETHER = 2**18  # samples of short records


def filtered(sections: FloatArray, x: FloatArray, zero_phase: bool) -> FloatArray:
    """Run second-order sections over the last axis, from states of zero, in float64.

    Parameters
    ----------
    sections
        Shape ``(n_sections, 6)``, as those of `scipy.signal.sosfilt`, poles within
        the unit circle.
    x
        Records, float32 or float64, shape ``(..., n)``, n > 0. A sample that is not
        finite makes NaN of itself and of all that depends on it.
    zero_phase
        Forward and backward if True, else forward.

    Returns
    -------
    A new array of the same shape and type.
    """
    n = x.shape[-1]
    records = x.reshape(-1, n)
    out = np.empty(records.shape, records.dtype)
    blocks = _blocks(sections.tobytes(), zero_phase)
    together = max(1, _TOGETHER // n)
    with np.errstate(invalid="ignore", over="ignore"):
        for i in range(0, len(records), together):
            blocks.run(records[i : i + together], out[i : i + together])
        if not zero_phase:
            _look_not_ahead(blocks, records, out)
    return out.reshape(x.shape)


def _look_not_ahead(blocks: "_Blocks", records: FloatArray, out: FloatArray) -> None:
    """Mend the samples before one that is not finite, within its block."""
    for i in np.flatnonzero(~np.isfinite(out[:, -1])):
        finite = np.isfinite(records[i])
        if not finite.all():
            first = int(finite.argmin())
            record = records[i : i + 1].copy()
            record[:, first:] = 0
            blocks.run(record, out[i : i + 1])
            out[i, first:] = np.nan


@lru_cache(maxsize=64)
def _blocks(sections: bytes, zero_phase: bool) -> "_Blocks":
    return _Blocks(np.frombuffer(sections).reshape(-1, 6), zero_phase)


class _Blocks:
    """The matrices of one filter, for rows: ``[samples, states] @ matrix``.

    The first block of a record is the short one, as if zeros came before it: then the
    backward pass starts with the last sample, not with what rings on behind it.
    """

    def __init__(self, sections: FloatArray, zero_phase: bool) -> None:
        response, ringing, enter, self.power = _matrices(sections)
        self.cross = None
        self.enter, self.leave = enter, np.vstack((response, ringing))
        if zero_phase:
            # backward is the same filter for samples in reverse order
            self.cross = ringing[:, ::-1] @ enter
            self.enter = np.hstack((enter, response[:, ::-1] @ enter))
            both = self.leave @ response[::-1, ::-1]
            self.leave = np.vstack((both, ringing[:, ::-1]))

    def run(self, x: FloatArray, out: FloatArray) -> None:
        """Filter records of shape ``(n_records, n)``."""
        short = x.shape[1] % _BLOCK
        states = self._states(x, short)
        if short:
            rows = np.concatenate((x[:, :short], states[:, 0]), axis=1)
            out[:, :short] = rows @ self.leave[_BLOCK - short :, _BLOCK - short :]
            states = states[:, 1:]
        whole, made = _whole(x, short), _whole(out, short)
        n_records, n_blocks = whole.shape[:2]
        shape = (n_records, min(n_blocks, _PIECE), len(self.leave))
        work = scratch("blocks and states", shape, np.float64)
        for i in range(0, n_blocks, _PIECE):
            target = made[:, i : i + _PIECE]
            rows = work[:, : target.shape[1]]
            rows[:, :, :_BLOCK] = whole[:, i : i + _PIECE]
            rows[:, :, _BLOCK:] = states[:, i : i + _PIECE]
            if target.dtype == np.float64:
                np.matmul(rows, self.leave, out=target)
            else:
                target[:] = rows @ self.leave

    def _states(self, x: FloatArray, short: int) -> FloatArray:
        """Return states before each block, for zero phase those behind it, too."""
        first, whole = int(short > 0), _whole(x, short)
        n_records, n_blocks = len(x), first + whole.shape[1]
        n_groups, m = -(-n_blocks // _GROUP), len(self.power)
        shape = (n_records, n_groups * _GROUP, self.enter.shape[1])
        entered = scratch("entered", shape, np.float64)
        states = scratch("states", shape, np.float64)
        entered[:, n_blocks:] = 0
        if first:
            entered[:, 0] = x[:, :short] @ self.enter[_BLOCK - short :]
        for i in range(0, whole.shape[1], _PIECE):
            piece = whole[:, i : i + _PIECE].astype(np.float64, copy=False)
            target = entered[:, first + i : first + i + piece.shape[1]]
            np.matmul(piece, self.enter, out=target)
        _accumulate(entered[:, :, :m], self.power, states[:, :, :m])
        if self.cross is not None:
            for i in range(0, n_blocks, _PIECE):
                before = states[:, i : min(i + _PIECE, n_blocks), :m]
                entered[:, i : i + before.shape[1], m:] += before @ self.cross
            _accumulate(entered[:, ::-1, m:], self.power, states[:, ::-1, m:])
        return states[:, :n_blocks]


def _whole(x: FloatArray, short: int) -> FloatArray:
    """Return the whole blocks, shape ``(n_records, n_blocks, _BLOCK)``: a view."""
    return x[:, short:].reshape(len(x), (x.shape[1] - short) // _BLOCK, _BLOCK)


def _accumulate(entered: FloatArray, power: FloatArray, before: FloatArray) -> None:
    """Find the states before each block from what enters them with each block.

    Parameters
    ----------
    entered
        Shape ``(n_records, n_blocks, n_states)``, n_blocks a multiple of `_GROUP`.
    power
        What becomes of states within one block, shape ``(n_states, n_states)``.
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
    """Return what a block and states become, as four matrices for rows.

    Returns
    -------
    response
        Samples to output, shape ``(_BLOCK, _BLOCK)``.
    ringing
        States before to output, shape ``(n_states, _BLOCK)``.
    enter
        Samples to states after, shape ``(_BLOCK, n_states)``.
    power
        States before to states after, shape ``(n_states, n_states)``.
    """
    turn, enter_one, leave_one, direct = _one_sample(sections)
    m = len(turn)
    ringing, enter = np.empty((m, _BLOCK)), np.empty((_BLOCK, m))
    power = np.eye(m)
    for i in range(_BLOCK):
        ringing[:, i] = power @ leave_one
        enter[_BLOCK - 1 - i] = enter_one @ power
        power = power @ turn
    impulse = np.append(direct, enter_one @ ringing[:, :-1])
    response = np.zeros((_BLOCK, _BLOCK))
    for i in range(_BLOCK):
        response[i, i:] = impulse[: _BLOCK - i]
    return response, ringing, enter, power


def _one_sample(
    sections: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return how states go on, enter, leave, and what of a sample passes at once.

    What enters a section is what leaves those before it: a row of weights of their
    states, and a share of the sample itself.
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
    """Return how the two states of a section go on, and with which weights they leave.

    Coefficients of low corners cancel to a few digits: they are combined exactly.
    """
    b0, b1, b2, _, a1, a2 = (Fraction(float(one)) for one in section)
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
