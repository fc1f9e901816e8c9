"""The spans of a run: which channel is read in which period from which files."""

from __future__ import annotations

from dataclasses import replace

from dispel4py.errors import ParameterError
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import ChannelSpan
from xcorr_app.planning.channels import RecordedChannels
from xcorr_app.planning.grid import RunGrid
from xcorr_app.planning.pairs import ChosenPairs

__all__ = ["spans_to_read"]


def spans_to_read(
    channels: RecordedChannels, names: dict[str, str], grid: RunGrid, pairs: ChosenPairs
) -> list[ChannelSpan]:
    """Return the spans of the channels that pairs need, period by period.

    Parameters
    ----------
    channels : RecordedChannels
        What the archives hold.
    names : dict of str to str
        Id of each recorded channel to its id in the channel table.
    grid : RunGrid
        The periods.
    pairs : ChosenPairs
        The channels that are needed.

    Raises
    ------
    ParameterError
        If no window fits the data.
    """
    ids = [id_ for id_ in channels.infos if names[id_] in pairs.needed]
    days = list(grid.periods)
    spans = channels.archive.spans(ids, list(grid.periods.values()))
    if not spans:
        raise ParameterError(
            f"{channels.archive.name}: no window of --window-s "
            f"{grid.windows.length_ns / NS:g} fits the data of the listed stations; "
            "choose a shorter one or check --start and --end"
        )
    return [replace(span, period=days[span.period]) for span in spans]
