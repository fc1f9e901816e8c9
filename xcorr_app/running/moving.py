"""Moving stacks: intervals of equal length at equal steps."""

from __future__ import annotations

from typing import NamedTuple

from seismo_pes.correlating.substacks import window_name
from seismo_pes.items.times import NS

__all__ = ["MovingStack", "moving_stacks"]


class MovingStack(NamedTuple):
    """One of the moving stacks of a run.

    Attributes
    ----------
    name : str
        ``START~SECONDSs``.
    start_ns, end_ns : int
        Interval of the substacks: a substack belongs to it by its start.
    """

    name: str
    start_ns: int
    end_ns: int


def moving_stacks(
    start_ns: int, end_ns: int, length_s: float, step_s: float
) -> tuple[MovingStack, ...]:
    """Return the moving stacks whose intervals lie within a time span.

    They start at multiples of the step since 1970. A longer time span therefore has the
    same moving stacks, and additional ones.

    Parameters
    ----------
    start_ns, end_ns : int
        The time span, nanoseconds since 1970.
    length_s, step_s : float
        Length of each interval, and time from the start of an interval to the start of
        the next.

    Examples
    --------
    >>> day = 86400
    >>> stacks = moving_stacks(0, 4 * day * 10**9, 3 * day, day)
    >>> [stack.name for stack in stacks]
    ['1970-01-01T00:00:00~259200s', '1970-01-02T00:00:00~259200s']
    """
    length_ns, step_ns = round(length_s * NS), round(step_s * NS)
    first = -(-start_ns // step_ns)
    last = (end_ns - length_ns) // step_ns
    return tuple(
        MovingStack(
            f"{window_name(k * step_ns)}~{length_s:.12g}s",
            k * step_ns,
            k * step_ns + length_ns,
        )
        for k in range(first, last + 1)
    )
