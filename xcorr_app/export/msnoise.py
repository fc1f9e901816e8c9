"""A folder that MSNoise 2 reads: daily correlations and references as netCDF.

::

    DEST/preprocess_1/cc_1/filter_1/_output/daily/ZZ/A_B/2022-05-17.nc           CCF
    DEST/preprocess_1/cc_1/filter_1/stack_1/refstack_1/_output/REF/ZZ/A_B.nc     REF

A and B are ``NET.STA.LOC``, with ``--`` for an empty location code; the lag axis is
``taxis``. ``xr_get_ccf_daily`` and ``xr_get_ref`` of ``msnoise.core.io`` read these
files if DEST is the output folder of MSNoise. The names of the steps are those of the
first configuration of a project. A run with several bands also has ``filter_2`` and so
on, from the lowest band to the highest.
"""

from __future__ import annotations

import os
from pathlib import Path

from seismo_pes.application.files import new_folder
from seismo_pes.items.correlation import Correlation
from seismo_pes.whole_file import whole_file
from xcorr_app.export.columns import Column
from xcorr_app.export.netcdf import write_netcdf
from xcorr_app.export.target import Progress, about, iterate_named, stacks_for
from xcorr_app.store import Store

__all__ = ["export_msnoise"]

PREPARED = Path("preprocess_1", "cc_1")
REFERENCE = Path("stack_1", "refstack_1", "_output", "REF")
DAILY = Path("_output", "daily")


def export_msnoise(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations in the layout of MSNoise.

    Daily stacks become its daily correlations; the stack of the whole run becomes its
    reference.

    Parameters
    ----------
    store, dest, force, progress
        As for `export_sac`.
    stack
        Name of one stack; by default the stack of the whole run and the daily stacks.

    Raises
    ------
    ParameterError
        If ``dest`` exists, or if two pairs have the same name in MSNoise, where the
        name of a channel is its component only.
    """
    folder = new_folder(dest, force, "msnoise")
    for stacked in stacks_for(store, stack, ("day",)):
        attributes = about(store, stacked.name)
        filtered = PREPARED / f"filter_{stacked.band}"
        daily = stacked.unit == "day"
        pairs = iterate_named(store, stacked, "MSNoise", _make_label, progress)
        for correlation, label in pairs:
            path = filtered / REFERENCE / f"{label}.nc"
            if daily:
                path = filtered / DAILY / label / f"{stacked.period}.nc"
            _write(folder / path, "CCF" if daily else "REF", correlation, attributes)
    return folder


def _make_label(correlation: Correlation) -> str:
    codes = (
        channel.split(".")[:3] for channel in (correlation.first, correlation.second)
    )
    pair = "_".join(f"{net}.{sta}.{loc or '--'}" for net, sta, loc in codes)
    return f"{correlation.components}/{pair}"


def _write(
    path: Path, name: str, correlation: Correlation, about: dict[str, str]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [
        Column("taxis", ("taxis",), correlation.lags_s, {"units": "s"}),
        Column(name, ("taxis",), correlation.data),
    ]
    with whole_file(path, sync=False) as temporary:
        write_netcdf(temporary, columns, about)
