"""Which pairs of channels are correlated."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase

import numpy as np

from dispel4py.errors import ParameterError, suggest
from seismo_pes.correlating.pairs.geometry import Reach
from seismo_pes.metadata.stations import split_id
from seismo_pes.methods import PAIRS

__all__ = ["USUAL_KINDS", "PairSelection"]

USUAL_KINDS = frozenset({"cross", "single-station"})
_BLOCK = 1024  # channels whose pairs are tested at once: bounds the memory


class PairSelection:
    """The wanted pairs of the channel table, tested block by block.

    Its memory grows with the number of channels, not of pairs. A pair is wanted if all
    rules allow it.

    Parameters
    ----------
    ids : sequence of str
        The channel table, ``NET.STA.LOC.CHA``.
    latitudes, longitudes : sequence of float, optional
        Degrees; NaN where unknown. Needed for distances and azimuths.
    kinds : collection of str
        ``cross``: channels of different stations; ``single-station``: different
        channels of one station; ``auto``: each channel with itself.
    components : collection of str, optional
        Such as ``{"ZZ", "RT"}``: the last letters of the first and the second channel.
        Within a station, ``NE`` also means ``EN``.
    distance_km : (float, float), optional
        Shortest and longest distance; the distance within a station is 0. Pairs of
        unknown distance are not wanted.
    azimuth_deg : (float, float), optional
        Direction from either channel to the other, clockwise from north; a first angle
        that is larger than the second means a sector across north. Pairs at the same
        place have no direction.
    listed : collection of (int, int), optional
        Indices into the table, in either order: only these pairs are wanted.
    networks : sequence of (str, str), optional
        Patterns of network codes, one for each channel of the pair, in either order.
    members : collection of int, optional
        Indices of channels: at least one channel of each pair is among them.

    Raises
    ------
    ParameterError
        If a rule makes no sense.

    Examples
    --------
    >>> ids = ["X.A..HHN", "X.A..HHZ", "Y.B..HHZ"]
    >>> PairSelection(ids).allowed(np.arange(3), np.arange(3)).astype(int)
    array([[0, 1, 1],
           [1, 0, 1],
           [1, 1, 0]])
    >>> PairSelection(ids, components={"ZZ"}).count()
    1
    """

    def __init__(
        self,
        ids: Sequence[str],
        latitudes: Sequence[float] | np.ndarray | None = None,
        longitudes: Sequence[float] | np.ndarray | None = None,
        kinds: Collection[str] = USUAL_KINDS,
        components: Collection[str] | None = None,
        distance_km: tuple[float, float] | None = None,
        azimuth_deg: tuple[float, float] | None = None,
        listed: Collection[tuple[int, int]] | None = None,
        networks: Sequence[tuple[str, str]] | None = None,
        members: Collection[int] | None = None,
    ) -> None:
        for kind in kinds:
            if kind not in PAIRS:
                raise ParameterError(f"pairs of kind {kind!r}: {suggest(kind, PAIRS)}")
        n = len(ids)
        self.n_channels = n
        self.kinds = frozenset(kinds)
        self._station, self._letter, codes = _codes(ids)
        self._components = None
        if components is not None:
            self._components = _component_table(components)
        self._reach = None
        if distance_km is not None or azimuth_deg is not None:
            places = _places(latitudes, longitudes, n)
            self._reach = Reach(places, distance_km, azimuth_deg)
        self._within_station = azimuth_deg is None and (distance_km or (0, 0))[0] <= 0
        if distance_km is not None and not 0 <= distance_km[0] <= distance_km[1]:
            raise ParameterError(
                f"distances {distance_km[0]:g} to {distance_km[1]:g} km: the shortest "
                "comes first and is not negative"
            )
        self._listed = None
        if listed is not None:
            table = np.array(sorted(listed), np.int64).reshape(-1, 2)
            self._listed = np.unique(table.min(axis=1) * n + table.max(axis=1))
        self._networks = None
        if networks is not None:
            self._networks = [
                (_matching(codes, a), _matching(codes, b)) for a, b in networks
            ]
        self._members = None
        if members is not None:
            self._members = np.zeros(n, bool)
            self._members[list(members)] = True

    def allowed(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Return which pairs are wanted.

        Parameters
        ----------
        i, j : numpy.ndarray
            Indices into the table, shapes (n,) and (m,): first and second channels.

        Returns
        -------
        numpy.ndarray
            Shape (n, m), bool. The order of the two channels matters for ``components``
            only.
        """
        i, j = np.asarray(i, np.int64), np.asarray(j, np.int64)
        same = self._station[i][:, None] == self._station[j]
        wanted = self._of_kinds(i, j, same)
        if self._components is not None:
            first_letter, second_letter = self._letter[i], self._letter[j]
            ordered = self._components[first_letter][:, second_letter]
            swapped = self._components[second_letter][:, first_letter].T
            wanted &= ordered | (same & swapped)
        if self._networks is not None:
            wanted &= _any_of(
                a[i][:, None] & b[j] | b[i][:, None] & a[j] for a, b in self._networks
            )
        if self._members is not None:
            wanted &= self._members[i][:, None] | self._members[j]
        if self._listed is not None:
            key = np.minimum(i[:, None], j) * self.n_channels + np.maximum(
                i[:, None], j
            )
            wanted &= np.isin(key, self._listed)
        if self._reach is not None:
            apart = self._reach.within(i, j, wanted & ~same)
            wanted &= (same & self._within_station) | apart
        return wanted

    def subset(self, channels: np.ndarray) -> PairSelection:
        """Return the same pairs for a subset of the channel table.

        Parameters
        ----------
        channels : numpy.ndarray
            Indices into the table, ascending. Position k has index k in the subset.

        Examples
        --------
        >>> ids = ["X.A..HHN", "X.A..HHZ", "Y.B..HHZ"]
        >>> pairs = PairSelection(ids, listed=[(0, 2)]).subset(np.array([0, 2]))
        >>> pairs.allowed(np.arange(2), np.arange(2)).astype(int)
        array([[0, 1],
               [1, 0]])
        """
        part, n = copy.copy(self), len(channels)
        part.n_channels = n
        part._station, part._letter = self._station[channels], self._letter[channels]
        if self._reach is not None:
            part._reach = self._reach.subset(channels)
        if self._listed is not None:
            places = np.full(self.n_channels, -1)
            places[channels] = np.arange(n)
            first, second = places[np.array(np.divmod(self._listed, self.n_channels))]
            both = (first >= 0) & (second >= 0)
            part._listed = first[both] * n + second[both]
        if self._networks is not None:
            part._networks = [(a[channels], b[channels]) for a, b in self._networks]
        if self._members is not None:
            part._members = self._members[channels]
        return part

    def count(self) -> int:
        """Return how many pairs of the table are wanted, each counted once."""
        total, index = 0, np.arange(self.n_channels)
        for a in range(0, self.n_channels, _BLOCK):
            for b in range(a, self.n_channels, _BLOCK):
                i, j = index[a : a + _BLOCK], index[b : b + _BLOCK]
                total += int((self.allowed(i, j) & (i[:, None] <= j)).sum())
        return total

    def _of_kinds(self, i: np.ndarray, j: np.ndarray, same: np.ndarray) -> np.ndarray:
        itself = i[:, None] == j
        wanted = np.zeros(same.shape, bool)
        if "cross" in self.kinds:
            wanted |= ~same
        if "single-station" in self.kinds:
            wanted |= same & ~itself
        if "auto" in self.kinds:
            wanted |= itself
        return wanted


def _codes(ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the number of each channel's station, its last letter, the networks."""
    numbers: dict[tuple[str, str], int] = {}
    parts = [split_id(id_) for id_ in ids]
    station = [numbers.setdefault(part[:2], len(numbers)) for part in parts]
    letter = [min(ord(part[3][-1:] or " "), 127) for part in parts]
    return (
        np.array(station, np.int64),
        np.array(letter, np.int64),
        [p[0] for p in parts],
    )


def _component_table(components: Collection[str]) -> np.ndarray:
    table = np.zeros((128, 128), bool)
    for name in components:
        if len(name) != 2 or not name.isascii():
            raise ParameterError(f"components {name!r}: two letters are needed, as ZZ")
        table[ord(name[0]), ord(name[1])] = True
    return table


def _places(
    latitudes: Sequence[float] | np.ndarray | None,
    longitudes: Sequence[float] | np.ndarray | None,
    n: int,
) -> np.ndarray:
    """Return latitude and longitude of each channel, shape (n, 2)."""
    places = np.full((n, 2), np.nan)
    if latitudes is not None and longitudes is not None:
        places[:, 0], places[:, 1] = latitudes, longitudes
    return places


def _matching(codes: list[str], pattern: str) -> np.ndarray:
    return np.array([fnmatchcase(code, pattern) for code in codes], bool)


def _any_of(tables: Iterator[np.ndarray]) -> np.ndarray:
    return np.logical_or.reduce(list(tables))
