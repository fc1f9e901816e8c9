"""Remarks on pairs of two sensors at one station or place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seismo_pes.correlating.pairs.rotation import Rotation
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.stations import Channel

__all__ = ["with_several_locations", "without_radial"]


def without_radial(
    channels: Sequence[Channel], rotation: Rotation, selection: PairSelection
) -> list[Skipped]:
    """Return the pairs of instruments at one place, which have no radial direction.

    Parameters
    ----------
    channels : sequence of Channel
        The channel table.
    rotation : Rotation
        Its instruments.
    selection : PairSelection
        Which pairs are wanted.

    Returns
    -------
    list of Skipped
        One for each place, stage ``"rotate"``, with the number of pairs of instruments.
    """
    places: dict[tuple[float, float], list[int]] = {}
    for z in sorted({triplet[0] for triplet in rotation.triplets.values()}):
        place = channels[z].latitude, channels[z].longitude % 360
        places.setdefault(place, []).append(z)
    skipped = []
    for group in places.values():
        pairs = [
            (a, b)
            for a in group
            for b in group
            if a < b and _is_wanted(rotation, selection, a, b)
        ]
        if pairs:
            members = sorted(
                {channels[z].id[:-1] + "?" for pair in pairs for z in pair}
            )
            reason = "no radial and transverse components: the sensors are at one place"
            skipped.append(Skipped("rotate", ", ".join(members), reason, len(pairs)))
    return skipped


def _is_wanted(
    rotation: Rotation, selection: PairSelection, first: int, second: int
) -> bool:
    """Return whether a rotated correlation of two instruments is wanted."""
    left, right = (np.array(rotation.rotated[z]) for z in (first, second))
    wanted = selection.allowed(left, right)
    wanted[0, 0] = False
    return bool(wanted.any())


def with_several_locations(
    channels: Sequence[Channel], selection: PairSelection
) -> list[Skipped]:
    """Return the stations whose single-station pairs are pairs of two sensors.

    Parameters
    ----------
    channels : sequence of Channel
        The channel table.
    selection : PairSelection
        Which pairs are wanted.

    Returns
    -------
    list of Skipped
        One for each station, stage ``"select"``, with the number of these pairs.
    """
    stations: dict[tuple[str, str], list[int]] = {}
    for k, channel in enumerate(channels):
        stations.setdefault((channel.network, channel.station), []).append(k)
    remarks = []
    for (network, station), members in stations.items():
        codes = np.array([channels[k].location for k in members])
        if len(set(codes)) < 2:
            continue
        index = np.array(members)
        wanted = selection.allowed(index, index) & (codes[:, None] != codes)
        n_pairs = int(np.triu(wanted | wanted.T).sum())
        if n_pairs:
            listed = " and ".join(repr(code) for code in sorted(set(codes.tolist())))
            reason = (
                f"single-station pairs combine the location codes {listed}, which are "
                "two sensors; location codes in the station list choose one"
            )
            remarks.append(Skipped("select", f"{network}.{station}", reason, n_pairs))
    return remarks
