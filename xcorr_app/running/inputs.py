"""Fingerprints of the data that a run was made of: ``OUT/inputs.json``.

They tell which days of which blocks of channels changed since they were correlated. A
file counts by its name, size and time of change; where files are not on a disk, by its
name alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dispel4py.errors import DataError
from seismo_pes.application.files import write_whole
from seismo_pes.items.times import DAY_NS
from seismo_pes.items.waveforms import ChannelSpan
from xcorr_app.results.runfile import INPUTS_FILE
from xcorr_app.running.metadata import History

__all__ = ["Fingerprint", "Inputs", "changed", "fingerprints", "reaches_into"]

Where = tuple[int, int]  # period, block
Fingerprint = tuple[str, str]  # of the files of the day, of those of its neighbours


@dataclass(frozen=True)
class Inputs:
    """What a run was made of.

    Parameters
    ----------
    channels
        Ids of the channels that have data.
    files
        For each period and block two digests: of the files of the day itself, and of
        those of neighbouring days, which are read only where samples are missing.
    metadata
        What was used of station metadata, see `metadata.used_metadata`.
    """

    channels: frozenset[str] = frozenset()
    files: dict[Where, Fingerprint] = field(default_factory=dict)
    metadata: dict[str, History] = field(default_factory=dict)

    @classmethod
    def read(cls, out: Path) -> Inputs:
        """Read what `write` wrote; nothing is known where there is no such file."""
        path = out / INPUTS_FILE
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            files = {
                (int(period), int(block)): (own, around)
                for period, blocks in told["stretches"].items()
                for block, (own, around) in blocks.items()
            }
            metadata = {
                id_: tuple((int(period), text) for period, text in history)
                for id_, history in told.get("metadata", {}).items()
            }
            return cls(frozenset(told["channels"]), files, metadata)
        except FileNotFoundError:
            return cls()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: not fingerprints of data ({error!r})") from error

    def write(self, out: Path) -> None:
        """Write ``OUT/inputs.json``."""
        periods: dict[int, dict[int, Fingerprint]] = {}
        for (period, block), digests in sorted(self.files.items()):
            periods.setdefault(period, {})[block] = digests
        told = {"channels": sorted(self.channels), "stretches": periods}
        told |= {"metadata": self.metadata}
        write_whole(out / INPUTS_FILE, json.dumps(told))


def fingerprints(
    spans: Iterable[ChannelSpan], block_of: Callable[[str], int]
) -> Inputs:
    """Look at the files of all spans.

    Parameters
    ----------
    spans
        What a run reads.
    block_of
        From the id of a channel to its block.
    """
    state = cache(_state)
    found: dict[Where, tuple[list[str], list[str]]] = {}
    channels = set()
    for span in spans:
        channels.add(span.channel_id)
        own, around = found.setdefault(
            (span.period, block_of(span.channel_id)), ([], [])
        )
        of_day, others = _divided(span)
        own += [f"{span.channel_id} {state(path)}" for path in of_day]
        around += [f"{span.channel_id} {state(path)}" for path in others]
    files = {where: (_digest(a), _digest(b)) for where, (a, b) in found.items()}
    return Inputs(frozenset(channels), files)


def _divided(span: ChannelSpan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files of the day of a span, and those of its neighbours.

    Where windows reach into the next day its files belong to the span.
    """
    files, n = span.files, len(span.files)
    n_after = 0 if span.end_ns > (span.period + 1) * DAY_NS else span.n_after
    own = files[span.n_before : n - n_after]
    return own, files[: span.n_before] + files[n - n_after :]


def _state(path: str) -> str:
    name = os.path.basename(path)
    try:
        seen = os.stat(path)
    except OSError:  # not on a disk
        return path
    return f"{name} {seen.st_size} {seen.st_mtime_ns}"


def _digest(lines: list[str]) -> str:
    text = "\n".join(sorted(lines))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def changed(
    old: Inputs,
    new: Inputs,
    spans: Iterable[ChannelSpan],
    block_of: Callable[[str], int],
) -> set[Where]:
    """Return the periods and blocks that were known and have other data now.

    A file that was added for the next day does not change this one, unless it holds
    samples of this one, too; where only such files differ they are looked into.
    """
    known = old.files.keys() | new.files.keys()
    found, unsure = set(), set()
    for where in known & old.files.keys():
        before, now = old.files[where], new.files.get(where)
        if now is None or now[0] != before[0]:
            found.add(where)
        elif now[1] != before[1]:
            unsure.add(where)
    for span in spans:
        where = span.period, block_of(span.channel_id)
        if where in unsure and _neighbours_reach(span):
            unsure.discard(where)
            found.add(where)
    return found


def _neighbours_reach(span: ChannelSpan) -> bool:
    return any(reaches_into(path, span) for path in _divided(span)[1])


def reaches_into(path: str, span: ChannelSpan) -> bool:
    """Say whether a file has samples of a span; True where that cannot be told."""
    import obspy

    try:
        traces = obspy.read(path, headonly=True)
    except Exception:  # noqa: BLE001 - obspy's readers raise anything
        return True
    half_ns = max((round(0.5e9 * trace.stats.delta) for trace in traces), default=0)
    return any(
        trace.id == span.channel_id
        and trace.stats.endtime.ns + half_ns >= span.start_ns
        and trace.stats.starttime.ns < span.end_ns - half_ns
        for trace in traces
    )
