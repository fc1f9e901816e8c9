"""Correction of wrong clocks by a table of their offsets.

An offset is the recorded time minus the true time: positive if the clock is ahead.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.preprocessing.quality import WithRemarks
from seismo_pes.preprocessing.segments import finite_pieces
from seismo_pes.signal.rates import exact_rate
from seismo_pes.signal.resample import interpolate_lanczos

__all__ = [
    "ClockOffset",
    "CorrectClock",
    "correct_clock",
    "parse_clock_table",
    "read_clock_table",
]

COLUMNS = ("channel", "start", "end", "offset_s", "end_offset_s")
LEAST_DRIFT = (
    0.01  # samples over a trace: for a smaller drift a new start time is enough
)


@dataclass(frozen=True)
class ClockOffset:
    """The offset of a clock in an interval of time.

    Attributes
    ----------
    channel : str
        ``NET.STA`` or ``NET.STA.LOC.CHA``, wildcards ``*`` and ``?`` allowed.
    start_ns, end_ns : int
        Interval of recorded time, start <= t < end.
    offset_s, end_offset_s : float
        Recorded minus true time at the start and the end; linear in between.
    """

    channel: str
    start_ns: int
    end_ns: int
    offset_s: float
    end_offset_s: float

    @property
    def drift(self) -> float:
        """Seconds that the clock gains in each second."""
        return (self.end_offset_s - self.offset_s) / (self.end_ns - self.start_ns) * NS

    def at(self, time_ns: int) -> float:
        """Return the offset at a recorded time, seconds."""
        return self.offset_s + self.drift * (time_ns - self.start_ns) / NS

    def means(self, channel_id: str) -> bool:
        """Return whether a channel uses this clock."""
        n_codes = self.channel.count(".") + 1
        return fnmatchcase(".".join(channel_id.split(".")[:n_codes]), self.channel)


def read_clock_table(path: str | Path) -> tuple[ClockOffset, ...]:
    """Read a table of offsets from a file; see `parse_clock_table`.

    Raises
    ------
    ParameterError
        If the file cannot be read, or is not a table of offsets.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"clock table {path}: {error}") from error
    return parse_clock_table(text, str(path))


def parse_clock_table(text: str, source: str = "clock.csv") -> tuple[ClockOffset, ...]:
    """Parse a table of offsets.

    Parameters
    ----------
    text : str
        CSV with the columns ``channel,start,end,offset_s`` and, if the clock drifts,
        ``end_offset_s``; comments start with ``#``.
    source : str
        The name of the file, for messages.

    Raises
    ------
    ParameterError
        If a line makes no sense or two lines overlap; the message names file and line.

    Examples
    --------
    >>> table = "channel,start,end,offset_s\\nXX.AAA,2024-01-01,2024-02-01,0.25"
    >>> parse_clock_table(table)[0].offset_s
    0.25
    """
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(i, line) for i, line in lines if not line.lstrip().startswith("#")]
    rows = list(csv.reader(io.StringIO("\n".join(line for _, line in lines))))
    header = [cell.strip() for cell in rows[0]] if rows else []
    if not set(COLUMNS[:4]) <= set(header) <= set(COLUMNS):
        raise ParameterError(f"{source}: the columns are not {','.join(COLUMNS)}")
    table: list[ClockOffset] = []
    for (number, _), row in zip(lines[1:], rows[1:], strict=True):
        where = f"{source}:{number}"
        offset = _offset(dict(zip(header, row, strict=False)), where)
        for earlier in table:
            if (
                earlier.channel == offset.channel
                and earlier.start_ns < offset.end_ns
                and offset.start_ns < earlier.end_ns
            ):
                raise ParameterError(f"{where}: overlaps another offset of its channel")
        table.append(offset)
    return tuple(table)


def _offset(row: dict[str, str], where: str) -> ClockOffset:
    try:
        start, end = (UTCDateTime(row[name].strip()) for name in ("start", "end"))
        offset_s = float(row["offset_s"])
        end_offset_s = float(row.get("end_offset_s") or offset_s)
        channel = row["channel"].strip()
    except (KeyError, ValueError, TypeError) as error:
        raise ParameterError(f"{where}: {error}") from error
    if not (start < end and math.isfinite(offset_s) and math.isfinite(end_offset_s)):
        raise ParameterError(f"{where}: start before end and finite offsets are needed")
    if channel.count(".") not in (1, 3):
        raise ParameterError(f"{where}: {channel!r} is not NET.STA or NET.STA.LOC.CHA")
    return ClockOffset(channel, start.ns, end.ns, offset_s, end_offset_s)


def correct_clock(
    trace: Trace, table: Iterable[ClockOffset]
) -> tuple[Stream, list[Skipped]]:
    """Correct the times of the samples.

    A constant offset changes the start time. If the clock drifts by more than a
    hundredth of a sample over the trace, the samples are interpolated to even true
    times (`signal.resample.interpolate_lanczos`). A trace is cut where offsets begin
    and end.

    Parameters
    ----------
    trace : obspy.Trace
        One trace.
    table : tuple of ClockOffset
        The offsets, of any channels; see `read_clock_table`.
    """
    offsets = [o for o in table if o.means(trace.id)]
    stream, remarks = Stream(), []
    for part, offset in _cut(trace, offsets):
        if offset is None:
            stream.append(part)
            continue
        pieces = [part]
        if isinstance(part.data, np.ma.MaskedArray):
            pieces = finite_pieces(part)
        stream += Stream([_corrected(piece, offset) for piece in pieces])
        offset_s = offset.at(part.stats.starttime.ns)
        reason = f"clock corrected by {-offset_s:+.6g} s"
        if offset.drift:
            reason += f", drift {offset.drift * 1e6:+.4g} parts per million"
        remarks.append(Skipped("quality", trace.id, reason))
    return stream, remarks


def _cut(
    trace: Trace, offsets: list[ClockOffset]
) -> Iterator[tuple[Trace, ClockOffset | None]]:
    """Yield the pieces of a trace, each with its offset."""
    start_ns, rate = trace.stats.starttime.ns, exact_rate(trace.stats.sampling_rate)

    def sample(time_ns: int) -> int:
        index = math.ceil(Fraction(time_ns - start_ns, NS) * rate)
        return min(max(index, 0), trace.stats.npts)

    edges = {0, trace.stats.npts}
    for offset in offsets:
        edges |= {sample(offset.start_ns), sample(offset.end_ns)}
    ordered = sorted(edges)
    for low, high in itertools.pairwise(ordered):
        part = Trace(header=trace.stats.copy())
        at_ns = start_ns + round(low * NS / rate)
        part.stats.starttime = UTCDateTime(ns=at_ns)
        part.data = trace.data[low:high].copy()
        yield part, next((o for o in offsets if o.start_ns <= at_ns < o.end_ns), None)


def _corrected(trace: Trace, offset: ClockOffset) -> Trace:
    start_ns, n = trace.stats.starttime.ns, trace.stats.npts
    corrected = Trace(header=trace.stats.copy())
    true_ns = start_ns - round(offset.at(start_ns) * NS)
    corrected.stats.starttime = UTCDateTime(ns=true_ns)
    corrected.data = trace.data
    if abs(offset.drift) * n >= LEAST_DRIFT:
        # the true time of sample i is i (1 - drift) intervals
        step = 1 / (1 - offset.drift)
        n_out = math.floor((n - 1) / step + 1e-9) + 1
        corrected.data = interpolate_lanczos(trace.data, 0.0, step, n_out)
    return corrected


class CorrectClock(WithRemarks):
    """Correct the times of the samples: `correct_clock` as a processing element.

    Parameters
    ----------
    table : str, Path or tuple of ClockOffset
        The offsets, of any channels; a path is read when the run starts, by
        `read_clock_table`.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        The input stays unchanged.
    output : the same type
        New traces at true times.
    skipped : Skipped
        Remarks on the corrections, stage ``"quality"``.
    """

    stage = "quality"

    def __init__(self, table: str | Path | Iterable[ClockOffset]) -> None:
        super().__init__()
        self.table: str | Path | None = None
        self._offsets: tuple[ClockOffset, ...] = ()
        if isinstance(table, str | Path):
            self.table = table
        else:
            self._offsets = tuple(table)

    def _preprocess(self) -> None:
        if self.table is not None:
            self._offsets = read_clock_table(self.table)

    def check(self, part: Trace) -> tuple[Stream, list[Skipped]]:
        """Correct one trace."""
        return correct_clock(part, self._offsets)
