"""A folder that NoisePy reads: its ASDF stores of stacks and of daily correlations.

::

    DEST/STACK/NET.STA/NET.STA/TIMESPAN.h5    Allstack_linear/ZZ
    DEST/CCF/TIMESPAN.h5                      NET.STA_NET.STA/bhz_bhz

as ``ASDFStackStore("DEST/STACK", "r")`` and ``ASDFCCStore("DEST/CCF", "r")`` of
noisepy-seis-io 0.3 have it; TIMESPAN is ``2022_05_17_00_00_00T2022_05_18_00_00_00``.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.asdf_writer import AsdfWriter
from xcorr_app.correlation import Correlation
from xcorr_app.export.target import Names, Progress, each, new_folder
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

    Stacks of days become its daily correlations, one file a day; the stack of all
    windows becomes its stack, one file a pair.

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
    for name in store.stacks if stack is None else [stack]:
        day = _day(name)
        if day is None:
            _write_stack(store, name, folder / "STACK", progress)
        else:
            _write_day(store, day, folder / "CCF", progress)
    return folder


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _write_stack(
    store: Store, name: str, folder: Path, progress: Progress | None
) -> None:
    names = Names("NoisePy")
    replaced: set[Path] = set()
    for one in each(store, name, progress):
        first, second = (".".join(c.split(".")[:2]) for c in (one.first, one.second))
        span = _timespan(one.start_ns, one.end_ns)
        path = folder / first / second / f"{span}.h5"
        component = _component(one)
        names.claim(f"{first}/{second}/{component}", one)
        mode = "a" if path in replaced else "w"
        replaced.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with AsdfWriter(path, mode) as file:
            file.add_auxiliary(one.data, STACK, component, _parameters(one))


def _write_day(
    store: Store, day: date, folder: Path, progress: Progress | None
) -> None:
    names = Names("NoisePy")
    folder.mkdir(exist_ok=True)
    span = "T".join(f"{d:%Y_%m_%d}_00_00_00" for d in (day, day + timedelta(days=1)))
    with AsdfWriter(folder / f"{span}.h5") as file:
        for one in each(store, day.isoformat(), progress):
            first, second = one.first.split("."), one.second.split(".")
            pair = f"{'.'.join(first[:2])}_{'.'.join(second[:2])}"
            channels = "_".join(
                name.lower() + (f"_{location}" if location else "")
                for _, _, location, name in (first, second)
            )
            names.claim(f"{pair}/{channels}", one)
            file.add_auxiliary(one.data, pair, channels, _parameters(one))


def _component(one: Correlation) -> str:
    return one.first[-1] + one.second[-1]


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
        "comp": _component(one),
    }
