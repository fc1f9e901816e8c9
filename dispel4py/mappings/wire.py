"""What processes send each other: names of channels, and heads of frames."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

from dispel4py.lineage import Key
from dispel4py.message import decode

# What the first element of a frame's head says.
BATCH, ACK, END, PROGRESS, DONE, FAILED, GIVEN_UP, RESTARTED, SETTLED = range(9)


_WITH_KEY = frozenset({BATCH, ACK, END, SETTLED})


def pack(kind: int, *content: Any) -> bytes:
    """Make the head of a frame."""
    if kind in _WITH_KEY:  # a plain tuple is pickled in a third of the time
        content = (tuple(content[0]), *content[1:])
    return pickle.dumps((kind, *content), 5)


def unpack(head: bytes) -> tuple[Any, ...]:
    """Return what `pack` was given."""
    message: tuple[Any, ...] = pickle.loads(head)
    if message[0] in _WITH_KEY:
        return (message[0], Key._make(message[1]), *message[2:])
    return message


def unpack_items(
    values: list[Any], flags: list[int] | None, buffers: Sequence[Any]
) -> list[Any]:
    """Return the items of a batch.

    Parameters
    ----------
    values : list
        Atoms, and heads of pickled items.
    flags : list of int or None
        For each value 0, or one more than its number of buffers; None for atoms only.
    buffers : sequence
        The buffers of all items, in order.
    """
    if flags is None:
        return values
    items, first = [], 0
    for value, flag in zip(values, flags, strict=True):
        if flag == 0:
            items.append(value)
        else:
            items.append(decode(value, buffers[first : first + flag - 1]))
            first += flag - 1
    return items
