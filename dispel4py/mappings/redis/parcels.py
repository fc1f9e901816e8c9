"""Parcels: several items for one input, as bytes.

The first byte of a parcel is the number of workers that died while they had it; only
the server changes it. If an observer listens to calls, the items of a parcel are of one
channel and have consecutive numbers (`dispel4py.lineage`): several workers may work on
the items of a channel, so a receiver cannot count them.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple

from dispel4py.lineage import Key
from dispel4py.mappings.wire import unpack_items
from dispel4py.message import ATOMS, Unreadable, encode

#: Largest number of items in a parcel: the handling of a parcel takes 0.3 ms, which is
#: then a few microseconds per item.
MOST_ITEMS = 200
#: A parcel is complete when it has this many bytes.
PARCEL_BYTES = 1_000_000


class Place(NamedTuple):
    """Where an item goes, and its name.

    Attributes
    ----------
    port : object
        The input; None for the inputs of a source.
    channel : Key or None
        None for inputs of the run, and if no observer listens to calls.
    number : int
        Its number in the channel, or among the inputs of the run.
    """

    port: Any
    channel: Key | None = None
    number: int = 0


class Content(NamedTuple):
    """The content of a parcel: see `unpack_items`.

    Attributes
    ----------
    port, channel, first
        The `Place` of the first item; the channel as a plain tuple.
    values, flags, buffers : list
        The items.
    """

    port: Any
    values: list[Any]
    flags: list[int]
    buffers: list[bytearray]
    channel: Any
    first: int


class Parcel:
    """Items for one input of a stream, while they are collected.

    Parameters
    ----------
    stream : str
        The stream.
    first : Place
        The place of the first item.
    """

    def __init__(self, stream: str, first: Place) -> None:
        self.stream, self.first = stream, first
        self.values: list[Any] = []
        self._flags: list[int] = []
        self._buffers: list[bytearray] = []
        self.n_bytes = 0

    def add(self, item: Any) -> int:
        """Add a copy of an item; return its bytes.

        Raises
        ------
        ItemError
            If the item cannot be pickled.
        """
        kind = type(item)
        if kind in ATOMS and kind is not frozenset:
            self.values.append(item)
            self._flags.append(0)
            n_bytes = len(item) if kind is str or kind is bytes else 10
        else:
            head, buffers = encode(item)
            self.values.append(head)
            self._flags.append(1 + len(buffers))
            # a bytearray, so that the receiver may change its item
            self._buffers += map(bytearray, buffers)
            n_bytes = len(head) + sum(buffer.nbytes for buffer in buffers)
        self.n_bytes += n_bytes
        return n_bytes

    def continues_with(self, place: Place) -> bool:
        """Return whether the next item may have a place.

        Parameters
        ----------
        place : Place
        """
        if place is self.first:
            return True
        port, channel, first = self.first
        if channel is None:
            return place.port == port and place.channel is None
        return place == (port, channel, first + len(self.values))

    @property
    def is_full(self) -> bool:
        """Whether further items need another parcel."""
        return len(self.values) >= MOST_ITEMS or self.n_bytes >= PARCEL_BYTES

    def to_bytes(self, deaths: int = 0) -> bytes:
        """Return the parcel as bytes.

        Parameters
        ----------
        deaths : int
            Number of workers that died with these items.
        """
        port, channel, first = self.first
        content = (
            *(port, self.values, self._flags, self._buffers),
            *(channel and tuple(channel), first),
        )
        return bytes([min(deaths, 255)]) + pickle.dumps(content, 5)


def read_parcel(parcel: bytes) -> Content:
    """Return the content of a parcel."""
    return Content._make(pickle.loads(memoryview(parcel)[1:]))


def open_parcel(parcel: bytes) -> list[tuple[Place, Any]]:
    """Return the items of a parcel, each with its place."""
    port, values, flags, buffers, channel, first = read_parcel(parcel)
    items = unpack_items(values, flags, buffers)
    key = None if channel is None else Key._make(channel)
    return [(Place(port, key, first + k), item) for k, item in enumerate(items)]


def repack(items: Sequence[tuple[Place, Any]], deaths: int, n_each: int) -> list[bytes]:
    """Return parcels with items that were not worked on.

    Parameters
    ----------
    items : sequence of (Place, item)
    deaths : int
        Number of workers that died with these items.
    n_each : int
        Largest number of items in a parcel.
    """
    parcels: list[Parcel] = []
    for place, item in items:
        last = parcels[-1] if parcels else None
        is_new = last is None or len(last.values) >= n_each
        if last is None or is_new or not last.continues_with(place):
            parcels.append(Parcel("", place))
        if isinstance(item, Unreadable):
            item = _Lost(item)
        parcels[-1].add(item)
    return [parcel.to_bytes(deaths) for parcel in parcels]


class _Lost:
    """An item that could not be unpickled, and cannot be unpickled again."""

    def __init__(self, item: Unreadable) -> None:
        self.item = item

    def __reduce__(self) -> Any:
        return _cannot_be_read, (repr(self.item.error),)


def _cannot_be_read(cause: str) -> Any:
    raise ValueError(cause)
