"""Figures of a station: its records with windows, and time-frequency misfits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seismo_pes.element import ItemElement
from seismo_pes.items.codes import file_name_of
from seismo_pes.items.comparison import (
    ComparedComponent,
    MisfitRow,
    StationMisfits,
)
from seismo_pes.measuring.bands import RejectedBand, cut_to_band
from seismo_pes.measuring.misfits import MOTION_UNITS, MisfitSettings
from seismo_pes.plotting import (
    ComparedTraces,
    MeasuredWindow,
    band_name,
    records_figure,
    save,
    time_frequency_figure,
)
from seismo_pes.signal.misfits.settings import checked
from seismo_pes.signal.misfits.time_frequency import (
    TimeFrequencySettings,
    time_frequency_misfit,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FIGURES_FOLDER", "DrawStation", "station_figures"]

FIGURES_FOLDER = "figures"
TIME_FREQUENCY = ("tf_envelope", "tf_phase")
Band = tuple[float, float]


class DrawStation(ItemElement):
    """Draw the figures of each station.

    Parameters
    ----------
    out : Path
        Folder of the run.
    labels : mapping of str to str
        Name of the files of each event, by id.
    settings : MisfitSettings
        How the stations are measured; with ``keeps_records``.

    Ports
    -----
    input : StationMisfits
    output : StationMisfits
        The input, unchanged.
    """

    takes = gives = StationMisfits

    def __init__(
        self, out: Path, labels: Mapping[str, str], settings: MisfitSettings
    ) -> None:
        super().__init__()
        self.out, self.labels, self.settings = out, dict(labels), settings

    def transform(self, item: StationMisfits) -> StationMisfits:
        """Draw one station."""
        folder = self.out / FIGURES_FOLDER / self.labels[item.event.id]
        for name, figure in station_figures(item, self.settings):
            save(figure, folder / f"{name}.png")
        return item


def station_figures(
    station: StationMisfits, settings: MisfitSettings
) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of each band, and of each time-frequency misfit.

    Parameters
    ----------
    station : StationMisfits
        With its records.
    settings : MisfitSettings
        How it was measured.
    """
    for band in settings.bands:
        rows = [
            r for r in station.rows if (r.min_period_s, r.max_period_s) == tuple(band)
        ]
        drawing = _BandFigures(station, settings, band, rows)
        name = f"{file_name_of(station.station)}_{band[0]:g}-{band[1]:g}s"
        yield name, drawing.records()
        for component, figure in drawing.time_frequency():
            yield f"{name}_{component}_tf", figure


class _BandFigures:
    """The figures of a station in one period band."""

    def __init__(
        self,
        station: StationMisfits,
        settings: MisfitSettings,
        band: Band,
        rows: Sequence[MisfitRow],
    ) -> None:
        assert station.records is not None, "figures need the records"
        self.station, self.settings, self.band, self.rows = (
            station, settings, band, rows,
        )  # fmt: skip
        self.compared = station.records
        self.title = f"{station.station}, {band_name(band)}"

    def records(self) -> Figure:
        """Return the figure of all components."""
        components = list(self.compared.components)
        traces = [self._traces(component) for component in components]
        seen = {(c.component, c.location) for c in components}
        for row in self.rows:
            if (row.component, row.location) not in seen:
                seen.add((row.component, row.location))
                mine = self._rows_of(row.component, row.location)
                traces.append(_without_samples(row.component, mine))
        unit = MOTION_UNITS[self.compared.motion]
        return records_figure(traces, unit=unit, title=self.title, note=self._note())

    def _note(self) -> str:
        geometry, event = self.station.geometry, self.station.event
        parts = [f"event {event.label}"]
        if event.magnitude is not None:
            parts.append(f"magnitude {event.magnitude:.1f}")
        if geometry:
            parts.append(f"distance {geometry['distance_km']:.1f} km")
            parts.append(f"azimuth {geometry['azimuth_deg']:.1f}°")
        return ", ".join(parts)

    def _rows_of(self, component: str, location: str) -> list[MisfitRow]:
        mine = component, location
        return [row for row in self.rows if (row.component, row.location) == mine]

    def _traces(self, component: ComparedComponent) -> ComparedTraces:
        rows = self._rows_of(component.component, component.location)
        order = self.settings.filter_order
        try:
            cut = cut_to_band(component, self.compared.delta_s, self.band, order)
        except RejectedBand:  # the rows have the reason
            return _without_samples(component.component, rows)
        return ComparedTraces(
            component.component,
            cut.start_s,
            cut.delta_s,
            cut.observed,
            cut.synthetic,
            _windows(component.component, rows, self.station.windows, self.band),
            _remark(rows),
        )

    def time_frequency(self) -> Iterator[tuple[str, Figure]]:
        """Yield component and figure of each measured time-frequency misfit."""
        given = [
            opts for name, opts in self.settings.measures if name in TIME_FREQUENCY
        ]
        for component in self.compared.components:
            rows = self._rows_of(component.component, component.location)
            if given and any(
                row.measure in TIME_FREQUENCY and row.status == "measured"
                for row in rows
            ):
                yield component.component, self._maps(component, given[0])

    def _maps(self, component: ComparedComponent, given: Mapping[str, Any]) -> Figure:
        order = self.settings.filter_order
        cut = cut_to_band(component, self.compared.delta_s, self.band, order)
        options = asdict(checked(TimeFrequencySettings, dict(given)))
        low_hz = 1 / (options["max_period_s"] or self.band[1])
        high_hz = 1 / (options["min_period_s"] or self.band[0])
        misfit = time_frequency_misfit(
            cut.observed,
            cut.synthetic,
            cut.delta_s,
            low_hz,
            high_hz,
            options["n_frequencies"],
            options["w0"],
            options["reference"],
        )
        note = f"{self._note()}, reference: {options['reference']}"
        if self.settings.windows != "whole":
            note += ", all samples (the ledger has the numbers of the windows)"
        return time_frequency_figure(
            misfit,
            cut.observed,
            cut.synthetic,
            cut.delta_s,
            cut.start_s,
            unit=MOTION_UNITS[self.compared.motion],
            title=f"{self.station.station} {component.component}, "
            f"{band_name(self.band)}",
            note=note,
        )


def _without_samples(component: str, rows: Iterable[MisfitRow]) -> ComparedTraces:
    reasons = [f"{row.stage}: {row.reason}" for row in rows if row.stage]
    text = "; ".join(dict.fromkeys(reasons))
    return ComparedTraces(component or "all", remark=f"rejected: {text}")


def _windows(
    component: str,
    rows: Iterable[MisfitRow],
    windows: Iterable[Mapping[str, Any]],
    band: Band,
) -> tuple[MeasuredWindow, ...]:
    """Return the windows of a component with the numbers of its measures.

    Numbers that no measure has are those of the picker. Windows without a measured row
    have no numbers.
    """
    numbers: dict[tuple[float, float], dict[str, Any]] = {}
    rejected: set[tuple[float, float]] = set()
    for row in rows:
        if row.window_s is None:
            continue
        key = _key(*row.window_s)
        if row.status == "rejected":
            rejected.add(key)
            continue
        _add_numbers(numbers.setdefault(key, {}), row.quantities)
    for window in windows:
        key = _key(window["start_s"], window["end_s"])
        periods = window["min_period_s"], window["max_period_s"]
        if window["component"] == component and periods == band and key in numbers:
            _add_numbers(numbers[key], window)
    return (
        *(MeasuredWindow(*key, **values) for key, values in numbers.items()),
        *(
            MeasuredWindow(*k, is_measured=False)
            for k in sorted(rejected - set(numbers))
        ),
    )


def _add_numbers(known: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name in ("cc", "dt_s", "dlna"):
        if more.get(name) is not None:
            known.setdefault(name, more[name])


def _key(start_s: float, end_s: float) -> tuple[float, float]:
    return round(start_s, 6), round(end_s, 6)


def _remark(rows: Sequence[MisfitRow]) -> str:
    whole = [r for r in rows if r.status == "rejected" and r.window_s is None]
    if whole:
        return "; ".join(dict.fromkeys(f"{r.stage}: {r.reason}" for r in whole))
    reasons = Counter(
        f"{row.measure or row.stage}: {row.reason.partition(' (')[0]}"
        for row in rows
        if row.status == "rejected"
    )
    texts = [f"{n} rejected, {reason}" for reason, n in reasons.items()]
    return "; ".join(texts)
