"""A folder that MSNoise 2 reads: daily correlations and references, netCDF.

::

    DEST/preprocess_1/cc_1/filter_1/_output/daily/ZZ/A_B/2022-05-17.nc           CCF
    DEST/preprocess_1/cc_1/filter_1/stack_1/refstack_1/_output/REF/ZZ/A_B.nc     REF

with A and B as ``NET.STA.LOC`` (``--`` for no location) and the lag axis ``taxis``, as
``xr_get_ccf_daily`` and ``xr_get_ref`` of ``msnoise.core.io`` find them when DEST is
MSNoise's output folder. The steps have the names of a project's first configuration.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from xcorr_app.correlation import Correlation
from xcorr_app.export.columns import Column
from xcorr_app.export.netcdf import write_netcdf
from xcorr_app.export.target import Names, Progress, about, each, new_folder
from xcorr_app.store import Store

__all__ = ["export_msnoise"]

FILTER = Path("preprocess_1", "cc_1", "filter_1")
REFERENCE = FILTER / "stack_1" / "refstack_1" / "_output" / "REF"
DAILY = FILTER / "_output" / "daily"


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
        Name of one stack; by default all of them.

    Raises
    ------
    ParameterError
        Also if two pairs have one name in MSNoise, which tells channels by their
        component.
    """
    folder = new_folder(dest, force, "msnoise")
    for name in store.stacks if stack is None else [stack]:
        names = Names("MSNoise")
        attributes = about(store, name)
        for one in each(store, name, progress):
            pair = names.claim(f"{_component(one)}/{_pair(one)}", one)
            daily = _is_day(name)
            path = DAILY / pair / f"{name}.nc" if daily else REFERENCE / f"{pair}.nc"
            _write(folder / path, "CCF" if daily else "REF", one, attributes)
    return folder


def _is_day(name: str) -> bool:
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True


def _component(one: Correlation) -> str:
    return one.first[-1] + one.second[-1]


def _pair(one: Correlation) -> str:
    codes = (channel.split(".")[:3] for channel in (one.first, one.second))
    return "_".join(f"{net}.{sta}.{loc or '--'}" for net, sta, loc in codes)


def _write(path: Path, name: str, one: Correlation, about: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [
        Column("taxis", ("taxis",), one.lags_s, {"units": "s"}),
        Column(name, ("taxis",), one.data),
    ]
    write_netcdf(path, columns, about)
