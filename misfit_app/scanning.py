"""What files of events and waveforms have, in lines."""

from __future__ import annotations

from collections.abc import Iterable

from obspy import UTCDateTime

from dispel4py.errors import DataError
from dispel4py.terminal import printable_line
from misfit_app.input_files import files_of
from misfit_app.planning import chosen_events
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.reading import read_file
from seismo_pes.reading.formats.solver_text import is_solver_text
from seismo_pes.reading.synthetics import motion_of_file, read_synthetics
from seismo_pes.regular_file import ReadFailed

__all__ = ["channel_lines", "event_lines"]


def event_lines(paths: Iterable[str]) -> list[str]:
    """Return a line for each event of QuakeML files, and for each that is unusable.

    Parameters
    ----------
    paths : iterable of str
    """
    paths = list(paths)
    if not paths:
        return []
    events, skipped = chosen_events(paths, ())
    lines = [f"{len(events):,} events:"]
    for event in events:
        depth = "?" if event.depth_m is None else f"{event.depth_m / 1000:g} km"
        size = "?" if event.magnitude is None else f"{event.magnitude:g}"
        place = f"{event.latitude:g}, {event.longitude:g}"
        time = UTCDateTime(ns=event.time_ns)
        lines.append(f"  {event.id}  {time}  {place}  depth {depth}  magnitude {size}")
    lines += [f"  not usable: {entry.what}: {entry.reason}" for entry in skipped]
    return [printable_line(line) for line in lines]


def channel_lines(source: str, side: str, skipped: list[Skipped]) -> list[str]:
    """Return a line for each trace of the files of one side.

    Parameters
    ----------
    source : str
        Folder or pattern.
    side : str
        ``observed`` or ``synthetic``.
    skipped : list of Skipped
        Files and folders that cannot be read are added to it.
    """
    unlisted: list[Skipped] = []
    files = files_of(source, f"--{side}", unlisted)
    skipped += unlisted
    lines = [f"  {entry.what}: {entry.reason}" for entry in unlisted]
    for path in files:
        is_synthetic = side == "synthetic"
        motion = motion_of_file(path) if is_synthetic else ""
        try:
            if is_synthetic and is_solver_text(path):  # its times are in its columns
                stream = read_synthetics(path)
            else:
                stream = read_file(path, headonly=True)
        except DataError as error:
            stage = FAILED_READ if isinstance(error, ReadFailed) else "read"
            skipped.append(Skipped(stage, path, str(error)))
            lines.append(f"  cannot be read: {error}")
            continue
        for trace in stream:
            stats = trace.stats
            lines.append(
                f"  {trace.id:<18} {stats.starttime} to {stats.endtime}  "
                f"{stats.sampling_rate:g} Hz  {motion}".rstrip()
            )
    return [printable_line(line) for line in lines]
