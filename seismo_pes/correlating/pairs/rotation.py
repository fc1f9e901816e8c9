"""Radial and transverse correlations, made of stacks of Z, N and E."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.metadata.geodesy import geodesic

__all__ = ["InstrumentPairs", "Rotation", "rotate_tensors"]

Triplet = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class InstrumentPairs:
    """Pairs of instruments whose correlations are to be rotated.

    Attributes
    ----------
    a, b : numpy.ndarray
        Shape (n, 3): positions of the channels Z, N, E of the first and of the second
        instrument among the given channels.
    rotated : numpy.ndarray
        Shape (n, 2, 3): indices of the channels Z, R, T of the two.
    wanted : numpy.ndarray
        Shape (n, 3, 3), bool: which rotated correlations are wanted. ZZ is never among
        them, because a rotation does not change it.
    matrices : numpy.ndarray
        Shape (n, 2, 3, 3): from Z, N, E to Z, R, T.
    """

    a: np.ndarray
    b: np.ndarray
    rotated: np.ndarray
    wanted: np.ndarray
    matrices: np.ndarray

    def __len__(self) -> int:
        return len(self.a)

    def subset(self, rows: np.ndarray) -> InstrumentPairs:
        """Return a subset of the pairs."""
        columns = self.a, self.b, self.rotated, self.wanted, self.matrices
        return InstrumentPairs(*(column[rows] for column in columns))

    @property
    def needed(self) -> np.ndarray:
        """Shape (n, 3, 3), bool: needed correlations of Z, N, E."""
        w = self.wanted.copy()
        w[:, 1:] = w[:, 1:].any(axis=1, keepdims=True)
        w[:, :, 1:] = w[:, :, 1:].any(axis=2, keepdims=True)
        return w


@dataclass(frozen=True)
class Rotation:
    """The components of each instrument, before and after the rotation.

    A rotated pair has a channel of the first and a channel of the second instrument,
    in the order of their vertical channels, also where the indices of R and T have
    another order. The radial points from the first to the second at both. Instruments
    at the same place, or at unknown places, have no radial.

    Parameters
    ----------
    triplets : mapping of int to (int, int, int)
        For the index of each channel of an instrument with three components: the
        indices of its channels Z, N and E.
    rotated : mapping of int to (int, int, int)
        With the same keys: indices of the channels Z, R and T; Z is the same.
    latitudes, longitudes : tuple of float
        Of the channel table, in degrees.
    """

    triplets: Mapping[int, Triplet]
    rotated: Mapping[int, Triplet]
    latitudes: tuple[float, ...]
    longitudes: tuple[float, ...]

    def instruments(self, channels: np.ndarray) -> dict[int, list[int]]:
        """Return the positions of the three channels of each complete instrument.

        The key is the index of its vertical channel.
        """
        at = {channel: k for k, channel in enumerate(channels.tolist())}
        members = {self.triplets[c] for c in at if c in self.triplets}
        return {
            triplet[0]: [at[c] for c in triplet]
            for triplet in sorted(members)
            if all(c in at for c in triplet)
        }

    def pairs(
        self, i: np.ndarray, j: np.ndarray, selection: PairSelection | None = None
    ) -> InstrumentPairs:
        """Return the pairs of instruments with a wanted rotated correlation.

        Parameters
        ----------
        i, j : numpy.ndarray
            Indices of the first and the second channels, shapes (n,) and (m,).
        selection : PairSelection, optional
            By default all pairs are wanted.
        """
        first, second = self.instruments(i), self.instruments(j)
        matches = [(a, b) for a in first for b in second if a < b]
        rotated = np.array(
            [[self.rotated[a], self.rotated[b]] for a, b in matches], np.int64
        ).reshape(-1, 2, 3)
        wanted = self._wanted(rotated, selection)
        matrices, known = self._matrices(np.array(matches, np.int64).reshape(-1, 2))
        wanted &= known[:, None, None]
        table = InstrumentPairs(
            np.array([first[a] for a, _ in matches], np.int64).reshape(-1, 3),
            np.array([second[b] for _, b in matches], np.int64).reshape(-1, 3),
            rotated,
            wanted,
            matrices,
        )
        return table.subset(np.flatnonzero(wanted.any(axis=(1, 2))))

    def _wanted(
        self, rotated: np.ndarray, selection: PairSelection | None
    ) -> np.ndarray:
        wanted = np.ones((len(rotated), 3, 3), bool)
        if selection is not None and len(rotated):
            first, at = np.unique(rotated[:, 0], return_inverse=True)
            second, to = np.unique(rotated[:, 1], return_inverse=True)
            table = selection.allowed(first, second)
            at, to = at.reshape(-1, 3), to.reshape(-1, 3)
            wanted = table[at[:, :, None], to[:, None, :]]
        wanted[:, 0, 0] = False
        return wanted

    def _matrices(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        latitude, longitude = np.array(self.latitudes), np.array(self.longitudes)
        first, second = pairs.T
        distance_km, azimuth_deg, back_deg = geodesic(
            latitude[first], longitude[first], latitude[second], longitude[second]
        )
        radial = np.radians(np.stack([azimuth_deg, back_deg + 180], axis=1))
        matrices = np.zeros((len(pairs), 2, 3, 3))
        matrices[..., 0, 0] = 1
        matrices[..., 1, 1] = matrices[..., 2, 2] = np.cos(radial)
        matrices[..., 1, 2] = np.sin(radial)
        matrices[..., 2, 1] = -np.sin(radial)
        return matrices, distance_km > 0


def rotate_tensors(tensors: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Rotate tensors of correlations.

    Parameters
    ----------
        tensors : numpy.ndarray
        Shape (n, 3, 3, n_lags): component of the first and of the second instrument.
    matrices : numpy.ndarray
        Shape (n, 2, 3, 3).

    Returns
    -------
    numpy.ndarray
        Same shape and type, components Z, R, T.

    Examples
    --------
    >>> quarter = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]  # both radials point east
    >>> tensors = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> rotate_tensors(tensors, np.array([[quarter, quarter]]))[0, :, :, 0].tolist()
    [[0.0, 2.0, -1.0], [6.0, 8.0, -7.0], [-3.0, -5.0, 4.0]]
    """
    n, _, _, n_lags = tensors.shape
    matrices = matrices.astype(tensors.dtype)
    half = np.matmul(matrices[:, 0], tensors.reshape(n, 3, 3 * n_lags))
    return np.matmul(matrices[:, 1, None], half.reshape(n, 3, 3, n_lags))
