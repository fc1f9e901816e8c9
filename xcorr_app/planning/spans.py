"""The spans of a run: which channel is read in which period from which files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.reading.archives.archive import Archive
from seismo_pes.signal.window import WindowGrid
from xcorr_app.planning.periods import no_window_fits

__all__ = ["spans_to_read"]


def spans_to_read(
    archive: Archive,
    channel_ids: Sequence[str],
    periods: Mapping[int, tuple[int, int]],
    windows: WindowGrid,
) -> list[ChannelSpan]:
    """Return the spans of channels for which the archive has files.

    Parameters
    ----------
    archive : Archive
        All archives as one.
    channel_ids : sequence of str
        Recorded channels that pairs need.
    periods : mapping of int to (int, int)
        Start and end of each period, as `window_periods` returns them.
    windows : WindowGrid
        The windows.

    Returns
    -------
    list of ChannelSpan
        Period by period.

    Raises
    ------
    ParameterError
        If there are no files in any period.
    """
    days = list(periods)
    spans = archive.spans(channel_ids, list(periods.values()))
    if not spans:
        raise no_window_fits(windows, archive.name)
    return [replace(span, period=days[span.period]) for span in spans]
