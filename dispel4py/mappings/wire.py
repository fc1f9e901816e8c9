"""The heads of frames: kinds of messages, and their content as bytes."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

from dispel4py.lineage import Key
from dispel4py.message import Unreadable, decode

# The kinds of messages, in the first element of the head of a frame.
BATCH, ACK, END, PROGRESS, DONE, FAILED, ITEM_SKIPPED, RESTARTED, SETTLED = range(9)
STREAM_STOPPED = 9
# Of the processes of several hosts: an agent is there; the job; a worker has ended; a
# heartbeat; where a worker accepts connections; where all workers do.
HERE, JOB, EXITED, BEAT, PLACE, DIRECTORY = range(10, 16)
# The user has ended a process of the run, by Ctrl-C or SIGTERM.
INTERRUPTED = 16


_WITH_KEY = frozenset({BATCH, ACK, END, SETTLED})


def pack(kind: int, *content: Any) -> bytes:
    """Make the head of a frame.

    Parameters
    ----------
    kind : int
        One of the kinds of messages above.
    *content : object
        The content of the message; the name of a channel comes first.
    """
    if kind in _WITH_KEY:  # a plain tuple is pickled three times as fast
        content = (tuple(content[0]), *content[1:])
    return pickle.dumps((kind, *content), 5)


def unpack(head: bytes) -> tuple[Any, ...]:
    """Return the arguments of `pack`."""
    message: tuple[Any, ...] = pickle.loads(head)
    if message[0] in _WITH_KEY:
        return (message[0], Key._make(message[1]), *message[2:])
    return message


def unpack_items(
    values: list[Any], flags: list[int] | None, buffers: Sequence[Any]
) -> list[Any]:
    """Return the items of a batch; an `Unreadable` for an item that cannot be read.

    Parameters
    ----------
    values : list
        Atoms, and heads of pickled items.
    flags : list of int or None
        For each value 0, or 1 plus the number of its buffers; None for atoms only.
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
            items.append(_decode(value, buffers[first : first + flag - 1]))
            first += flag - 1
    return items


def _decode(head: Any, buffers: Sequence[Any]) -> Any:
    try:
        return decode(head, buffers)
    except Exception as error:  # noqa: BLE001 - unpickling runs code of the item's class
        n_bytes = len(head) + sum(len(buffer) for buffer in buffers)
        return Unreadable(error, n_bytes)
