"""Synthetic seismograms as text: the files of SPECFEM and of SES3D.

SPECFEM writes two columns, time and value, to ``NET.STA.CHA.sem{d,v,a}``. SES3D writes
a head and one column to ``NET.STA_.___.{x,y,z}``, velocity southward, eastward, upward.
The code of the channel is that of the file; of SES3D it is BXN, BXE and BXZ.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.regular_file import open_regular, read_error

__all__ = [
    "codes_of_name",
    "interval_of_times",
    "is_solver_text",
    "read_solver_text",
]

SPECFEM_SUFFIX = re.compile(r"\.sem[dva]?$|\.sem\.ascii[dva]?$")
SES3D_SUFFIX = re.compile(r"\.[xyz]$")
SES3D_HEAD = re.compile(r"\b(theta|phi|r)\b.*component", re.IGNORECASE)
SES3D_COMPONENTS = {"theta": ("N", -1.0), "phi": ("E", 1.0), "r": ("Z", 1.0)}
SES3D_LETTERS = {".x": "N", ".y": "E", ".z": "Z"}  # of the channel, by the suffix
SES3D_HEAD_LINES = 7
MAX_BYTES = 512 << 20  # 20 million samples, a hundred times the longest synthetics
DIGITS = range(12)  # decimals of a sampling interval that are tried
SIGNIFICANT = range(3, 8)  # digits after the first one of a number such as 1.2345E+02
SMALLEST_WEIGHT = 1e-6  # of the error of a time, in units of the largest error
# Largest error of a rounded time, in units of its last decimal; a half, and a margin.
ROUNDING = 0.6
# Of times in single precision, which have no last decimal: in sampling intervals.
LARGEST_JITTER = 0.05


def is_solver_text(path: str | Path) -> bool:
    """Return whether the name of a file is one of SPECFEM or SES3D.

    >>> is_solver_text("IV.CAFR.HXZ.semd"), is_solver_text("IV.CAFR.HXZ.seedv")
    (True, False)
    """
    name = Path(path).name
    return bool(SPECFEM_SUFFIX.search(name)) or _is_ses3d(name)


def codes_of_name(path: str | Path) -> list[str]:
    """Return network, station, location and channel in the name of a solver's file.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    DataError
        If the name is not ``NET.STA.CHA.semd`` or another one of SPECFEM or SES3D.

    Examples
    --------
    >>> codes_of_name("IV.CAFR.HXZ.semd"), codes_of_name("IV.CAFR_.___.x")
    (['IV', 'CAFR', '', 'HXZ'], ['IV', 'CAFR', '', 'BXN'])
    """
    name = Path(path).name
    if _is_ses3d(name):
        network, station = [part.strip("_") for part in name.split(".")[:2]]
        return [network, station, "", f"BX{SES3D_LETTERS[name[-2:]]}"]
    codes = SPECFEM_SUFFIX.sub("", name).split(".")
    if len(codes) == 3:
        codes.insert(2, "")
    if len(codes) != 4 or not all((codes[0], codes[1], codes[3])):
        raise DataError(f"{path}: the name is not NET.STA.CHA.semd")
    return codes


def read_solver_text(path: str | Path) -> Trace:
    """Read one file of SPECFEM or SES3D.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    obspy.Trace
        float64; its start is the time after the origin, counted from 1970.

    Raises
    ------
    DataError
        If the file has other contents, or its times are not equally spaced;
        `ReadFailed` if the operating system cannot read it.
    """
    codes = codes_of_name(path)
    read = _ses3d if _is_ses3d(Path(path).name) else _specfem
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise read_error(path, error) from error
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: longer than any seismogram")
    try:
        return read(content.decode("ascii"), codes)
    except (ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:150]
        raise DataError(f"{path}: not a seismogram as text: {reason}") from error


def interval_of_times(times_s: np.ndarray) -> tuple[float, float]:
    """Return the sampling interval and the first time of a column of rounded times.

    The interval is that of the whole column: the difference of two rounded times may be
    wrong by a tenth. Of all intervals that agree with the column, it is the one with
    the fewest decimals.

    Parameters
    ----------
    times_s : numpy.ndarray
        Shape ``(n,)``, n at least 2.

    Raises
    ------
    DataError
        If the times do not rise in equal steps.

    Examples
    --------
    >>> interval_of_times(np.round(np.arange(1000) * 0.0125, 2))
    (0.0125, 0.0)
    """
    count = np.arange(times_s.size)
    if times_s.size < 2 or not np.isfinite(times_s).all():
        raise DataError("needs two finite times")
    units = _rounding_units(times_s)
    weights = np.maximum(units / units.max(), SMALLEST_WEIGHT)
    slope, first = np.polyfit(count, times_s, 1, w=1 / weights)
    if slope <= 0:
        raise DataError("the times do not rise")
    error = (np.abs(times_s - (first + slope * count)) / weights).max()
    limits = [min(1.5 * error, ROUNDING * units.max())]
    if error <= LARGEST_JITTER * slope:
        limits.append(1.5 * error)
    least = 1e-13 * abs(times_s[-1] - times_s[0])
    for limit in limits:
        axis = _roundest_axis(times_s, float(slope), limit * weights + least)
        if axis is not None:
            return axis
    raise DataError("the times are not equally spaced")


def _roundest_axis(
    times_s: np.ndarray, slope: float, allowed: np.ndarray
) -> tuple[float, float] | None:
    """Return interval and first time with the fewest decimals that fit all times."""
    count = np.arange(times_s.size)
    for interval_s in (*(round(slope, digits) for digits in DIGITS), slope):
        starts = times_s - interval_s * count
        low, high = float((starts - allowed).max()), float((starts + allowed).min())
        if interval_s > 0 and low <= high:
            middle = (low + high) / 2
            rounded = (round(middle, digits) for digits in DIGITS)
            start_s = next((x for x in rounded if low <= x <= high), middle)
            return interval_s, start_s + 0.0
    return None


def _rounding_units(times_s: np.ndarray) -> np.ndarray:
    """Return the unit to which each time of a column is rounded.

    It is that of the last decimal, or of the last of some significant digits, which
    grows with the time. Of times that are not rounded it is the error of a number.
    """
    units = np.full(times_s.size, np.finfo(float).eps * np.abs(times_s).max())
    for digits in DIGITS:
        if np.allclose(np.round(times_s, digits), times_s, rtol=0, atol=1e-13):
            units[:] = 10.0**-digits
            break
    exponents = np.floor(np.log10(np.maximum(np.abs(times_s), SMALLEST_WEIGHT)))
    for digits in SIGNIFICANT:
        coarse = 10.0 ** (exponents - digits)
        rounded = np.round(times_s / coarse) * coarse
        if np.allclose(rounded, times_s, rtol=1e-13, atol=0):
            return coarse if coarse.max() > units.max() else units
    return units


def _is_ses3d(name: str) -> bool:
    return bool(SES3D_SUFFIX.search(name)) and name.count(".") >= 2


def _specfem(text: str, codes: list[str]) -> Trace:
    values = np.array(text.split(), dtype=np.float64)
    if values.size < 4 or values.size % 2:
        raise ValueError("it has not two columns")
    times_s, data = values.reshape(-1, 2).T
    delta_s, start_s = interval_of_times(times_s)
    return _trace(codes, delta_s, start_s, data)


def _ses3d(text: str, codes: list[str]) -> Trace:
    lines = text.splitlines()
    kind = SES3D_HEAD.search(lines[0])
    if kind is None:
        raise ValueError("the first line does not name a component")
    component, sign = SES3D_COMPONENTS[kind.group(1).lower()]
    head = " ".join(lines[:SES3D_HEAD_LINES])
    n = int(re.findall(r"nt\s*=\s*(\d+)", head)[0])
    delta_s = float(re.findall(r"dt\s*=\s*([-+.\dEe]+)", head)[0])
    data = np.array(" ".join(lines[SES3D_HEAD_LINES:]).split(), dtype=np.float64)
    if data.size != n or not delta_s > 0:
        raise ValueError(f"{data.size} samples, but the head has nt={n}, dt={delta_s}")
    return _trace([*codes[:3], f"BX{component}"], delta_s, delta_s, sign * data)


def _trace(codes: list[str], delta_s: float, start_s: float, data: np.ndarray) -> Trace:
    names = ("network", "station", "location", "channel")
    header: dict[str, Any] = dict(zip(names, codes, strict=True))
    header |= {"delta": delta_s, "starttime": UTCDateTime(ns=round(start_s * 1e9))}
    return Trace(np.ascontiguousarray(data), header)
