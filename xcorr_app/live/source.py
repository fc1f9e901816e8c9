"""The sources of a live run: what the user gives, and the element made of it."""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar

from dispel4py.errors import DataError
from dispel4py.files import is_file
from seismo_pes.application.files import read_checked, write_checked
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import split_id
from seismo_pes.reading.live import (
    FollowFiles,
    LiveSeedLink,
    LiveSource,
    PollDataCentre,
    Replay,
)
from xcorr_app.planning.channels import recorded_channels
from xcorr_app.planning.components import Components
from xcorr_app.planning.grid import usual_rate_hz
from xcorr_app.planning.stations import StationList

__all__ = [
    "CHANNELS",
    "ArchiveInput",
    "CentreInput",
    "LiveInput",
    "ReplayInput",
    "SeedLinkInput",
    "ServerInput",
    "read_channels",
]

# Longest wait for the first packet of each channel at the first start, seconds.
LISTEN_S = 60.0
# A channel is known by its first packet, also if that begins after --start, seconds.
HOLD_S = 0.5
# Channels of an archive or a data centre are those with data in these last days.
RECENT_NS = 2 * DAY_NS
CHANNELS = "channels.json"
FORMAT, VERSION = "live channels", 1
WAY_OUT = "remove it, and the channels are found again"

logger = logging.getLogger(__name__)

# Sampling rates by channel, and a time of the first day, nanoseconds since 1970.
Known = tuple[Mapping[str, float], int]


class LiveInput(ABC):
    """Where live data come from.

    Parameters
    ----------
    start_ns, end_ns : int, optional
        Start and end of the windows, nanoseconds since 1970; data of the margins lie
        before and after.
    """

    def __init__(self, start_ns: int | None = None, end_ns: int | None = None) -> None:
        self.start_ns, self.end_ns = start_ns, end_ns

    @abstractmethod
    def channels(
        self, stations: StationList, components: Components, folder: Path
    ) -> tuple[Mapping[str, float] | None, int]:
        """Return the sampling rate of each channel, and a time of the first day.

        Without rates, the plan takes those of the archive.

        Parameters
        ----------
        stations : StationList
            The stations of the run.
        components : Components
            Its components.
        folder : Path
            Folder of the state of the run.
        """

    @abstractmethod
    def element(
        self,
        channel_ids: Sequence[str],
        start_ns: int | None,
        max_wait_s: float,
        folder: Path,
        margin_ns: int,
    ) -> LiveSource:
        """Return the source of a graph.

        Parameters
        ----------
        channel_ids : sequence of str
            The channels of the run.
        start_ns : int or None
            Earlier data are not needed, nanoseconds since 1970. None: the data begin.
        max_wait_s : float
            Longest wait for missing data, seconds.
        folder : Path
            Folder of the state of the run.
        margin_ns : int
            Time before and after the windows that the preprocessing needs.
        """


class ReplayInput(LiveInput):
    """An archive that is replayed.

    Parameters
    ----------
    archive : str
        The name of an archive.
    speed : float
        Seconds of data in a second.
    start_ns, end_ns : int, optional
        The time that is replayed, nanoseconds since 1970.
    record_s, delay_s, seed : float, float and int
        Length of a record, largest random delay of a record, seconds; and the seed of
        the delays.
    """

    def __init__(
        self,
        archive: str,
        speed: float = math.inf,
        start_ns: int | None = None,
        end_ns: int | None = None,
        record_s: float = 20.0,
        delay_s: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(start_ns, end_ns)
        self.archive, self.speed = archive, speed
        self.record_s, self.delay_s, self.seed = record_s, delay_s, seed

    def channels(
        self, stations: StationList, components: Components, folder: Path
    ) -> tuple[Mapping[str, float] | None, int]:
        """The archive has all: see `LiveInput.channels`."""
        return None, 0

    def element(
        self,
        channel_ids: Sequence[str],
        start_ns: int | None,
        max_wait_s: float,
        folder: Path,
        margin_ns: int,
    ) -> LiveSource:
        """Return the replay; see `LiveInput.element`."""
        if start_ns is None and self.start_ns is not None:
            start_ns = self.start_ns - margin_ns
        return Replay(
            *(self.archive, channel_ids, self.speed),
            *(start_ns, _later(self.end_ns, margin_ns)),
            record_s=self.record_s,
            delay_s=self.delay_s,
            seed=self.seed,
            hold_s=max_wait_s / 2,
            idle_s=max_wait_s,
        )


class ServerInput(LiveInput):
    """A source whose channels are found once, at the first start of a run.

    Parameters
    ----------
    name : str
        The server, data centre or archive.
    start_ns, end_ns : int, optional
        Start of the data at the first start of the run, by default the time of this
        start; and end of the data; nanoseconds since 1970.
    """

    _kind: ClassVar[Callable[..., LiveSource]]  # the element

    def __init__(
        self, name: str, start_ns: int | None = None, end_ns: int | None = None
    ) -> None:
        super().__init__(start_ns, end_ns)
        self.name = name

    def channels(
        self, stations: StationList, components: Components, folder: Path
    ) -> tuple[Mapping[str, float] | None, int]:
        """Find the channels, once; see `LiveInput.channels`."""
        path = folder / CHANNELS
        if not is_file(path):
            rates_hz, first_ns = self._find(stations, components)
            values = {"start_ns": first_ns, "rates_hz": rates_hz}
            write_checked(path, {"format": FORMAT, "version": VERSION, **values})
        return read_channels(path)

    def element(
        self,
        channel_ids: Sequence[str],
        start_ns: int | None,
        max_wait_s: float,
        folder: Path,
        margin_ns: int,
    ) -> LiveSource:
        """Return the source; see `LiveInput.element`."""
        if start_ns is None:
            start_ns = read_channels(folder / CHANNELS)[1] - margin_ns
        return self._kind(
            *(self.name, channel_ids, str(folder)),
            *(start_ns, _later(self.end_ns, margin_ns)),
            hold_s=max_wait_s / 2,
            idle_s=max_wait_s,
            **self._more(),
        )

    def _more(self) -> dict[str, float]:
        """Return further parameters of the element."""
        return {}

    def _find(self, stations: StationList, components: Components) -> Known:
        """Return the channels with data in the last days, and when the data begin."""
        now_ns = time.time_ns()
        limits = now_ns - RECENT_NS, now_ns
        recorded = recorded_channels(stations, [self.name], limits, components)
        for item in recorded.skipped:
            logger.warning("%s: %s", item.what, item.reason)
        usual_hz = usual_rate_hz(recorded.infos.values())
        rates_hz = {
            name: max(info.rates_hz, default=usual_hz)
            for name, info in recorded.infos.items()
        }
        return rates_hz, now_ns if self.start_ns is None else self.start_ns


def _later(time_ns: int | None, margin_ns: int) -> int | None:
    return None if time_ns is None else time_ns + margin_ns


def read_channels(path: Path) -> Known:
    """Return the channels that were found at the first start of a run.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If the file is damaged.
    """
    values = read_checked(path, FORMAT, VERSION, WAY_OUT)
    return values["rates_hz"], values["start_ns"]


class ArchiveInput(ServerInput):
    """An SDS archive whose files grow; see `ServerInput`."""

    _kind = FollowFiles


class CentreInput(ServerInput):
    """A data centre that is asked again and again; see `ServerInput`.

    Parameters
    ----------
    name : str
        ``fdsn://PROVIDER``.
    start_ns, end_ns : int, optional
        See `ServerInput`.
    every_s : float
        Time between two rounds of requests, seconds.
    """

    _kind = PollDataCentre

    def __init__(
        self,
        name: str,
        start_ns: int | None = None,
        end_ns: int | None = None,
        every_s: float = 60.0,
    ) -> None:
        super().__init__(name, start_ns, end_ns)
        self.every_s = every_s

    def _more(self) -> dict[str, float]:
        return {"every_s": self.every_s}


class SeedLinkInput(ServerInput):
    """A SeedLink server, ``seedlink://host[:port]``; see `ServerInput`."""

    _kind = LiveSeedLink

    def _find(self, stations: StationList, components: Components) -> Known:
        """Wait for a packet of each channel; return their rates, and the first time."""
        asked = asked_channels(stations)
        source = LiveSeedLink(self.name, asked, start_ns=self.start_ns, hold_s=HOLD_S)
        rates_hz: dict[str, float] = {}
        starts = [time.time_ns() if self.start_ns is None else self.start_ns]
        silent, deadline_s = set(asked), time.monotonic() + LISTEN_S
        try:
            while silent and time.monotonic() < deadline_s:
                for outputs in source.process({}):
                    if "skipped" in outputs:
                        item = outputs["skipped"]
                        logger.warning("%s: %s", item.what, item.reason)
                    elif "output" in outputs and outputs["output"].trace is not None:
                        trace = outputs["output"].trace
                        rates_hz[trace.id] = float(trace.stats.sampling_rate)
                        starts.append(trace.stats.starttime.ns)
                        silent -= {p for p in silent if _matches(trace.id, p)}
                time.sleep(source.poll_s)
        finally:
            source.teardown()
        if not rates_hz:
            raise DataError(f"{self.name}: no packet in {LISTEN_S:g} s")
        usual_hz = Counter(rates_hz.values()).most_common(1)[0][0]
        for name in sorted(silent):
            logger.warning("%s: no packet in %g s yet", name, LISTEN_S)
            if "?" not in name:
                rates_hz[name] = usual_hz  # only the margins depend on it
        return rates_hz, min(starts)


def asked_channels(stations: StationList) -> list[str]:
    """Return the channels of a station list in the form in which servers are asked.

    Parameters
    ----------
    stations : StationList

    Examples
    --------
    >>> from seismo_pes.metadata.stations import StationPattern
    >>> asked_channels(StationList([StationPattern("CI", "FMP")], ("BH*", "LHZ")))
    ['CI.FMP.??.BH?', 'CI.FMP.??.LHZ']
    >>> pair = StationPattern("CI", "FMP", "", "BHZ")
    >>> asked_channels(StationList([pair], ("*",)))
    ['CI.FMP..BHZ']
    """
    asked = []
    for pattern in stations.patterns:
        network, station, location, channel = pattern.codes
        codes = stations.codes if channel == "*" else (channel,)
        location = "??" if location == "*" else location
        for code in codes:
            filled = code.replace("*", "?" * max(0, 4 - len(code)), 1)
            asked.append(f"{network}.{station}.{location}.{filled}")
    return list(dict.fromkeys(asked))


def _matches(channel_id: str, pattern: str) -> bool:
    """Return whether a channel is one that was asked for; ?? is any location."""
    codes, patterns = split_id(channel_id), list(split_id(pattern))
    if patterns[2] == "??":
        patterns[2] = "*"
    return all(map(fnmatchcase, codes, patterns))
