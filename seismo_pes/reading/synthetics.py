"""Synthetic seismograms of any format, with their motion and their times."""

from __future__ import annotations

import re
from pathlib import Path

from obspy import Stream, Trace, UTCDateTime

from seismo_pes.items.times import NS
from seismo_pes.metadata.asdf import is_asdf
from seismo_pes.reading.formats.solver_text import (
    codes_of_name,
    is_solver_text,
    read_solver_text,
)
from seismo_pes.reading.formats.waveform_files import read_file

__all__ = ["absolute", "motion_of_file", "read_synthetics"]

MOTIONS = {"d": "displacement", "v": "velocity", "a": "acceleration"}
SUFFIX = re.compile(r"\.(?:sem|seed|sem\.ascii)([dva])$")
SES3D = re.compile(r"\.[xyz]$")
DAY_NS = 86_400 * NS


def motion_of_file(path: str | Path) -> str:
    """Return the motion that the suffix of a file states; "" if it states none.

    >>> motion_of_file("IV.CAFR.HXZ.semd"), motion_of_file("IV.CAFR.HXZ.sac")
    ('displacement', '')
    """
    name = Path(path).name
    if match := SUFFIX.search(name):
        return MOTIONS[match.group(1)]
    return "velocity" if SES3D.search(name) and is_solver_text(name) else ""


def read_synthetics(path: str | Path, headonly: bool = False) -> Stream:
    """Read a file of synthetics: text of SPECFEM or SES3D, or any waveform format.

    Of ASDF, the waveforms whose tag begins with ``synthetic`` are read, if there are
    any.

    Parameters
    ----------
    path : str or Path
    headonly : bool
        Headers only; of text the codes in the name of the file, without times.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    if is_solver_text(path):
        return Stream([_named(path) if headonly else read_solver_text(path)])
    file_format = "ASDF synthetics" if is_asdf(path) else ""
    return read_file(path, file_format, headonly=headonly)


def _named(path: str | Path) -> Trace:
    """Return a trace with the codes in the name of a file, without samples."""
    names = ("network", "station", "location", "channel")
    return Trace(header=dict(zip(names, codes_of_name(path), strict=True)))


def absolute(stream: Stream, origin_ns: int) -> Stream:
    """Return traces with absolute times, where they count from the origin time.

    Solvers write times after the origin, which appear as times near 1970. Traces that
    begin within a day of 1970 are moved to the origin time, unless the event is then,
    too.

    Parameters
    ----------
    stream : obspy.Stream
    origin_ns : int
        Origin time, nanoseconds since 1970.
    """
    if abs(origin_ns) <= 2 * DAY_NS:
        return stream
    moved = stream.copy()
    for trace in moved:
        if abs(trace.stats.starttime.ns) <= DAY_NS:
            start_ns = trace.stats.starttime.ns + origin_ns
            trace.stats.starttime = UTCDateTime(ns=start_ns)
    return moved
