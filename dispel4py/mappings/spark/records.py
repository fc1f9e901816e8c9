"""Records: the items that an instance sends, in the form in which Spark moves them.

A record has many items from one instance for another instance, or for the driver. Its
key has the receiver, the number of the record among the records for this receiver, and
the sender. Spark sorts the records of a receiver by their keys. So each receiver gets
the items of a sender in their order, and if Spark computes a partition again, the
instance gets all items in the same order as before.
"""

from __future__ import annotations

import itertools
import operator
import pickle
import tempfile
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from dispel4py.errors import ItemError
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.message import ATOMS, Unreadable, decode, encode

#: Largest number of items in a record, and about the largest number of its bytes. With
#: larger records, fewer senders take turns at the receiver.
RECORD_ITEMS = 256
RECORD_BYTES = 1024 * 1024
#: Bytes of full records that wait in memory; more records wait in a file.
_MEMORY_BYTES = 64 * 1024 * 1024


class RecordKey(NamedTuple):
    """The key of a record.

    Attributes
    ----------
    destination : int
        The instance, by index, or `COLLECTOR` for the driver.
    number : int
        Place of the record among those for this receiver; -1 for inputs of the run.
    source : int
        The sender, by index.
    """

    destination: int
    number: int
    source: int


#: A key as a plain tuple, and the content.
Record = tuple[tuple[int, int, int], Any]


class RecordChannel:
    """The sending end of a channel: a part of the records for one receiver.

    Parameters
    ----------
    key : Key
        The name of the channel.
    outgoing : Outgoing
        Has the records.
    """

    def __init__(self, key: Key, outgoing: Outgoing) -> None:
        self.key, self._outgoing = key, outgoing
        self.n_put = self.bytes_sent = 0

    def ready(self) -> bool:
        """Return True: a record waits in a file if it has no room in memory."""
        return True

    def put(self, item: Any) -> None:
        """Send an item.

        Raises
        ------
        ItemError
            If it cannot be pickled.
        """
        self.bytes_sent += self._outgoing.add(self.key, item)
        self.n_put += 1


class Outgoing:
    """The records that one instance sends.

    Parameters
    ----------
    pending : list
        Gets the error of an item that cannot be sent; see `dispel4py.stop`.
    """

    def __init__(self, pending: list[Any]) -> None:
        self._pending = pending
        self.channels: list[RecordChannel] = []
        self._open: dict[int, list[Any]] = {}  # unfinished records, by receiver
        self._sizes: dict[int, int] = {}
        self._n_records: dict[int, int] = {}
        self._full: list[Record] = []
        self._full_bytes = 0
        self._file: IO[bytes] | None = None

    def channel(self, key: Key, destination: int, depth: int) -> RecordChannel:
        """Return a new channel.

        Parameters
        ----------
        key : Key
            The name of the channel, with its receiver.
        destination, depth : int
            Not used.
        """
        channel = RecordChannel(key, self)
        self.channels.append(channel)
        return channel

    def add(self, key: Key, item: Any) -> int:
        """Add an item to the record of its receiver; return about its size in bytes.

        Parameters
        ----------
        key : Key
            The channel of the item.
        item : object
            The item.

        Raises
        ------
        ItemError
            If it cannot be pickled.
        """
        if type(item) in ATOMS:
            entry: tuple[Any, ...] = (key.route, item)
            n_bytes = len(item) if type(item) in (str, bytes) else 8
        else:
            try:
                head, large = encode(item)
            except ItemError as error:
                self._pending.append(error)
                raise
            # the sender may change the buffers as soon as `put` returns
            buffers = [bytearray(buffer) for buffer in large]
            entry = (key.route, head, buffers)
            n_bytes = len(head) + sum(map(len, buffers))
        entries = self._open.setdefault(key.destination, [])
        entries.append((key.source, *entry))
        size = self._sizes.get(key.destination, 0) + n_bytes
        self._sizes[key.destination] = size
        if len(entries) >= RECORD_ITEMS or size >= RECORD_BYTES:
            self._close(key.destination)
        return n_bytes

    def report(self, source: int, kind: int, *content: Any) -> None:
        """Add a message to the driver.

        Parameters
        ----------
        source : int
            The sender, by index.
        kind : int
            One of the kinds of messages of `dispel4py.mappings.wire`.
        *content : object
            The content of the message.
        """
        self._add_record(COLLECTOR, source, (kind, *content), 0)

    def _close(self, destination: int) -> None:
        entries = self._open.pop(destination)
        source = entries[0][0]
        content = [entry[1:] for entry in entries]
        self._add_record(destination, source, content, self._sizes.pop(destination))

    def _add_record(
        self, destination: int, source: int, content: Any, n_bytes: int
    ) -> None:
        number = self._n_records.get(destination, 0)
        self._n_records[destination] = number + 1
        self._full.append(((destination, number, source), content))
        self._full_bytes += n_bytes
        if self._full_bytes >= _MEMORY_BYTES:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - see `take`
            for record in self._full:
                pickle.dump(record, self._file, 5)
            self._full, self._full_bytes = [], 0

    def take(self, is_last: bool = False) -> Iterator[Record]:
        """Return the full records, and take them from here.

        Parameters
        ----------
        is_last : bool
            Whether to return unfinished records, too.
        """
        if is_last:
            for destination in list(self._open):
                self._close(destination)
        if self._file is not None:
            file, self._file = self._file, None
            with file:
                end = file.tell()
                file.seek(0)
                while file.tell() < end:
                    yield pickle.load(file)
        records, self._full, self._full_bytes = self._full, [], 0
        yield from records


def items_by_route(entries: list[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Yield the items of a record: consecutive items of one route together.

    Parameters
    ----------
    entries : list
        The content of the record.

    Yields
    ------
    int, list
        The route, and its items; an `Unreadable` for an item that cannot be read.
    """
    for route, group in itertools.groupby(entries, key=operator.itemgetter(0)):
        yield (
            route,
            [entry[1] if len(entry) == 2 else _decode(*entry[1:]) for entry in group],
        )


def _decode(head: Any, buffers: list[bytearray]) -> Any:
    try:
        return decode(head, buffers)
    except Exception as error:  # noqa: BLE001 - unpickling runs code of the item's class
        return Unreadable(error, len(head) + sum(map(len, buffers)))
