"""A folder that NoisePy reads: its ASDF stores of stacks and of correlations.

::

    DEST/STACK/NET.STA/NET.STA/TIMESPAN.h5    Allstack_linear/ZZ
    DEST/CCF/TIMESPAN.h5                      NET.STA_NET.STA/bhz_bhz

as ``ASDFStackStore("DEST/STACK", "r")`` and ``ASDFCCStore("DEST/CCF", "r")`` of
noisepy-seis-io 0.3 have it; TIMESPAN is ``2022_05_17_00_00_00T2022_05_18_00_00_00``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.writing.asdf import AsdfWriter
from xcorr_app.export.target import (
    Progress,
    Stacked,
    about,
    claimed,
    new_folder,
    stacks_for,
    write_about,
)
from xcorr_app.results.correlation import Correlation
from xcorr_app.results.stacks import UNITS
from xcorr_app.store import Store

__all__ = ["export_noisepy"]

STACK = "Allstack_linear"
SECOND_NS = 1_000_000_000
UNDERSCORES = str.maketrans("-:T", "___")


def export_noisepy(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations as NoisePy does.

    Stacks of days (hours, windows) become its correlations, one file for each; the
    stack of all windows becomes its stack, one file a pair. A run of several bands
    gets a folder for each, ``0.1-0.5Hz/STACK``.

    Parameters
    ----------
    store, dest, force, progress
        As of `export_sac`.
    stack
        Name of one stack; by default all of them.

    Raises
    ------
    ParameterError
        Also if two pairs have one name in NoisePy, which tells channels by their
        component.
    """
    folder = new_folder(dest, force, "noisepy")
    for one_stack in stacks_for(store, stack, UNITS):
        place = folder / one_stack.band_name
        write = _write_period if one_stack.unit else _write_stack
        write(store, one_stack, place, progress)
    write_about(folder, store, stack)
    return folder


def _write_stack(
    store: Store, stack: Stacked, folder: Path, progress: Progress | None
) -> None:
    """Write the stack of all windows, a file for each pair of stations."""
    replaced: set[Path] = set()
    told = about(store, stack.name)
    for one, label in claimed(store, stack, "NoisePy", _stations, progress):
        span = _timespan(one.start_ns, one.end_ns)
        path = folder / "STACK" / Path(label).parent / f"{span}.h5"
        mode = "a" if path in replaced else "w"
        replaced.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with AsdfWriter(path, mode) as file:
            file.add_auxiliary(one.data, STACK, one.components, _parameters(one))
            file.tell(told)


def _write_period(
    store: Store, stack: Stacked, folder: Path, progress: Progress | None
) -> None:
    """Write the stack of a period, a file for all pairs."""
    (folder / "CCF").mkdir(parents=True, exist_ok=True)
    path = folder / "CCF" / f"{_timespan(*_period_ns(store, stack))}.h5"
    with AsdfWriter(path) as file:
        file.tell(about(store, stack.name))
        for one, label in claimed(store, stack, "NoisePy", _channels, progress):
            stations, _, channels = label.partition("/")
            file.add_auxiliary(one.data, stations, channels, _parameters(one))


def _stations(one: Correlation) -> str:
    """Name a pair as a folder of stacks does, and its components."""
    first, second = (".".join(c.split(".")[:2]) for c in (one.first, one.second))
    return f"{first}/{second}/{one.components}"


def _channels(one: Correlation) -> str:
    """Name a pair as a file of correlations does: stations/channels."""
    sides = one.first.split("."), one.second.split(".")
    stations = "_".join(".".join(side[:2]) for side in sides)
    channels = "_".join(
        name.lower() + (f"_{location}" if location else "")
        for _, _, location, name in sides
    )
    return f"{stations}/{channels}"


def _period_ns(store: Store, stack: Stacked) -> tuple[int, int]:
    """Return start and end of a period."""
    text, _, length = stack.period.partition("~")
    start_ns = int(np.datetime64(text, "ns").astype(np.int64))
    known = {"day": 86_400.0, "hour": 3600.0}
    if stack.unit == "moving":
        length_s = float(length.removesuffix("s"))
    else:
        length_s = known.get(stack.unit) or float(store.config.get("window_s", 0))
    return start_ns, start_ns + round(length_s * SECOND_NS)


def _timespan(start_ns: int, end_ns: int) -> str:
    """Name a span of time as NoisePy does.

    >>> _timespan(0, 86_400 * SECOND_NS)
    '1970_01_01_00_00_00T1970_01_02_00_00_00'
    """
    edges = np.array([start_ns, end_ns], "datetime64[ns]").astype("datetime64[s]")
    return "T".join(str(edge).translate(UNDERSCORES) for edge in edges)


def _parameters(one: Correlation) -> dict[str, Any]:
    max_lag_s = float(one.lags_s[-1])
    return {
        "dt": 1 / one.sampling_rate_hz,
        "maxlag": int(max_lag_s) if max_lag_s.is_integer() else max_lag_s,
        "dist": np.float32(one.distance_km),
        "azi": np.float32(one.azimuth_deg),
        "baz": np.float32(one.back_azimuth_deg),
        "latS": np.float32(one.first_place[0]),
        "lonS": np.float32(one.first_place[1]),
        "latR": np.float32(one.second_place[0]),
        "lonR": np.float32(one.second_place[1]),
        "ngood": one.n_windows,
        "cc_method": "xcorr",
        "time": one.start_ns / SECOND_NS,
        "substack": False,
        "comp": one.components,
    }
