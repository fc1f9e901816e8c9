"""Fingerprints of the data of a run: ``OUT/inputs.json``.

They show which days of which blocks of channels have changed after their correlation.
The fingerprint of a file is its name, its size and the time of its last change; for
files that are not on a disk it is the name only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dispel4py.errors import DataError
from seismo_pes.application.files import read_checked, write_checked
from seismo_pes.items.times import DAY_NS
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.reading import read_file
from xcorr_app.results.runfile import INPUTS_FILE, RUN_FILE
from xcorr_app.running.metadata_digests import History

__all__ = ["Fingerprints", "changed_blocks", "file_fingerprints", "reaches_into"]

INPUTS_FORMAT = "xcorr-app inputs"
INPUTS_VERSION = 1
WAY_OUT = "xcorr-app check OUT --repair removes it"

PeriodBlock = tuple[int, int]
FileDigests = tuple[
    str, str
]  # of the files of the day, of the files of neighbouring days


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of the data and the metadata of a run.

    Parameters
    ----------
    channels
        Ids of the channels that have data.
    files
        For each period and block two digests: of the files of the day itself, and of
        the files of neighbouring days, which are read only if samples are missing.
    metadata
        Digests of the station metadata, see `metadata_digests.used_metadata`.
    """

    channels: frozenset[str] = frozenset()
    files: dict[PeriodBlock, FileDigests] = field(default_factory=dict)
    metadata: dict[str, History] = field(default_factory=dict)

    @classmethod
    def read(cls, out: Path, run_id: str) -> Fingerprints:
        """Read ``OUT/inputs.json``. Without this file the fingerprints are empty.

        Raises
        ------
        DataError
            If `write` did not write the file for this run, or it is damaged.
        """
        path = out / INPUTS_FILE
        try:
            values = read_checked(path, INPUTS_FORMAT, INPUTS_VERSION, WAY_OUT)
            if values["run_id"] != run_id:
                raise DataError(f"{path}: of another run than {out / RUN_FILE}")
            files = {
                (int(period), int(block)): (own, around)
                for period, blocks in values["stretches"].items()
                for block, (own, around) in blocks.items()
            }
            metadata = {
                id_: tuple((int(period), text) for period, text in history)
                for id_, history in values.get("metadata", {}).items()
            }
            return cls(frozenset(values["channels"]), files, metadata)
        except FileNotFoundError:
            return cls()
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: not fingerprints of data ({error!r})") from error

    def write(self, out: Path, run_id: str) -> None:
        """Write ``OUT/inputs.json`` for a run."""
        periods: dict[str, dict[str, FileDigests]] = {}
        for (period, block), digests in sorted(self.files.items()):
            periods.setdefault(str(period), {})[str(block)] = digests
        values = {
            "format": INPUTS_FORMAT,
            "version": INPUTS_VERSION,
            "run_id": run_id,
            "channels": sorted(self.channels),
            "stretches": periods,
            "metadata": self.metadata,
        }
        write_checked(out / INPUTS_FILE, values)


def file_fingerprints(
    spans: Iterable[ChannelSpan], block_of: Callable[[str], int]
) -> Fingerprints:
    """Return the fingerprints of the files of all spans.

    Parameters
    ----------
    spans
        All spans of the run.
    block_of
        Function from the id of a channel to its block.
    """
    state = cache(_state)
    lines: dict[PeriodBlock, tuple[list[str], list[str]]] = {}
    channels = set()
    for span in spans:
        channels.add(span.channel_id)
        place = span.period, block_of(span.channel_id)
        own, around = lines.setdefault(place, ([], []))
        files, neighbours = _files_of_day(span)
        own += [f"{span.channel_id} {state(path)}" for path in files]
        around += [f"{span.channel_id} {state(path)}" for path in neighbours]
    digests = {
        place: (_digest(own), _digest(around)) for place, (own, around) in lines.items()
    }
    return Fingerprints(frozenset(channels), digests)


def _files_of_day(span: ChannelSpan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files of the day of a span, and the files of neighbouring days.

    If windows reach into the next day, its files belong to the span.
    """
    files, n = span.files, len(span.files)
    n_after = 0 if span.end_ns > (span.period + 1) * DAY_NS else span.n_after
    own = files[span.n_before : n - n_after]
    return own, files[: span.n_before] + files[n - n_after :]


def _state(path: str) -> str:
    name = os.path.basename(path)
    try:
        status = os.stat(path)
    except OSError:  # not on a disk
        return path
    return f"{name} {status.st_size} {status.st_mtime_ns}"


def _digest(lines: list[str]) -> str:
    text = "\n".join(sorted(lines))
    return hashlib.blake2b(os.fsencode(text), digest_size=8).hexdigest()


# ------------------------------------------------------------------ comparing


def changed_blocks(
    before: Fingerprints,
    now: Fingerprints,
    spans: Iterable[ChannelSpan],
    block_of: Callable[[str], int],
) -> set[PeriodBlock]:
    """Return the periods and blocks of earlier starts whose data have changed.

    A new file of the next day changes this day only if it has samples of this day. If
    only files of neighbouring days differ, their headers are read.

    Parameters
    ----------
    before, now
        Fingerprints of earlier starts and of this start.
    spans
        All spans of the run.
    block_of
        Function from the id of a channel to its block.
    """
    changed, unsure = _new_places(before, now), set()
    for place, (own, around) in before.files.items():
        own_now, around_now = now.files.get(place, ("", ""))
        if own_now != own:
            changed.add(place)
        elif around_now != around:
            unsure.add(place)
    for span in spans:
        place = span.period, block_of(span.channel_id)
        if place in unsure and _neighbours_reach(span):
            unsure.discard(place)
            changed.add(place)
    return changed


def _new_places(before: Fingerprints, now: Fingerprints) -> set[PeriodBlock]:
    """Return the places whose first data are new, in periods and blocks known before.

    Their correlations count as done, because there were no data.
    """
    periods = {period for period, _ in before.files}
    blocks = {block for _, block in before.files}
    return {
        (period, block)
        for period, block in now.files.keys() - before.files.keys()
        if period in periods and block in blocks
    }


def _neighbours_reach(span: ChannelSpan) -> bool:
    return any(reaches_into(path, span) for path in _files_of_day(span)[1])


def reaches_into(path: str, span: ChannelSpan) -> bool:
    """Return whether a file has samples of a span or of its margins.

    True if it cannot be read.

    Parameters
    ----------
    path
        The file.
    span
        The span.
    """
    try:
        traces = read_file(path, headonly=True)
    except DataError:
        return True
    start_ns, end_ns = span.read_limits
    half_ns = max((round(0.5e9 * trace.stats.delta) for trace in traces), default=0)
    return any(
        trace.id == span.channel_id
        and trace.stats.endtime.ns + half_ns >= start_ns
        and trace.stats.starttime.ns < end_ns - half_ns
        for trace in traces
    )
