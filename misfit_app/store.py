"""The results of a run: a file for each station, and tables made of all of them.

A station is done when its file exists. The tables have the rows of all files in the
order of events and stations, so that a continued run writes the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from obspy import UTCDateTime

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from dispel4py.file_search import files_named
from dispel4py.files import exists, list_folder
from misfit_app.adjoint_files import (
    arrays_path,
    station_list,
    stations_adjoint,
    write_adjoints,
)
from misfit_app.bound_files import file_sum, read_bound, write_bound
from misfit_app.ledger import as_csv, row_of
from misfit_app.run_file import MisfitRun, read_run
from misfit_app.weights import WeightSettings, weigh
from seismo_pes.application.files import write_whole
from seismo_pes.application.skipped import (
    SKIPPED_FILE,
    skipped_rows,
    skipped_text,
    table_cell,
)
from seismo_pes.items.codes import file_name_of
from seismo_pes.items.comparison import StationMisfits
from seismo_pes.items.descriptions import station_terms
from seismo_pes.items.events import Event
from seismo_pes.items.skipped import Skipped

__all__ = [
    "FOLDERS",
    "KEPT_FOLDER",
    "WriteStation",
    "adjoints_path",
    "files_of_events",
    "finalize",
    "kept_path",
    "lost_path",
    "n_unmeasured",
    "note_adjoints",
    "origin_of",
    "pairs_path",
    "read_ledger",
    "read_stations",
    "remarks_of",
    "station_path",
    "stations_with_adjoints",
    "summed_path",
    "tables",
]

STATIONS_FOLDER = "stations"
LOST_FOLDER = "lost"
PAIRS_FOLDER = "pairs"
LOST_PAIRS_FOLDER = "lost_pairs"
KEPT_FOLDER = "kept"
#: Folders of files that `misfit_app.bound_files.read_bound` reads.
FOLDERS = (STATIONS_FOLDER, LOST_FOLDER, PAIRS_FOLDER, LOST_PAIRS_FOLDER)
LEDGER_FILE = "ledger.csv"
WINDOWS_FILE = "windows.json"
STATIONS_FILE = "stations.csv"
GEOMETRY = ("latitude", "longitude", "distance_km", "azimuth_deg", "back_azimuth_deg")


def station_path(out: Path, label: str, station: str) -> Path:
    """Return the file of a station."""
    return out / STATIONS_FOLDER / label / f"{file_name_of(station)}.json"


def lost_path(out: Path, label: str, station: str, pairs: bool = False) -> Path:
    """Return the file of a station, or of its pairs, that a step could not finish."""
    folder = LOST_PAIRS_FOLDER if pairs else LOST_FOLDER
    return out / folder / label / f"{file_name_of(station)}.json"


def pairs_path(out: Path, label: str, station: str) -> Path:
    """Return the file of the pairs of a station."""
    return out / PAIRS_FOLDER / label / f"{file_name_of(station)}.json"


def kept_path(out: Path, label: str, station: str) -> Path:
    """Return the file of the records of a station in all bands."""
    return out / KEPT_FOLDER / label / f"{file_name_of(station)}.npz"


def summed_path(out: Path, label: str, station: str) -> Path:
    """Return the file of the adjoint sources of the pairs of a station."""
    return out / KEPT_FOLDER / label / f"{file_name_of(station)}.pairs.npz"


def adjoints_path(out: Path, label: str, station: str) -> Path:
    """Return the list of the adjoint sources that the last phase of a run wrote."""
    return out / KEPT_FOLDER / label / f"{file_name_of(station)}.adjoints.json"


class WriteStation(GenericPE):
    """Write the file of a station, after its adjoint sources.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : str
        Identity of the results.
    labels : mapping of str to str
        Name of the files of each event, by id.
    adjoint_formats : tuple of str
        Formats of the adjoint sources.

    Ports
    -----
    input : StationMisfits
    """

    def __init__(
        self,
        out: Path,
        results: str,
        labels: Mapping[str, str],
        adjoint_formats: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self._add_input("input", tuple_type=StationMisfits)
        self.out, self.results, self.labels = out, results, dict(labels)
        self.adjoint_formats = adjoint_formats

    def process(self, inputs: dict[str, Any]) -> None:
        """Write one station."""
        item: StationMisfits = inputs["input"]
        label = self.labels[item.event.id]
        files = write_adjoints(
            self.out, self.results, label, item, self.adjoint_formats
        )
        content = {
            "event": item.event.id,
            "origin": origin_of(item.event),
            "station": item.station,
            "geometry": dict(item.geometry),
            "rows": [row_of(row) for row in item.rows],
            "windows": [dict(window) for window in item.windows],
            "n_kept_bands": len(item.bands),
            "adjoints": note_adjoints(self, self.out, item, files),
            "remarks": [[r.stage, r.what, r.reason] for r in item.remarks],
        }
        path = station_path(self.out, label, item.station)
        write_bound(self.out, path, self.results, content)
        self.note_file(path, "json", **station_terms(item))


def note_adjoints(
    element: GenericPE,
    out: Path,
    item: StationMisfits,
    files: Mapping[str, Iterable[Path]],
) -> dict[str, str]:
    """Note files of adjoint sources for provenance; return their checksums.

    Parameters
    ----------
    element : GenericPE
        The element that wrote them.
    out : Path
        Folder of the run.
    item : StationMisfits
    files : mapping of str to iterable of Path
        By format.

    Returns
    -------
    dict of str to str
        By the places of the files in the folder of the run.
    """
    sums = {}
    for kind, paths in files.items():
        for path in paths:
            element.note_file(path, kind, **station_terms(item))
            sums[path.relative_to(out).as_posix()] = file_sum(path)
    return sums


def origin_of(event: Event) -> dict[str, Any]:
    """Return the origin of an event for the files of its stations."""
    return {
        "time": str(UTCDateTime(ns=event.time_ns)),
        "latitude": event.latitude,
        "longitude": event.longitude,
        "depth_m": event.depth_m,
        "magnitude": event.magnitude,
    }


def read_stations(
    out: str | Path, pairs: bool = True, unfinished: bool = False
) -> list[dict[str, Any]]:
    """Return the contents of the files of all stations, by event and station.

    Each has, besides, the ``label`` of its event in the names of files. The rows have
    the weights that the options of the run ask for.

    Parameters
    ----------
    out : str or Path
        Folder of the run.
    pairs : bool
        Whether the rows of pairs are among them.
    unfinished : bool
        Accept a run that has not ended.

    Raises
    ------
    DataError
        If the folder has no results, a file is damaged or belongs to another run, or
        the run has not ended.
    """
    out, run = Path(out), read_run(out)
    stations = [
        _station(out, run, label, name, pairs) for label, name in _places(out, run)
    ]
    if not stations:
        raise DataError(f"{out}: has no results of misfit-app yet")
    if not unfinished and (n_left := n_unmeasured(out, run, pairs)):
        n_stations = sum(len(event["stations"]) for event in run.events.values())
        raise DataError(
            f"{out}: the run has not ended: {n_left:,} of {n_stations:,} stations are "
            "left; --resume continues it, --unfinished accepts that"
        )
    settings = WeightSettings.of(run.config)
    if settings.differ:
        weights = weigh(stations, settings)
        for row in (row for station in stations for row in station["rows"]):
            if row["status"] == "measured":
                row["weight"] = weights.of_row(row)
    return stations


def files_of_events(folder: Path, pattern: str) -> list[Path]:
    """Return the files in the folders of all events, sorted.

    Parameters
    ----------
    folder : Path
        The folder with a folder for each event.
    pattern : str
        With the wildcards of `fnmatch`.
    """
    labels = list_folder(str(folder))[0]
    return [path for label in labels for path in files_named(folder / label, pattern)]


def _places(out: Path, run: MisfitRun) -> list[tuple[str, str]]:
    """Return label and name of the files of stations, those of the run and others."""
    places = {
        (path.parent.name, path.name)
        for name in (STATIONS_FOLDER, LOST_FOLDER)
        for path in files_of_events(out / name, "*.json")
    }
    if unknown := {label for label, _ in places} - set(run.events):
        name = f"{STATIONS_FOLDER}/{min(unknown)}"
        raise DataError(f"{out}: has files of an event of another run: {name}")
    return sorted(places)


def _station(
    out: Path, run: MisfitRun, label: str, name: str, pairs: bool
) -> dict[str, Any]:
    measured, lost = (
        out / folder / label / name for folder in (STATIONS_FOLDER, LOST_FOLDER)
    )
    path = measured if exists(measured) else lost
    content = read_bound(out, path, run.results) | {"label": label}
    event = run.events[label]
    if any(content[key] != event[key] for key in ("event", "origin")):
        raise DataError(f"{path}: belongs to another event than those of the run")
    for folder in (PAIRS_FOLDER, LOST_PAIRS_FOLDER) if pairs else ():
        if exists(path := out / folder / label / name):
            content["rows"] += read_bound(out, path, run.results)["rows"]
            break
    return content


def n_unmeasured(out: Path, run: MisfitRun, pairs: bool = True) -> int:
    """Return how many stations of a run have no results yet.

    Parameters
    ----------
    out : Path
        Folder of the run.
    run : MisfitRun
    pairs : bool
        Whether the measures of pairs count.
    """
    n_left = 0
    for label, event in run.events.items():
        for station in event["stations"]:
            path = station_path(out, label, station)
            if exists(path):
                n_left += pairs and _lacks_pairs(out, run, label, station)
            else:
                n_left += not exists(lost_path(out, label, station))
    return n_left


def _lacks_pairs(out: Path, run: MisfitRun, label: str, station: str) -> bool:
    """Return whether a measured station has no measures of pairs, but needs them."""
    if not run.has_pairs or exists(pairs_path(out, label, station)):
        return False
    if exists(lost_path(out, label, station, pairs=True)):
        return False
    path = station_path(out, label, station)
    return bool(read_bound(out, path, run.results)["geometry"])


def read_ledger(out: str | Path, unfinished: bool = False) -> list[dict[str, Any]]:
    """Return all rows of the ledger of a run.

    Parameters
    ----------
    out : str or Path
        Folder of the run.
    unfinished : bool
        Accept a run that has not ended.
    """
    stations = read_stations(out, unfinished=unfinished)
    return [row for station in stations for row in station["rows"]]


def remarks_of(stations: Iterable[Mapping[str, Any]]) -> list[Skipped]:
    """Return the remarks on traces that are used.

    Parameters
    ----------
    stations : iterable of mapping
        From `read_stations`.
    """
    return [Skipped(*entry) for station in stations for entry in station["remarks"]]


def stations_with_adjoints(
    out: Path, stations: Iterable[Mapping[str, Any]]
) -> dict[str, list[Mapping[str, Any]]]:
    """Return the stations whose adjoint sources the run keeps, by label of the event.

    Parameters
    ----------
    out : Path
        Folder of the run.
    stations : iterable of mapping
        From `read_stations`.
    """
    by_event: dict[str, list[Mapping[str, Any]]] = {}
    for station in stations:
        path = arrays_path(out, station["label"], station["station"])
        if station["geometry"] and exists(path):
            by_event.setdefault(station["label"], []).append(station)
    return by_event


def tables(out: Path, stations: Sequence[Mapping[str, Any]]) -> dict[Path, str]:
    """Return the tables of a run: ledger, stations, windows, skipped files, and lists.

    Parameters
    ----------
    out : Path
        Folder of the run.
    stations : sequence of mapping
        From `read_stations`.

    Returns
    -------
    dict of Path to str
        The text of each file.
    """
    rows = [row for station in stations for row in station["rows"]]
    lines = [",".join(("event", "station", *GEOMETRY))]
    for station in stations:
        geometry = station["geometry"]
        numbers = [repr(geometry[name]) if geometry else "" for name in GEOMETRY]
        names = [table_cell(station[name]) for name in ("event", "station")]
        lines.append(",".join([*names, *numbers]))
    windows = [window for station in stations for window in station["windows"]]
    skipped = [*read_run(out).skipped, *skipped_rows(remarks_of(stations))]
    lists = {
        station_list(out, label): stations_adjoint(some)
        for label, some in stations_with_adjoints(out, stations).items()
    }
    return {
        out / LEDGER_FILE: as_csv(rows),
        out / STATIONS_FILE: "\n".join(lines) + "\n",
        out / WINDOWS_FILE: json.dumps(windows, indent=1) + "\n",
        out / SKIPPED_FILE: skipped_text(skipped),
        **lists,
    }


def finalize(out: Path) -> list[dict[str, Any]]:
    """Write the tables of a run, see `tables`; return the contents of all stations.

    Parameters
    ----------
    out : Path
        Folder of the run.
    """
    stations = read_stations(out)
    for path, text in tables(out, stations).items():
        write_whole(path, text)
    return stations
