"""Weights of categories of measurements: of components, bands and measures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispel4py.errors import ParameterError, suggest
from seismo_pes.application.values import band_of_text

__all__ = ["CategoryWeight", "category_weights"]

Band = tuple[float, float]


@dataclass(frozen=True)
class CategoryWeight:
    """The weight of the measurements of a component, band and measure.

    Attributes
    ----------
    weight : float
    component, measure : str
        "": any.
    band : (float, float), optional
        None: any.
    """

    weight: float
    component: str = ""
    band: Band | None = None
    measure: str = ""

    def of(self, component: str, band: Band, measure: str) -> float:
        """Return the weight of a category; 1 if it is another one."""
        fits = (
            self.component in ("", component)
            and self.band in (None, band)
            and self.measure in ("", measure)
        )
        return self.weight if fits else 1.0


def category_weights(
    given: Mapping[str, Any],
    components: Sequence[str],
    bands: Sequence[Sequence[float]],
    measures: Sequence[str],
    label: str = "category weights",
) -> tuple[CategoryWeight, ...]:
    """Return the weights of categories, from their names.

    Parameters
    ----------
    given : mapping of str to float
        A name has a component, a band, a measure, or several of them with colons.
    components, bands, measures : sequence
        Those of the run.
    label : str
        Begins the messages.

    Raises
    ------
    ParameterError
        If a name is not of the run, or a weight is negative.

    Examples
    --------
    >>> given = {"T": 2.0, "Z:4-20:cc_time": 0.5}
    >>> for row in category_weights(given, "ZT", [(4, 20)], ["cc_time"]):
    ...     row.of("Z", (4.0, 20.0), "cc_time")
    1.0
    0.5
    """
    of_bands = [(float(low), float(high)) for low, high in bands]
    texts = [f"{low:g}-{high:g}" for low, high in of_bands]
    rows = []
    for name, weight in given.items():
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not is_number or not 0 <= weight < math.inf:
            raise ParameterError(f"{label}: {name}={weight}: must be 0 or more")
        parts: dict[str, Any] = {}
        for word in name.split(":"):
            value: Any = word
            if word in components:
                kind = "component"
            elif word in measures:
                kind = "measure"
            elif (value := band_of_text(word)) in of_bands:
                kind = "band"
            else:
                hint = suggest(word, [*components, *texts, *measures])
                raise ParameterError(f"{label}: {word!r} is not of this run: {hint}")
            if kind in parts:
                raise ParameterError(f"{label}: {name!r} has two {kind}s")
            parts[kind] = value
        rows.append(CategoryWeight(float(weight), **parts))
    return tuple(rows)
