"""Geometry, windows and times of the pairs, as arrays with dimensions and units."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from xcorr_app.store import Store

__all__ = ["CORRELATION", "Column", "pair_columns"]

CORRELATION = "correlation"
TIMES = {
    "units": "nanoseconds since 1970-01-01",
    "calendar": "proleptic_gregorian",
}
PLACES = {
    "latitude": {"units": "degrees_north"},
    "longitude": {"units": "degrees_east"},
}
GEOMETRY = {
    "distance_km": {"units": "km", "long_name": "distance along the geodesic"},
    "azimuth_deg": {"units": "degree", "long_name": "azimuth at the first station"},
    "back_azimuth_deg": {
        "units": "degree",
        "long_name": "back azimuth at the second station",
    },
}


@dataclass(frozen=True, eq=False)
class Column:
    """An array with its name, its dimensions, and attributes such as its units."""

    name: str
    dims: tuple[str, ...]
    data: np.ndarray
    attributes: dict[str, str] = field(default_factory=dict)


def pair_columns(store: Store, stack: str | None, chosen: np.ndarray) -> list[Column]:
    """Return the lag axis, and names, geometry, windows and times of chosen pairs."""
    pairs, windows = store.pairs[chosen], store.windows(stack)[chosen]
    names = np.char.add(np.char.add(pairs["first_id"], "_"), pairs["second_id"])
    positive = "positive: the wave reaches the second channel later"
    columns = [
        Column("lag", ("lag",), store.lags_s, {"units": "s", "long_name": positive}),
        Column("pair", ("pair",), names.astype("U") if len(names) else names),
        Column("first", ("pair",), pairs["first_id"]),
        Column("second", ("pair",), pairs["second_id"]),
    ]
    for side in ("first", "second"):
        for name, units in PLACES.items():
            label = f"{side}_{name}"
            columns.append(Column(label, ("pair",), pairs[label], units))
    for name, units in GEOMETRY.items():
        columns.append(Column(name, ("pair",), pairs[name], units))
    columns.append(Column("n_windows", ("pair",), windows["n_windows"]))
    for name in ("start", "end"):
        columns.append(Column(name, ("pair",), windows[f"{name}_ns"], TIMES))
    return columns


def stacked_pairs(store: Store, stack: str | None) -> np.ndarray:
    """Return the rows of ``store.pairs`` that have a correlation in a stack."""
    return np.flatnonzero(store.windows(stack)["part"] >= 0)
