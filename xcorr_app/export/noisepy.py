"""A folder that NoisePy reads: ASDF stores of stacks and of correlations.

::

    DEST/STACK/NET.STA/NET.STA/TIMESPAN.h5    Allstack_linear/ZZ
    DEST/CCF/TIMESPAN.h5                      NET.STA_NET.STA/bhz_bhz

``ASDFStackStore("DEST/STACK", "r")`` and ``ASDFCCStore("DEST/CCF", "r")`` of
noisepy-seis-io 0.3 read them. TIMESPAN is ``2022_05_17_00_00_00T2022_05_18_00_00_00``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.application.files import new_folder
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.times import NS
from seismo_pes.whole_file import whole_file
from seismo_pes.writing.asdf import AsdfWriter
from xcorr_app.export.target import (
    Progress,
    Stacked,
    about,
    iterate_named,
    stacks_for,
    write_about,
)
from xcorr_app.results.stack_names import UNITS
from xcorr_app.store import Store

__all__ = ["export_noisepy"]

STACK = "Allstack_linear"
UNDERSCORES = str.maketrans("-:T", "___")


def export_noisepy(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations in the layout of NoisePy.

    Each substack (of a day, an hour or a window) becomes one file of correlations. The
    stack of the whole run becomes one file per pair. A run with several bands gets a
    folder for each band, such as ``0.1-0.5Hz/STACK``.

    Parameters
    ----------
    store, dest, force, progress
        As for `export_sac`.
    stack
        Name of one stack; by default the stack of the whole run and all substacks.

    Raises
    ------
    ParameterError
        If ``dest`` exists, or if two pairs have the same name in NoisePy, where the
        name of a channel in a stack is its component only.
    """
    folder = new_folder(dest, force, "noisepy")
    for stacked in stacks_for(store, stack, UNITS):
        place = folder / stacked.band_name
        write = _write_substack if stacked.unit else _write_stack
        write(store, stacked, place, progress)
    write_about(folder, store, stack)
    return folder


def _write_stack(
    store: Store, stack: Stacked, folder: Path, progress: Progress | None
) -> None:
    """Write the stack of the whole run, one file for each station pair."""
    replaced: set[Path] = set()
    origin = about(store, stack.name)
    pairs = iterate_named(store, stack, "NoisePy", _name_in_stacks, progress)
    for correlation, label in pairs:
        span = _timespan(int(correlation.start_ns), int(correlation.end_ns))
        path = folder / "STACK" / Path(label).parent / f"{span}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, sync=False) as temporary:
            if path in replaced:  # other components of the pair
                shutil.copyfile(path, temporary)
            with AsdfWriter(temporary, "a") as file:
                parameters = _describe(correlation)
                components = correlation.components
                file.add_auxiliary(correlation.data, STACK, components, parameters)
                file.set_attributes(origin)
        replaced.add(path)


def _write_substack(
    store: Store, stack: Stacked, folder: Path, progress: Progress | None
) -> None:
    """Write one substack, a file for all pairs."""
    (folder / "CCF").mkdir(parents=True, exist_ok=True)
    path = folder / "CCF" / f"{_timespan(*_time_of_substack_ns(store, stack))}.h5"
    with whole_file(path, sync=False) as temporary, AsdfWriter(temporary) as file:
        file.set_attributes(about(store, stack.name))
        pairs = iterate_named(store, stack, "NoisePy", _name_in_substacks, progress)
        for correlation, label in pairs:
            stations, _, channels = label.partition("/")
            parameters = _describe(correlation)
            file.add_auxiliary(correlation.data, stations, channels, parameters)


def _name_in_stacks(c: Correlation) -> str:
    """Return the name of a pair in STACK: station/station/components."""
    first, second = (".".join(name.split(".")[:2]) for name in (c.first, c.second))
    return f"{first}/{second}/{c.components}"


def _name_in_substacks(c: Correlation) -> str:
    """Return the name of a pair in CCF: stations/channels."""
    sides = c.first.split("."), c.second.split(".")
    stations = "_".join(".".join(side[:2]) for side in sides)
    channels = "_".join(
        name.lower() + (f"_{location}" if location else "")
        for _, _, location, name in sides
    )
    return f"{stations}/{channels}"


def _time_of_substack_ns(store: Store, stack: Stacked) -> tuple[int, int]:
    """Return the start and the end of the time of a substack."""
    text, _, length = stack.period.partition("~")
    start_ns = int(np.datetime64(text, "ns").astype(np.int64))
    lengths_s = {"day": 86_400.0, "hour": 3600.0}
    if stack.unit == "moving":
        length_s = float(length.removesuffix("s"))
    else:
        length_s = lengths_s.get(stack.unit) or float(store.config.get("window_s", 0))
    return start_ns, start_ns + round(length_s * NS)


def _timespan(start_ns: int, end_ns: int) -> str:
    """Return the name of a time span in NoisePy.

    >>> _timespan(0, 86_400 * NS)
    '1970_01_01_00_00_00T1970_01_02_00_00_00'
    """
    edges = np.array([start_ns, end_ns], "datetime64[ns]").astype("datetime64[s]")
    return "T".join(str(edge).translate(UNDERSCORES) for edge in edges)


def _describe(correlation: Correlation) -> dict[str, Any]:
    max_lag_s = float(correlation.lags_s[-1])
    return {
        "dt": 1 / correlation.rate_hz,
        "maxlag": int(max_lag_s) if max_lag_s.is_integer() else max_lag_s,
        "dist": np.float32(correlation.distance_km),
        "azi": np.float32(correlation.azimuth_deg),
        "baz": np.float32(correlation.back_azimuth_deg),
        "latS": np.float32(correlation.first_place[0]),
        "lonS": np.float32(correlation.first_place[1]),
        "latR": np.float32(correlation.second_place[0]),
        "lonR": np.float32(correlation.second_place[1]),
        "ngood": int(correlation.n_windows),
        "cc_method": "xcorr",
        "time": int(correlation.start_ns) / NS,
        "substack": False,
        "comp": correlation.components,
    }
