"""Data centres as archives, and their mass download into an archive on disk.

`FdsnArchive` asks for each span when it is read. For work that is repeated, `download`
fills a SeisComP archive first; killed at any moment, it goes on where it was.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obspy import Inventory, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.stations import PatternIndex, StationPattern
from seismo_pes.reading.archives.archive import EVER, Archive, Holding
from seismo_pes.reading.archives.scan import FileEntry
from seismo_pes.reading.fetching import datacentre
from seismo_pes.reading.formats.waveform_files import read_content

__all__ = ["Download", "FdsnArchive", "download", "fetch_inventory", "open_fdsn"]

logger = logging.getLogger(__name__)

LEDGER = "no-data.jsonl"
FAR_FUTURE_NS = UTCDateTime(2100, 1, 1).ns


class FdsnArchive(Archive):
    """What a data centre has, by its station service; `inventory` is what it told.

    It is asked for the stations of a list, never for all it has: without a list there
    is only what has been asked for before.

    Parameters
    ----------
    name : str
        As the user gave it, ``fdsn://PROVIDER``.
    provider : str
        See `datacentre.client`.
    """

    one_channel_per_file = True

    def __init__(self, name: str, provider: str) -> None:
        super().__init__(name)
        self._service = datacentre.client(provider)
        self._asked: set[tuple[str, ...]] = set()
        self._patterns: Sequence[StationPattern] = ()
        self.inventory = Inventory(networks=[], source="dispel4py-seismo")

    def channels(
        self,
        patterns: Iterable[StationPattern] | None = None,
        *arguments: Any,
        **named: Any,
    ) -> Any:
        """Return what exists, by channel id; see `Archive.channels`."""
        self._patterns = list(patterns or ())
        return super().channels(self._patterns or None, *arguments, **named)

    def channel_ids(
        self,
        patterns: Iterable[StationPattern] | None = None,
        *arguments: Any,
        **named: Any,
    ) -> list[str]:
        """Return the ids that `channels` would; see `Archive.channel_ids`."""
        self._patterns = list(patterns or ())
        return super().channel_ids(self._patterns or None, *arguments, **named)

    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        new = [p for p in self._patterns if p.codes not in self._asked]
        if not new:
            return
        self._asked.update(pattern.codes for pattern in new)
        bulk = [_request(pattern) for pattern in new]
        try:
            inventory = datacentre.ask(
                self.name,
                lambda: self._service.get_stations_bulk(bulk, level="channel"),
            )
        except DataError as error:
            reason = str(error).removeprefix(f"{self.name}: ")
            raise ParameterError(
                f"{self.name}: no list of stations: {reason}"
            ) from error
        if inventory is None:
            return
        self.inventory += inventory
        found: dict[str, list[FileEntry]] = {}
        for entry in _epochs(inventory):
            found.setdefault(entry.channel_id, []).append(entry)
        for channel_id, entries in found.items():
            known = self._holdings.get(channel_id)
            both = dict.fromkeys(entries + (known.entries if known else []))
            self._holdings[channel_id] = Holding(list(both))

    def _span(
        self, channel_id: str, start_ns: int, end_ns: int, period: int
    ) -> ChannelSpan:
        holding = self._holdings.get(channel_id, Holding([]))
        files = []
        if holding.overlapping(start_ns, end_ns):
            scheme, _, provider = self.name.partition("://")
            # half a sample more at either side, for starts between samples
            times = f"{start_ns - 10**9}/{end_ns + 10**9}"
            provider = provider.rstrip("/")
            files = [f"{scheme}://{provider}/{channel_id}/{times}"]
        return ChannelSpan(
            *(channel_id, start_ns, end_ns, tuple(files), period),
            formats=("",) * len(files),
            one_channel=True,
        )


def open_fdsn(url: str) -> FdsnArchive:
    """Open ``fdsn://PROVIDER``; see `datacentre.client` for what that may be.

    Raises
    ------
    ParameterError
        If there is no such data centre or it does not answer.
    """
    scheme, _, provider = url.partition("://")
    provider = provider.rstrip("/")
    if not provider or "/" in provider:
        raise ParameterError(f"{url}: not fdsn://PROVIDER or fdsn://HOST:PORT")
    return FdsnArchive(url, f"https://{provider}" if "https" in scheme else provider)


def _request(pattern: StationPattern) -> tuple[Any, ...]:
    network, station, location, channel = pattern.codes
    times = UTCDateTime(1900, 1, 1), UTCDateTime(2100, 1, 1)
    return network, station, location or "--", channel, *times


def _epochs(inventory: Inventory) -> Iterator[FileEntry]:
    for network in inventory:
        for station in network:
            for channel in station:
                codes = (network.code, station.code, channel.location_code)
                channel_id = ".".join([*codes, channel.code])
                start, end = channel.start_date, channel.end_date
                yield FileEntry(
                    f"{channel_id}/{start}",
                    "",
                    channel_id,
                    EVER[0] if start is None else start.ns,
                    FAR_FUTURE_NS if end is None else min(end.ns, FAR_FUTURE_NS),
                    float(channel.sample_rate or math.nan),
                    float(channel.latitude),
                    float(channel.longitude),
                    float(channel.elevation),
                )


def fetch_inventory(
    provider: str,
    channel_ids: Sequence[str],
    start_ns: int,
    end_ns: int,
    level: str = "response",
) -> Inventory:
    """Ask a data centre for the metadata of channels, with their responses.

    Parameters
    ----------
    provider : str
        See `datacentre.client`.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``, wildcards allowed.
    start_ns, end_ns : int
        Epochs that overlap this time.
    level : str
        ``"response"``, ``"channel"`` or ``"station"``.

    Raises
    ------
    DataError
        If it has none of them or does not answer.
    """
    times = UTCDateTime(ns=int(start_ns)), UTCDateTime(ns=int(end_ns))
    bulk = []
    for channel_id in channel_ids:
        network, station, location, channel = channel_id.split(".")
        bulk.append((network, station, location or "--", channel, *times))
    service = datacentre.client(provider)
    what = f"metadata of {len(bulk)} channels from fdsn://{provider}"
    inventory = datacentre.ask(
        what, lambda: service.get_stations_bulk(bulk, level=level)
    )
    if inventory is None:
        raise DataError(f"{what}: it has none")
    return inventory


# -- download -----------------------------------------------------------------------


@dataclass(frozen=True)
class Download:
    """What a download did: counts of channel-days, and what went wrong.

    Attributes
    ----------
    n_fetched, n_present, n_empty : int
        Fetched now; there already; without data at the data centre.
    skipped : tuple of Skipped
        Days that could not be had; the next call asks for them again.
    """

    n_fetched: int
    n_present: int
    n_empty: int
    skipped: tuple[Skipped, ...]


def download(
    provider: str,
    channel_ids: Sequence[str],
    start_ns: int,
    end_ns: int,
    folder: str | Path,
    requests: int = 3,
) -> Download:
    """Fetch days of channels from a data centre into a SeisComP archive.

    A file appears whole or not at all, so a download that was killed goes on where it
    was: days that are there, and those long past of which the data centre said that it
    has nothing (``no-data.jsonl`` in the folder), are not asked for again. A router
    says nothing also when a data centre does not answer: it is asked again.

    Parameters
    ----------
    provider : str
        See `datacentre.client`.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``.
    start_ns, end_ns : int
        The days that overlap this time are fetched, whole.
    folder : str or Path
        Root of the archive; made if missing. It can then be opened by `open_archive`.
    requests : int
        How many at a time; data centres ask for few.

    Raises
    ------
    ParameterError
        If the data centre is unknown or does not answer, or the times are no time.
    """
    if start_ns >= end_ns:
        raise ParameterError("the start of the download is not before its end")
    root = Path(folder).expanduser()
    root.mkdir(parents=True, exist_ok=True)
    ledger = root / LEDGER
    empty = _known_empty(ledger)
    days = range(start_ns // DAY_NS, -(-end_ns // DAY_NS))
    wanted = [(channel_id, day) for channel_id in channel_ids for day in days]
    missing = [one for one in wanted if not _is_there(root, *one)]
    asked = [one for one in missing if one not in empty]
    skipped: list[Skipped] = []
    n_fetched = n_empty = 0
    if asked:
        service = datacentre.client(provider)
        settled_day = time.time_ns() // DAY_NS - 2
        with ThreadPoolExecutor(requests) as pool, ledger.open("a") as log:
            log.write("\n")  # after a line that a killed process left unfinished
            answers = pool.map(lambda one: _fetch_day(service, root, *one), asked)
            for (channel_id, day), problem in zip(asked, answers, strict=True):
                if problem is None:
                    n_empty += 1
                    if day > settled_day or datacentre.is_router(service):
                        continue  # data may still come, or a data centre was silent
                    log.write(json.dumps([channel_id, day]) + "\n")
                    log.flush()
                elif problem:
                    skipped.append(Skipped("download", channel_id, problem))
                else:
                    n_fetched += 1
    return Download(
        n_fetched,
        len(wanted) - len(missing),
        n_empty + len(missing) - len(asked),
        tuple(skipped),
    )


def _fetch_day(service: Any, root: Path, channel_id: str, day: int) -> str | None:
    """Fetch one day; return what went wrong, None if there is no data."""
    path = _sds_path(root, channel_id, day)
    start_ns = day * DAY_NS
    try:
        content = datacentre.request_waveforms(
            service, channel_id, start_ns, start_ns + DAY_NS
        )
        if not content:
            return None
        read_content(content, headonly=True, name=f"what came of {channel_id}")
    except DataError as error:
        return str(error)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return ""


def _is_there(root: Path, channel_id: str, day: int) -> bool:
    """Say whether a day's file is there and was fetched after the day was over."""
    try:
        status = _sds_path(root, channel_id, day).stat()
    except FileNotFoundError:
        return False
    return status.st_mtime_ns >= (day + 1) * DAY_NS


def _sds_path(root: Path, channel_id: str, day: int) -> Path:
    network, station, _, channel = channel_id.split(".")
    date = UTCDateTime(ns=day * DAY_NS)
    folder = root / str(date.year) / network / station / f"{channel}.D"
    return folder / f"{channel_id}.D.{date.year}.{date.julday:03d}"


def _known_empty(ledger: Path) -> set[tuple[str, int]]:
    if not ledger.exists():
        return set()
    known = set()
    for line in ledger.read_text().splitlines():
        try:
            channel_id, day = json.loads(line)
        except ValueError:
            continue  # the last line of a process that was killed
        known.add((channel_id, day))
    return known
