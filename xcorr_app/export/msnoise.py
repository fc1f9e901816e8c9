"""A folder that MSNoise 2 reads: daily correlations and references, netCDF.

::

    DEST/preprocess_1/cc_1/filter_1/_output/daily/ZZ/A_B/2022-05-17.nc           CCF
    DEST/preprocess_1/cc_1/filter_1/stack_1/refstack_1/_output/REF/ZZ/A_B.nc     REF

with A and B as ``NET.STA.LOC`` (``--`` for no location) and the lag axis ``taxis``, as
``xr_get_ccf_daily`` and ``xr_get_ref`` of ``msnoise.core.io`` find them when DEST is
MSNoise's output folder. The steps have the names of a project's first configuration;
a run of several bands has ``filter_2`` and so on, lowest first.
"""

from __future__ import annotations

import os
from pathlib import Path

from xcorr_app.export.columns import Column
from xcorr_app.export.netcdf import write_netcdf
from xcorr_app.export.target import Progress, about, claimed, new_folder, stacks_for
from xcorr_app.results.correlation import Correlation
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
    """Write correlations as MSNoise does.

    Stacks of days become its daily correlations, the stack of all windows its
    reference.

    Parameters
    ----------
    store, dest, force, progress
        As of `export_sac`.
    stack
        Name of one stack; by default that of all windows and those of days.

    Raises
    ------
    ParameterError
        Also if two pairs have one name in MSNoise, which tells channels by their
        component.
    """
    folder = new_folder(dest, force, "msnoise")
    for one_stack in stacks_for(store, stack, ("day",)):
        attributes = about(store, one_stack.name)
        filtered = PREPARED / f"filter_{one_stack.band}"
        daily = one_stack.unit == "day"
        for one, label in claimed(store, one_stack, "MSNoise", _label, progress):
            path = filtered / REFERENCE / f"{label}.nc"
            if daily:
                path = filtered / DAILY / label / f"{one_stack.period}.nc"
            _write(folder / path, "CCF" if daily else "REF", one, attributes)
    return folder


def _label(one: Correlation) -> str:
    codes = (channel.split(".")[:3] for channel in (one.first, one.second))
    pair = "_".join(f"{net}.{sta}.{loc or '--'}" for net, sta, loc in codes)
    return f"{one.components}/{pair}"


def _write(path: Path, name: str, one: Correlation, about: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [
        Column("taxis", ("taxis",), one.lags_s, {"units": "s"}),
        Column(name, ("taxis",), one.data),
    ]
    write_netcdf(path, columns, about)
