"""Frames: several items from one instance for another, as a tuple of Storm.

A frame has a name: the source and the number of the first frame of its way through the
graph, then for each instance on this way the number of the frame among those that the
instance sent for the frame before. If a frame is processed again, the frames that the
instance sends have the same names, and a receiver knows that it has got them before.
"""

from __future__ import annotations

import base64
import pickle
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dispel4py.errors import ItemError
from dispel4py.mappings.wire import unpack_items
from dispel4py.message import ATOMS, encode

#: Name of a frame.
FrameId = tuple[int, ...]

#: Largest number of items of a frame: the handling of a frame by Storm takes 0.4 ms,
#: which is then a few microseconds for each item.
FRAME_ITEMS = 256
#: A frame is complete when it has this many bytes.
FRAME_BYTES = 1_000_000
#: Frames with more bytes do not travel within the tuple, which is text.
LARGEST_TEXT = 24_000

_HEADER = struct.Struct("<Q")


class Run(NamedTuple):
    """Consecutive items of one channel in a frame.

    Attributes
    ----------
    route : int
        The route of the plan; for results ``-1 - port number``.
    first : int
        The number of the first item in its channel.
    values, flags : list
        See `dispel4py.mappings.wire.unpack_items`.
    """

    route: int
    first: int
    values: list[Any]
    flags: list[int]


class OpenFrame:
    """A frame to which items are added."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.buffers: list[bytearray] = []
        self.n_items = self.n_bytes = 0

    def add(self, route: int, number: int, item: Any) -> int:
        """Add a copy of an item; return its bytes.

        Parameters
        ----------
        route : int
            The route of its channel.
        number : int
            The number of the item in its channel.
        item : object
            The item.

        Raises
        ------
        ItemError
            If it cannot be pickled.
        """
        kind = type(item)
        if kind in ATOMS and kind is not frozenset:
            head, flag = item, 0
            n_bytes = len(item) if kind is str or kind is bytes else 10
        else:
            head, large = encode(item)
            flag = 1 + len(large)
            self.buffers += map(bytearray, large)
            n_bytes = len(head) + sum(buffer.nbytes for buffer in large)
        if not self.runs or self.runs[-1].route != route:
            self.runs.append(Run(route, number, [], []))
        run = self.runs[-1]
        run.values.append(head)
        run.flags.append(flag)
        self.n_items += 1
        self.n_bytes += n_bytes
        return n_bytes

    @property
    def is_full(self) -> bool:
        """Whether further items need another frame."""
        return self.n_items >= FRAME_ITEMS or self.n_bytes >= FRAME_BYTES

    def chunks(self) -> list[Any]:
        """Return the frame as buffers of bytes, which follow each other.

        Raises
        ------
        ItemError
            If a value cannot be pickled.
        """
        sizes = [len(buffer) for buffer in self.buffers]
        try:
            head = pickle.dumps(([tuple(run) for run in self.runs], sizes), 5)
        except Exception as error:
            raise ItemError(f"an item cannot be pickled: {error}") from error
        return [_HEADER.pack(len(head)) + head, *self.buffers]


class Content:
    """The content of a received frame.

    Parameters
    ----------
    runs : list of Run
    buffers : list of bytearray
        The large buffers of all items.
    """

    def __init__(self, runs: list[Run], buffers: list[bytearray]) -> None:
        self.runs, self._buffers = runs, buffers

    @property
    def n_items(self) -> int:
        """The number of items."""
        return sum(len(run.values) for run in self.runs)

    def items(self) -> Iterator[tuple[int, int, list[Any]]]:
        """Yield route, first number and items of each run.

        An item that cannot be read is an `dispel4py.message.Unreadable`.
        """
        begin = 0
        for route, first, values, flags in self.runs:
            n = sum(flag - 1 for flag in flags if flag)
            yield (
                route,
                first,
                unpack_items(values, flags, self._buffers[begin : begin + n]),
            )
            begin += n


def read_content(reader: Any) -> Content:
    """Read the chunks of a frame from a binary file."""
    (n_bytes,) = _HEADER.unpack(reader.read(_HEADER.size))
    runs, sizes = pickle.loads(reader.read(n_bytes))
    buffers = []
    for size in sizes:
        buffer = bytearray(size)
        reader.readinto(buffer)
        buffers.append(buffer)
    return Content([Run(*run) for run in runs], buffers)


def as_text(chunks: Sequence[Any]) -> str:
    """Return chunks as text, for a tuple."""
    return base64.b64encode(b"".join(chunks)).decode()


def from_text(text: str) -> bytes:
    """Return the bytes of `as_text`."""
    return base64.b64decode(text)
