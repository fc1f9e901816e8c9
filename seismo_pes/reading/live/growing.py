"""Live channels of a folder whose files grow, such as the archive of an acquisition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from obspy import UTCDateTime

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import is_folder
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.metadata.stations import split_id
from seismo_pes.reading.live.clock import SteadyClock
from seismo_pes.reading.live.ordering import STAGE
from seismo_pes.reading.live.record import Record
from seismo_pes.reading.live.source import LiveSource
from seismo_pes.reading.seedlink.decoding import decode, split_records

__all__ = ["FollowFiles"]

# Most bytes of a file that are read at a time: then other files have their turn.
MOST_BYTES = 1 << 20
# A record lies in the file of the day on which it begins; one of 4096 bytes with 1 Hz
# is up to two hours long.
LONGEST_NS = 2 * 3600 * NS


class FollowFiles(LiveSource):
    """Follow the files of a SeisComP archive (SDS) while they grow.

    Only whole records are read: the last record of a file may be incomplete. A file
    that became shorter, or was replaced, is read again from its beginning.

    Ports
    -----
    output : LivePiece
        New samples, in order for each channel; and for each channel its state, every
        ``tick_s``.
    skipped : Skipped
        Records that were late, damaged or of another channel.
    health : ChannelHealth
        Latency, gaps and level of each channel, see `LiveSource`.

    Parameters
    ----------
    folder : str
        The root folder of the archive.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``, without wildcards.
    state : str, optional
        Folder of the checkpoint, see `LiveSource`.
    start_ns, end_ns : int, optional
        Only data of this time, nanoseconds since 1970; by default from now on, without
        end.
    every_s : float
        Time between two looks at the files, seconds.
    hold_s, idle_s, tick_s : float
        See `LiveSource`.

    Raises
    ------
    ParameterError
        If a channel id has wildcards, or there is no such folder.
    """

    def __init__(
        self,
        folder: str,
        channel_ids: Sequence[str],
        state: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        every_s: float = 1.0,
        hold_s: float = 150.0,
        idle_s: float = 300.0,
        tick_s: float = 1.0,
    ) -> None:
        super().__init__(
            *(channel_ids, start_ns, end_ns, hold_s, idle_s, tick_s, every_s, state)
        )
        require_channels(channel_ids)
        if not is_folder(folder):
            raise ParameterError(f"{folder}: no such folder")
        self.folder = folder
        # by day and channel: inode and bytes that were read
        self._read: dict[tuple[int, str], tuple[int, int]] = {}

    def _begin(self) -> None:
        self._clock = SteadyClock()
        if self.start_ns is None:
            self.start_ns = self._clock.now_ns()
        self._first_day = (self.start_ns - LONGEST_NS) // DAY_NS
        super()._begin()

    def _now_ns(self) -> int:
        return self._clock.now_ns()

    def _arrivals(self) -> Iterator[Record | Skipped]:
        now_ns = self._now_ns()
        today = now_ns // DAY_NS
        self._has_more = False
        for channel_id in self.channel_ids:
            for day in range(self._first_day, today + 1):
                yield from self._new_records(channel_id, day)
        if not self._has_more:
            # data of yesterday may still come, and a record may begin the day before
            self._first_day = max(self._first_day, today - 1)
            for key in [key for key in self._read if key[0] < self._first_day]:
                del self._read[key]
            self._is_over = self._has_ended()

    def _wait_s(self) -> float:
        return 0.0 if self._has_more else self.poll_s

    def _new_records(self, channel_id: str, day: int) -> Iterator[Record | Skipped]:
        path = _sds_path(Path(self.folder), channel_id, day)
        try:
            status = path.stat()
            inode, place = self._read.get((day, channel_id), (status.st_ino, 0))
            if inode != status.st_ino or status.st_size < place:
                place = 0
            if status.st_size == place:
                return
            with path.open("rb") as file:
                file.seek(place)
                content = file.read(MOST_BYTES)
        except FileNotFoundError:
            return
        except OSError as error:
            yield Skipped(STAGE, str(path), str(error.strerror))
            return
        records, n_used, n_damaged = split_records(content)
        self._read[day, channel_id] = status.st_ino, place + n_used
        self._has_more |= n_used > 0 and place + n_used < status.st_size
        if n_damaged:
            yield Skipped(STAGE, str(path), f"{n_damaged} bytes that are no record")
        for record in records:
            yield from arrival_of(record, channel_id, str(path), self._clock)


def arrival_of(
    record: bytes, channel_id: str, what: str, clock: SteadyClock
) -> Iterator[Record | Skipped]:
    """Yield a record of a channel that was read now, or the reason against it.

    Parameters
    ----------
    record : bytes
    channel_id : str
        The channel that is expected.
    what : str
        Where it was read.
    clock : SteadyClock
    """
    try:
        trace = decode(record)
    except DataError as error:
        yield Skipped(STAGE, what, str(error))
        return
    if trace is None:
        return
    if trace.id != channel_id:
        yield Skipped(STAGE, what, f"left out: a record of {trace.id}")
        return
    yield Record(trace, clock.now_ns(), clock.monotonic_s())


def require_channels(channel_ids: Sequence[str]) -> None:
    """Raise an error if an id is not that of one channel.

    Parameters
    ----------
    channel_ids : sequence of str

    Raises
    ------
    ParameterError
        If one has wildcards, or not four codes.
    """
    for channel_id in channel_ids:
        if set(channel_id) & set("?*[/") or not all(split_id(channel_id)[::3]):
            raise ParameterError(f"{channel_id!r}: not NET.STA.LOC.CHA of one channel")


def _sds_path(root: Path, channel_id: str, day: int) -> Path:
    network, station, _, channel = split_id(channel_id)
    date = UTCDateTime(ns=day * DAY_NS)
    folder = root / str(date.year) / network / station / f"{channel}.D"
    return folder / f"{channel_id}.D.{date.year}.{date.julday:03d}"
