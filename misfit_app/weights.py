"""Weights of the measurements: by category, density of stations, and azimuth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from misfit_app.config.categories import CategoryWeight, category_weights
from seismo_pes.measuring.station_weights import azimuth_weights, density_weights

__all__ = ["WeightSettings", "Weights", "weigh"]

Station = tuple[str, str]
Category = tuple[Any, ...]


@dataclass(frozen=True)
class WeightSettings:
    """Which weights measurements have.

    Attributes
    ----------
    kinds : tuple of str
        Some of ``category``, ``density``, ``azimuth``: their product is the weight.
    distance_km : float, optional
        See `density_weights`.
    n_sectors : int
        See `azimuth_weights`.
    categories : tuple of CategoryWeight
        Weights that the user gave.
    """

    kinds: tuple[str, ...] = ()
    distance_km: float | None = None
    n_sectors: int = 12
    categories: tuple[CategoryWeight, ...] = ()

    @property
    def differ(self) -> bool:
        """Whether weights may differ from 1."""
        return bool(self.kinds or self.categories)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> WeightSettings:
        """Return those of the options of a run."""
        return cls(
            tuple(config.get("weights") or ()),
            config.get("weight_distance_km"),
            config.get("weight_sectors", cls.n_sectors),
            _given(config),
        )


def _given(config: Mapping[str, Any]) -> tuple[CategoryWeight, ...]:
    given = config.get("category_weights")
    if not given:
        return ()
    names = config["components"], config["periods_s"], config["measures"]
    return category_weights(given, *names)


@dataclass(frozen=True)
class Weights:
    """The weights of a run.

    Attributes
    ----------
    stations : mapping of (str, str) to float
        Of each event and station, by density and azimuth.
    categories : mapping of tuple to float
        Of each event, component, band and measure.
    """

    stations: Mapping[Station, float] = field(default_factory=dict)
    categories: Mapping[Category, float] = field(default_factory=dict)

    def of_stations(self, event: str, station: str, other: str = "") -> float:
        """Return the weight of a station; of two, the geometric mean."""
        weight = self.stations.get((event, station), 1.0)
        if not other:
            return weight
        return float(np.sqrt(weight * self.stations.get((event, other), 1.0)))

    def of_row(self, row: Mapping[str, Any]) -> float:
        """Return the weight of a measured row."""
        other = row["pair"].rsplit(".", 2)[0]
        by_station = self.of_stations(row["event"], row["station"], other)
        return by_station * self.categories.get(_category(row), 1.0)

    def of_category(
        self, event: str, component: str, band: tuple[float, float], measure: str
    ) -> float:
        """Return the weight of the measurements of a component, band and measure."""
        return self.categories.get((event, component, *band, measure), 1.0)


def _category(row: Mapping[str, Any]) -> Category:
    names = ("event", "component", "min_period_s", "max_period_s", "measure")
    return tuple(row[name] for name in names)


def weigh(stations: Sequence[Mapping[str, Any]], settings: WeightSettings) -> Weights:
    """Return the weights of the measurements of a run.

    By category, the weights of one component, band and measure of an event have the sum
    1; given weights of categories are factors. By density and azimuth, the weights of
    the stations of an event have the mean 1; the stations are those with a measured
    row, or if only pairs are measured, those with windows.

    Parameters
    ----------
    stations
        The contents of the files of all stations.
    settings
        Which weights.
    """
    by_station: dict[Station, float] = {}
    if {"density", "azimuth"} & set(settings.kinds):
        for event in dict.fromkeys(station["event"] for station in stations):
            mine = [s for s in stations if s["event"] == event and _is_used(s)]
            values = _of_event(mine, settings)
            by_station |= {
                (event, station["station"]): weight
                for station, weight in zip(mine, values.tolist(), strict=True)
            }
    rows = (row for station in stations for row in station["rows"])
    return Weights(by_station, _of_categories(rows, settings))


def _is_used(station: Mapping[str, Any]) -> bool:
    if not station["geometry"]:
        return False
    rows = [row for row in station["rows"] if row["measure"] and not row["pair"]]
    if not rows:  # only pairs are measured
        return bool(station.get("n_kept_bands"))
    return any(row["status"] == "measured" for row in rows)


def _of_event(
    stations: Sequence[Mapping[str, Any]], settings: WeightSettings
) -> np.ndarray:
    weights = np.ones(len(stations))
    if not stations:
        return weights
    latitude, longitude, azimuth = (
        [station["geometry"][name] for station in stations]
        for name in ("latitude", "longitude", "azimuth_deg")
    )
    if "density" in settings.kinds:
        weights = density_weights(latitude, longitude, settings.distance_km)
    if "azimuth" in settings.kinds:
        weights = weights * azimuth_weights(azimuth, settings.n_sectors)
    return np.asarray(weights / weights.mean())


def _of_categories(
    rows: Iterable[Mapping[str, Any]], settings: WeightSettings
) -> dict[Category, float]:
    counts = Counter(_category(row) for row in rows if row["status"] == "measured")
    weights = {}
    for category, n in counts.items():
        _, component, low, high, measure = category
        weight = math.prod(
            given.of(component, (low, high), measure) for given in settings.categories
        )
        weights[category] = weight / n if "category" in settings.kinds else weight
    return weights
