"""Files that an earlier start of a run could not read: their stations are not done.

Such files are skipped rows in the record of the run. The station of a file is known
only when the file can be read. Then the results of the station are removed, and
`--resume` measures it with all its files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dispel4py.errors import ParameterError
from misfit_app.planning import Plan, event_labels
from misfit_app.store import pairs_path, station_path
from seismo_pes.application.files import remove_folder
from seismo_pes.application.skipped import table_cell
from seismo_pes.items.skipped import FAILED_READ
from seismo_pes.metadata import read_inventory

__all__ = ["remove_outdated"]


def remove_outdated(plan: Plan, skipped: Iterable[Sequence[str]]) -> None:
    """Remove the results of stations whose files an earlier start could not read.

    A station whose file still cannot be read keeps its results.

    Parameters
    ----------
    plan
        The plan of this start.
    skipped
        What the earlier start skipped: stage, name and more of each.
    """
    earlier = {row[1] for row in skipped if row[0] == FAILED_READ}
    earlier -= {table_cell(s.what) for s in plan.skipped if s.stage == FAILED_READ}
    if not earlier:
        return
    of_metadata = _stations_of(earlier)
    labels = event_labels(plan.events)
    for task in plan.tasks:
        files = (*task.observed, *task.synthetic)
        if task.station in of_metadata or any(
            table_cell(str(place)) in earlier
            for path in map(Path, files)
            for place in (path, *path.parents)  # a folder, too, could not be listed
        ):
            label = labels[task.event.id]
            # other stations may have pairs with this one
            pairs = pairs_path(plan.out, label, task.station).parent
            remove_folder(pairs)
            station_path(plan.out, label, task.station).unlink(missing_ok=True)


def _stations_of(paths: Iterable[str]) -> set[str]:
    """Return the stations in files of metadata; waveforms have none."""
    stations = set()
    for path in sorted(paths):
        try:
            inventory, _ = read_inventory(path)
        except ParameterError:
            continue
        stations |= {f"{net.code}.{sta.code}" for net in inventory for sta in net}
    return stations
