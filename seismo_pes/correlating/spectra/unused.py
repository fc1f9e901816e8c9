"""Why no window of a channel or an instrument is used, as a line for the user."""

from __future__ import annotations

from collections.abc import Sequence

from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.substacks import window_name
from seismo_pes.gathering.components import instrument
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.preprocessing.segments import Segment
from seismo_pes.signal.rates import exact_rate

__all__ = ["no_window"]


def no_window(
    spans: Sequence[ChannelSpan],
    channels: Sequence[Sequence[Segment]],
    settings: SpectraSettings,
) -> Skipped:
    """Return the reason why no window is used.

    Parameters
    ----------
    spans : sequence of ChannelSpan
        The channels of an instrument, or a single one.
    channels : sequence of sequence of Segment
        The segments of each channel.
    settings : SpectraSettings
        The windows.
    """
    longest = [max(segments, key=_length, default=None) for segments in channels]
    lengths = [0 if segment is None else _length(segment) for segment in longest]
    k = lengths.index(min(lengths))
    name, common, of = spans[0].channel_id, "", ""
    if len(spans) > 1:
        name, common = f"{instrument(name)}?", " that all components have"
        of = f" of {spans[k].channel_id}"
    cause = _cause(longest[k], settings, of)
    return Skipped("windows", name, f"no window is usable{common}: {cause}")


def _length(segment: Segment) -> int:
    return len(segment.data)


def _cause(segment: Segment | None, settings: SpectraSettings, of: str) -> str:
    grid, rate = settings.grid, exact_rate(settings.rate_hz)
    n_samples = 0 if segment is None else len(segment.data)
    if segment is None or n_samples < settings.n_samples:
        return (
            f"longest piece without a gap{of}: {float(n_samples / rate):g} s; a window "
            f"has {grid.length_ns / NS:g} s"
        )
    start_ns = settings.grid.origin_ns + round(segment.first_sample * NS / rate)
    end_ns = start_ns + round(len(segment.data) * NS / rate)
    slack_ns = round(NS / rate)
    if len(grid.windows_between(start_ns - slack_ns, end_ns + slack_ns)):
        return f"all windows{of} are flat or rejected"
    name = window_name(start_ns)
    return (
        f"{_rule(settings)}; the longest piece{of}, {name[11:19]} to "
        f"{window_name(end_ns)[11:19]}, contains none: give --start {name}"
    )


def _rule(settings: SpectraSettings) -> str:
    """Return where windows start."""
    grid = settings.grid
    if grid.step_ns == 3600 * NS and grid.origin_ns % grid.step_ns == 0:
        return "windows start at full hours"
    origin = window_name(grid.origin_ns)
    return f"windows start every {grid.step_ns / NS:g} s from {origin}"
