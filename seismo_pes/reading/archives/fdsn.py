"""Data centres as archives, and the download of their data into an archive on disk.

`FdsnArchive` requests each span when it is read. If the same data are needed more than
once, `download` them first into a SeisComP archive; a download that was interrupted
continues at the day where it stopped.
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
from dispel4py.files import exists
from seismo_pes.application.files import checked_line, checked_text
from seismo_pes.full_disk import name_errors
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.epochs import location_code
from seismo_pes.metadata.stations import PatternIndex, StationPattern
from seismo_pes.reading.archives.archive import ALL_TIME, Archive, Holding
from seismo_pes.reading.archives.scan import FileEntry
from seismo_pes.reading.fetching import datacentre
from seismo_pes.reading.formats.waveform_files import read_content

__all__ = ["Download", "FdsnArchive", "download", "fetch_inventory", "open_fdsn"]

logger = logging.getLogger(__name__)

LEDGER = "no-data.jsonl"  # file in the archive: channel-days without data
# End of epochs that are open, and the largest end that is kept: services write years
# such as 2599, which do not fit into int64 nanoseconds.
FAR_FUTURE_NS = UTCDateTime(2100, 1, 1).ns
# Days. A day without data is final when it is older: data may arrive late.
SETTLED_DAYS = 2


class FdsnArchive(Archive):
    """The channels of a data centre, by its station service.

    Only the stations of a list are requested, never all stations. Without a list, the
    archive has the stations of earlier requests.

    Parameters
    ----------
    name : str
        As the user gave it, ``fdsn://PROVIDER``.
    provider : str
        See `datacentre.client`.

    Attributes
    ----------
    inventory : obspy.Inventory
        The answers of the station service so far, at channel level.
    """

    one_channel_per_file = True

    def __init__(self, name: str, provider: str) -> None:
        super().__init__(name)
        self._service = datacentre.client(provider)
        self._requested: set[tuple[str, ...]] = set()
        self._patterns: Sequence[StationPattern] = ()
        self.inventory = Inventory(networks=[], source="dispel4py-seismo")

    def channels(
        self,
        patterns: Iterable[StationPattern] | None = None,
        *arguments: Any,
        **named: Any,
    ) -> Any:
        """Return the channels with data, by channel id; see `Archive.channels`."""
        self._patterns = list(patterns or ())
        return super().channels(self._patterns or None, *arguments, **named)

    def channel_ids(
        self,
        patterns: Iterable[StationPattern] | None = None,
        *arguments: Any,
        **named: Any,
    ) -> list[str]:
        """Return the ids of `channels`; see `Archive.channel_ids`."""
        self._patterns = list(patterns or ())
        return super().channel_ids(self._patterns or None, *arguments, **named)

    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        new = [p for p in self._patterns if p.codes not in self._requested]
        if not new:
            return
        self._requested.update(pattern.codes for pattern in new)
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
        epochs: dict[str, list[FileEntry]] = {}
        for entry in _epochs(inventory):
            epochs.setdefault(entry.channel_id, []).append(entry)
        for channel_id, entries in epochs.items():
            if channel_id in self._holdings:
                entries += self._holdings[channel_id].entries
            self._holdings[channel_id] = Holding(list(dict.fromkeys(entries)))

    def _span(
        self,
        channel_id: str,
        start_ns: int,
        end_ns: int,
        period: int,
        margin_ns: int = 0,
    ) -> ChannelSpan:
        holding = self._holdings.get(channel_id, Holding([]))
        files = []
        has_own = bool(holding.overlapping(start_ns, end_ns))
        if has_own or holding.overlapping(start_ns - margin_ns, end_ns + margin_ns):
            scheme, _, provider = self.name.partition("://")
            # one second more at each end: a sample may lie slightly before the start
            more_ns = margin_ns + 10**9
            times = f"{start_ns - more_ns}/{end_ns + more_ns}"
            provider = provider.rstrip("/")
            files = [f"{scheme}://{provider}/{channel_id}/{times}"]
        return ChannelSpan(
            *(channel_id, start_ns, end_ns, tuple(files), period),
            formats=("",) * len(files),
            n_before=0 if has_own else len(files),
            one_channel=True,
            margin_ns=margin_ns,
            recorded_hz=self._recorded_hz,
        )


def open_fdsn(url: str) -> FdsnArchive:
    """Open a data centre as an archive.

    Parameters
    ----------
    url : str
        ``fdsn://PROVIDER``, or ``fdsn+https://HOST`` for an encrypted connection; see
        `datacentre.client` for the names of providers.

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
    """Yield an entry for each epoch of each channel, as if it were a file."""
    for network in inventory:
        for station in network:
            for channel in station:
                codes = (network.code, station.code, location_code(channel))
                channel_id = ".".join([*codes, channel.code])
                start, end = channel.start_date, channel.end_date
                yield FileEntry(
                    f"{channel_id}/{start}",
                    "",
                    channel_id,
                    ALL_TIME[0] if start is None else start.ns,
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
    """Request the metadata of channels from a data centre, with their responses.

    Parameters
    ----------
    provider : str
        See `datacentre.client`.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``, wildcards allowed.
    start_ns, end_ns : int
        Epochs that overlap this time, nanoseconds since 1970.
    level : str
        Level of detail: ``"response"``, ``"channel"`` or ``"station"``.

    Raises
    ------
    ParameterError
        If the data centre is unknown or does not answer at first.
    DataError
        If it has none of the channels, refuses the request or does not answer.
    """
    times = UTCDateTime(ns=int(start_ns)), UTCDateTime(ns=int(end_ns))
    bulk = []
    for channel_id in channel_ids:
        network, station, location, channel = channel_id.split(".")
        bulk.append((network, station, location or "--", channel, *times))
    service = datacentre.client(provider)
    label = f"metadata of {len(bulk)} channels from fdsn://{provider}"
    inventory = datacentre.ask(
        label, lambda: service.get_stations_bulk(bulk, level=level)
    )
    if inventory is None:
        raise DataError(f"{label}: the data centre has none")
    return inventory


# -- download -----------------------------------------------------------------------


@dataclass(frozen=True)
class Download:
    """Result of a download: counts of channel-days, and failures.

    Attributes
    ----------
    n_fetched : int
        Channel-days that this call has fetched.
    n_present : int
        Channel-days that were in the archive before.
    n_empty : int
        Channel-days without data at the data centre.
    skipped : tuple of Skipped
        Channel-days whose request failed; the next call requests them again.
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

    A file gets its name only when it is complete, so a download that was killed can be
    started again. It does not request again the days that are in the archive, nor the
    days for which the data centre has no data; these are noted in the file
    ``no-data.jsonl`` of the folder once they are more than two days old. Routers
    answer "no data" even if a data centre behind them failed: for them, nothing is
    noted and these days are requested again.

    Parameters
    ----------
    provider : str
        See `datacentre.client`.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``.
    start_ns, end_ns : int
        All days that overlap this time are fetched, as whole days; nanoseconds since
        1970.
    folder : str or Path
        Root folder of the archive, created if necessary; `open_archive` opens it.
    requests : int
        How many requests run at the same time; data centres ask users for few.

    Returns
    -------
    Download
        Counts and failures.

    Raises
    ------
    ParameterError
        If the data centre is unknown or does not answer, or the start is not before
        the end.
    """
    if start_ns >= end_ns:
        start, end = UTCDateTime(ns=int(start_ns)), UTCDateTime(ns=int(end_ns))
        raise ParameterError(
            f"download from {start} to {end}: the start is not before the end"
        )
    root = Path(folder).expanduser()
    root.mkdir(parents=True, exist_ok=True)
    ledger = root / LEDGER
    empty_days = _read_ledger(ledger)
    days = range(start_ns // DAY_NS, -(-end_ns // DAY_NS))
    channel_days = [(channel_id, day) for channel_id in channel_ids for day in days]
    missing = [x for x in channel_days if not _has_whole_day(root, *x)]
    requested = [x for x in missing if x not in empty_days]
    skipped: list[Skipped] = []
    n_fetched = n_empty = 0
    if requested:
        service = datacentre.client(provider)
        last_settled_day = time.time_ns() // DAY_NS - SETTLED_DAYS
        _append(ledger, "\n")  # ends a line that a killed process left unfinished
        with ThreadPoolExecutor(requests) as pool:
            failures = pool.map(lambda x: _fetch_day(service, root, *x), requested)
            for (channel_id, day), failure in zip(requested, failures, strict=True):
                if failure is None:
                    n_empty += 1
                    if day > last_settled_day or datacentre.is_router(service):
                        continue  # data may arrive, or a data centre did not answer
                    _append(ledger, _ledger_line(channel_id, day))
                elif failure:
                    skipped.append(Skipped("download", channel_id, failure))
                else:
                    n_fetched += 1
    return Download(
        n_fetched,
        len(channel_days) - len(missing),
        n_empty + len(missing) - len(requested),
        tuple(skipped),
    )


def _fetch_day(service: Any, root: Path, channel_id: str, day: int) -> str | None:
    """Fetch a day; return "" if it was written, None if it is empty, or the failure."""
    path = _sds_path(root, channel_id, day)
    start_ns = day * DAY_NS
    try:
        content = datacentre.request_waveforms(
            service, channel_id, start_ns, start_ns + DAY_NS
        )
        if not content:
            return None
        read_content(content, headonly=True, name=f"answer for {channel_id}")
    except DataError as error:
        return str(error)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with name_errors(path, part):
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    return ""


def _has_whole_day(root: Path, channel_id: str, day: int) -> bool:
    """Return whether the archive has a file that was fetched after the day ended."""
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


def _read_ledger(ledger: Path) -> set[tuple[str, int]]:
    """Return the channel-days for which the data centre had no data."""
    if not exists(ledger):
        return set()
    empty_days = set()
    for line in ledger.read_bytes().splitlines():
        # damaged or unfinished lines are left out: these days are requested again
        if text := checked_text(line):
            channel_id, day = json.loads(text)
            empty_days.add((channel_id, day))
    return empty_days


def _append(ledger: Path, text: str) -> None:
    with name_errors(ledger), ledger.open("a") as file:
        file.write(text)


def _ledger_line(channel_id: str, day: int) -> str:
    return checked_line(json.dumps([channel_id, day]).encode()).decode() + "\n"
