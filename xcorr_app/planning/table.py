"""The channel table of a run: names, coordinates, rotated components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.stations import Channel, locate
from xcorr_app.planning.channels import RecordedChannels
from xcorr_app.planning.components import Components
from xcorr_app.planning.metadata import StationMetadata
from xcorr_app.planning.stations import StationList

__all__ = [
    "ChannelTable",
    "RotatedChannels",
    "channel_table",
    "oriented_names",
    "rotated_channels",
]


@dataclass(frozen=True)
class ChannelTable:
    """The channels among which pairs are chosen.

    Attributes
    ----------
    channels : list of Channel
        Channels of earlier starts of the run, then recorded channels, then radial and
        transverse channels.
    names : dict of str to str
        Id in the table of each recorded channel; the two differ if components are
        oriented.
    earlier : frozenset of str
        Channels of earlier starts of the run.
    skipped : list of Skipped
        Channels without coordinates.
    not_rotated : list of Skipped
        Instruments without radial and transverse components.
    """

    channels: list[Channel]
    names: dict[str, str]
    earlier: frozenset[str]
    skipped: list[Skipped]
    not_rotated: list[Skipped]


def channel_table(
    stations: StationList,
    channels: RecordedChannels,
    metadata: StationMetadata,
    components: Components,
    earlier: Sequence[str] = (),
) -> ChannelTable:
    """Give the recorded channels their names and coordinates in the table.

    Parameters
    ----------
    stations : StationList
        The station list, whose coordinates have precedence.
    channels : RecordedChannels
        The channels in the archives, with the coordinates of their headers.
    metadata : StationMetadata
        Coordinates of StationXML and similar formats.
    components : Components
        Whether components are oriented or rotated.
    earlier : sequence of str
        Channels of earlier starts of the run. The table begins with them, in this
        order, even if they have no data now.
    """
    infos, limits = channels.infos, channels.limits
    spans = {id_: (info.start_ns, info.end_ns) for id_, info in infos.items()}
    sources = stations.patterns, metadata.inventory, infos, *limits, spans
    places = partial(_located, sources)
    names = {id_: id_ for id_ in channels.infos}
    if components.oriented:
        names = oriented_names(list(channels.infos))
    located, skipped = places({names[id_]: id_ for id_ in names})
    rotated = RotatedChannels([], [])
    if components.rotated:
        rotated = rotated_channels(located)
    present = located | {channel.id: channel for channel in rotated.channels}
    absent, unknown = places({id_: id_ for id_ in earlier if id_ not in present})
    known = present | absent
    order = dict.fromkeys([*earlier, *known])
    return ChannelTable(
        [known[id_] for id_ in order],
        names,
        frozenset(earlier),
        skipped + unknown,
        rotated.skipped,
    )


def _located(
    sources: tuple[Any, ...], ids: Mapping[str, str]
) -> tuple[dict[str, Channel], list[Skipped]]:
    """Find the coordinates of channels.

    Parameters
    ----------
    sources
        Station list, inventory, headers and limits of the time, as for `locate`.
    ids
        Id of each channel in the table to its id in the sources.
    """
    ordered = dict(sorted(ids.items()))
    places, skipped = locate(ordered.values(), *sources)
    return {id_: replace(places[old], id=id_) for id_, old in ordered.items()}, skipped


# -- orientation --------------------------------------------------------------------


def oriented_names(channel_ids: Sequence[str]) -> dict[str, str]:
    """Return the ids of channels after the rotation of their instruments to Z, N, E.

    Instruments that do not have two or three components keep their names.

    >>> oriented_names(["X.A..BH1", "X.A..BH2", "X.A..BHZ"])
    {'X.A..BH1': 'X.A..BHN', 'X.A..BH2': 'X.A..BHE', 'X.A..BHZ': 'X.A..BHZ'}
    """
    names: dict[str, str] = {}
    for stem, letters in _instruments(channel_ids).items():
        if len(letters) == 3 or (len(letters) == 2 and "Z" not in letters):
            names |= _oriented(stem, letters)
    return {id_: names.get(id_, id_) for id_ in channel_ids}


def _oriented(stem: str, letters: str) -> dict[str, str]:
    """Return new ids of the channels of one instrument.

    1 and 2 stand for north and east, 3 or any other letter for the vertical.
    """
    wanted = "ZNE"[-len(letters) :]
    free = [letter for letter in wanted if letter not in letters]
    names = {}
    for letter in sorted(letters, key="12NEZ3".find):
        new = letter
        if letter not in wanted:
            order = {"1": "NEZ", "2": "ENZ"}.get(letter, "ZNE")
            new = next(candidate for candidate in order if candidate in free)
            free.remove(new)
        names[stem + letter] = stem + new
    return names


def _instruments(channel_ids: Sequence[str]) -> dict[str, str]:
    """Return the component letters of each instrument (id without its last letter)."""
    letters: dict[str, str] = {}
    for id_ in channel_ids:
        letters[id_[:-1]] = letters.get(id_[:-1], "") + id_[-1:]
    return letters


# -- rotation -----------------------------------------------------------------------


@dataclass(frozen=True)
class RotatedChannels:
    """Radial and transverse channels, which are computed from Z, N and E.

    Attributes
    ----------
    channels : list of Channel
        R and T of each instrument with Z, N, E and coordinates.
    skipped : list of Skipped
        Instruments that cannot be rotated.
    """

    channels: list[Channel]
    skipped: list[Skipped]


def rotated_channels(located: Mapping[str, Channel]) -> RotatedChannels:
    """Return the channels R and T of the instruments that can be rotated."""
    channels, skipped = [], []
    for stem, letters in _instruments(list(located)).items():
        if not set("ZNE") <= set(letters):
            hint = "; --orient makes N and E of 1 and 2" if "1" in letters else ""
            reason = f"has components {', '.join(sorted(letters))}, not Z, N, E{hint}"
            skipped.append(Skipped("rotate", stem + "?", f"not rotated: {reason}"))
            continue
        z = located[stem + "Z"]
        if not np.isfinite([z.latitude, z.longitude]).all():
            reason = "not rotated: its coordinates are unknown"
            skipped.append(Skipped("rotate", stem + "?", reason))
            continue
        place = z.latitude, z.longitude, z.elevation_m
        channels += [Channel(stem + letter, *place) for letter in "RT"]
    return RotatedChannels(channels, skipped)
