"""Export of the adjoint sources that a run keeps, without computing them again."""

from __future__ import annotations

from pathlib import Path

from obspy import UTCDateTime

from dispel4py.errors import DataError
from misfit_app.adjoint_files import (
    read_adjoints,
    stations_adjoint,
    write_asdf,
    write_channels,
)
from misfit_app.run_file import read_run
from misfit_app.store import read_stations, stations_with_adjoints
from seismo_pes.application.files import new_folder, write_whole

__all__ = ["export_adjoints"]

KIND = "the export of adjoint sources"


def export_adjoints(
    out: str | Path, dest: str | Path, kind: str, force: bool, unfinished: bool = False
) -> Path:
    """Write the adjoint sources of a run in one format; return the folder.

    It gets a folder for each event, with ``STATIONS_ADJOINT`` and a folder of files
    such as those of a run with ``--adjoint``; of ASDF one file, ``adjoint.h5``.

    Parameters
    ----------
    out
        Folder of the run.
    dest
        Folder of the files.
    kind
        ``specfem``, ``sac`` or ``asdf``.
    force
        Write into a folder that has files.
    unfinished
        Accept a run that has not ended.

    Raises
    ------
    DataError
        If the run keeps no adjoint sources, or they are damaged.
    """
    out = Path(out)
    run, stations = read_run(out), read_stations(out, unfinished=unfinished)
    by_event = stations_with_adjoints(out, stations)
    if not by_event:
        raise DataError(f"{out}: {_lacking(run.config)}")
    dest = new_folder(dest, force, KIND)
    for label, some in by_event.items():
        sources = (
            read_adjoints(out, run.results, label, station["station"])
            for station in some
        )
        folder = dest / label
        folder.mkdir(exist_ok=True)
        if kind == "asdf":
            write_asdf(folder / "adjoint.h5", sources)
        else:
            origin_ns = UTCDateTime(some[0]["origin"]["time"]).ns
            for station_sources in sources:
                write_channels(folder / kind, station_sources, origin_ns, kind)
        write_whole(folder / "STATIONS_ADJOINT", stations_adjoint(some))
    return dest


def _lacking(config: dict[str, object]) -> str:
    """Return why a run keeps no adjoint sources."""
    if config.get("adjoint"):
        return "has no adjoint sources: nothing was measured"
    return (
        "the run computed no adjoint sources: they need a run with --adjoint; with "
        "--windows and the windows.json of this run it has the same windows"
    )
