"""Rotation of correlations from components Z, N, E to Z, R, T."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.skipped import Skipped
from seismo_pes.signal.coherency import rotate_tensor

__all__ = ["RotateTensor", "rotate_correlations"]

COMPONENTS = "ZNE"
ROTATED = "ZRT"


# -- tensors of correlations -------------------------------------------------------


def rotate_correlations(
    correlations: Sequence[Correlation],
    azimuth_deg: float | None = None,
    back_azimuth_deg: float | None = None,
) -> list[Correlation]:
    """Rotate the nine correlations of two stations from Z, N, E to Z, R, T.

    Parameters
    ----------
    nine : sequence of Correlation
        The correlations of each component of the first station with each component of
        the second, in any order, with equal windows.
    azimuth_deg, back_azimuth_deg : float
        Directions of the pair in degrees; by default the values of the correlations.
        Stations at one place (distance 0) have the same radial direction, that of the
        azimuth.

    Returns
    -------
    list of Correlation
        ZZ, ZR, ZT, RZ, ..., TT.

    Raises
    ------
    DataError
        If a correlation is missing, their windows differ, or the azimuth is unknown.
    """
    table = {c.first[-1] + c.second[-1]: c for c in correlations}
    wanted = [a + b for a in COMPONENTS for b in COMPONENTS]
    missing = [name for name in wanted if name not in table]
    name = (
        f"{correlations[0].first[:-1]}_{correlations[0].second[:-1]}"
        if correlations
        else "nothing"
    )
    if missing:
        raise DataError(f"{name}: a tensor lacks {', '.join(missing)}")
    tensor = [table[key] for key in wanted]
    reference = tensor[0]
    for c in tensor:
        if (
            c.data.shape != reference.data.shape
            or (c.start_ns != reference.start_ns).any()
        ):
            raise DataError(f"{name}: the windows of its nine components differ")
    azimuth = reference.azimuth_deg if azimuth_deg is None else azimuth_deg
    back = reference.back_azimuth_deg if back_azimuth_deg is None else back_azimuth_deg
    if back_azimuth_deg is None and reference.distance_km == 0:
        back = azimuth + 180  # files of other programs have 0 for both
    if not np.isfinite([azimuth, back]).all():
        raise DataError(f"{name}: azimuth unknown; give it, or coordinates")
    data = np.stack([c.data for c in tensor], axis=-2)
    data = data.reshape(*reference.data.shape[:-1], 3, 3, reference.data.shape[-1])
    turned = rotate_tensor(data, azimuth, back)
    return [
        replace(
            reference,
            first=reference.first[:-1] + ROTATED[i],
            second=reference.second[:-1] + ROTATED[j],
            data=turned[..., i, j, :],
        )
        for i in range(3)
        for j in range(3)
    ]


class RotateTensor(GenericPE):
    """Gather the nine correlations of each pair of stations and rotate them.

    Ports
    -----
    input : Correlation
        Components Z, N, E; one instance receives all pairs.
    output : Correlation
        Components Z, R, T, nine for each pair and span of time.
    skipped : Skipped
        Pairs with fewer than nine correlations.
    """

    derives = "matching"

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[tuple[str, int], dict[str, Correlation]] = {}
        self._add_input("input", grouping="global", tuple_type=Correlation)
        self._add_output("output", tuple_type=Correlation)
        self._add_output("skipped", tuple_type=Skipped)

    def derivation_key(self, port: str, item: Any) -> str | None:
        """Return the instruments and the start of a correlation.

        Parameters
        ----------
        port : str
            Input or output.
        item : object
            The item.
        """
        if isinstance(item, Correlation):
            name, start = _place(item)
            return f"{name} from {start}"
        return None

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Take one correlation."""
        item: Correlation = inputs["input"]
        key = _place(item)
        members = self._waiting.setdefault(key, {})
        members[item.first[-1] + item.second[-1]] = item
        if len(members) < 9:
            return
        del self._waiting[key]
        yield from self._rotated(key[0], list(members.values()))

    def postprocess(self) -> None:
        """Report the incomplete pairs."""
        for (name, _), members in sorted(self._waiting.items()):
            for outputs in self._rotated(name, list(members.values())):
                for port, item in outputs.items():
                    self.write(port, item)
        self._waiting = {}

    def _rotated(
        self, name: str, members: list[Correlation]
    ) -> Iterator[dict[str, Any]]:
        try:
            rotated = rotate_correlations(members)
        except (DataError, ParameterError) as error:
            reason = str(error).removeprefix(f"{name}: ")
            yield {"skipped": Skipped("rotate", name, reason)}
            return
        yield from ({"output": correlation} for correlation in rotated)


def _place(item: Correlation) -> tuple[str, int]:
    """Return the instruments and the start of a correlation."""
    start = int(np.min(item.start_ns, initial=2**62))
    return f"{item.first[:-1]}_{item.second[:-1]}", start
