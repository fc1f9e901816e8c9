"""Writing ASDF, the Adaptable Seismic Data Format: waveforms and auxiliary data.

ASDF 1.0.3 is HDF5 with names that are agreed upon (Krischer et al., 2016,
doi:10.1093/gji/ggw319). What is written here is read by pyasdf and all that builds
upon it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from dispel4py.errors import DataError, ParameterError

if TYPE_CHECKING:
    from obspy import Inventory, Trace

__all__ = ["AsdfWriter"]

VERSION = "1.0.3"
NAME = re.compile(r"[a-zA-Z0-9-_.!#$%&*+,:;<=>?@^~]+")
TAG = re.compile(r"[a-z_0-9]+")
KINDS = ("float32", "float64", "int16", "int32", "int64")


class AsdfWriter:
    """An ASDF file that is written to; use it in a ``with``.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    mode : str
        ``"w"`` for a new file in the place of one that is there, ``"a"`` to add.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "new.h5"
    >>> with AsdfWriter(path) as file:
    ...     file.add_auxiliary(np.zeros(3), "Noise", "XX.A/XX.B", {"dt": 0.5})
    >>> with h5py.File(path) as file:
    ...     float(file["AuxiliaryData/Noise/XX.A/XX.B"].attrs["dt"])
    0.5
    """

    def __init__(self, path: str | Path, mode: str = "w") -> None:
        self.path = Path(path)
        self._file = h5py.File(self.path, mode)
        self._file.attrs["file_format"] = np.bytes_("ASDF")
        self._file.attrs["file_format_version"] = np.bytes_(VERSION)
        for name in ("Waveforms", "AuxiliaryData", "Provenance"):
            self._file.require_group(name)

    def add_waveform(self, trace: Trace, tag: str = "raw_recording") -> None:
        """Add a trace; one that is there already is not added twice.

        Parameters
        ----------
        trace : obspy.Trace
            Without gaps.
        tag : str
            What the data are: small letters, digits and underscores.

        Raises
        ------
        DataError
            If the trace has gaps, or a type that ASDF does not have.
        """
        if not TAG.fullmatch(tag):
            raise ParameterError(f"tag {tag!r}: small letters, digits and _ only")
        if np.ma.is_masked(trace.data):
            raise DataError(f"{trace.id}: has gaps (masked samples); split it")
        data = np.ma.getdata(trace.data)
        if data.dtype.name not in KINDS:
            raise DataError(f"{trace.id}: type {data.dtype} is not one of ASDF")
        stats = trace.stats
        start, end = (
            str(time)[:-1].split(".")[0] for time in (stats.starttime, stats.endtime)
        )
        name = f"{stats.network}.{stats.station}/{trace.id}__{start}__{end}__{tag}"
        waveforms = self._file["Waveforms"]
        if name in waveforms:
            if np.array_equal(waveforms[name][()], data):
                return
            name += f"_{stats.starttime.ns % 1_000_000_000}"
        dataset = waveforms.create_dataset(name, data=data, fletcher32=len(data) > 0)
        dataset.attrs["starttime"] = np.int64(stats.starttime.ns)
        dataset.attrs["sampling_rate"] = float(stats.sampling_rate)

    def add_inventory(self, inventory: Inventory) -> None:
        """Add the StationXML of each station."""
        import io

        for network in inventory:
            for station in network:
                text = io.BytesIO()
                chosen = inventory.select(network=network.code, station=station.code)
                chosen.write(text, format="STATIONXML")
                data = np.frombuffer(text.getvalue(), np.int8)
                name = f"{network.code}.{station.code}/StationXML"
                if name not in self._file["Waveforms"]:
                    self._file["Waveforms"].create_dataset(name, data=data)

    def add_auxiliary(
        self,
        data: np.ndarray,
        data_type: str,
        path: str,
        parameters: Mapping[str, Any],
    ) -> None:
        """Add an array that is no waveform.

        Parameters
        ----------
        data : numpy.ndarray
            Any shape.
        data_type, path : str
            It is ``AuxiliaryData/data_type/path``; the path may have slashes.
        parameters : mapping
            Numbers, text, or arrays of numbers; kept as attributes.

        Raises
        ------
        ParameterError
            If a name has letters that ASDF does not allow, or is taken.
        """
        for name in (data_type, *path.split("/")):
            if not NAME.fullmatch(name):
                raise ParameterError(f"{name!r}: not a name that ASDF allows")
        group = self._file["AuxiliaryData"].require_group(data_type)
        if path in group:
            raise ParameterError(f"{self.path}: {data_type}/{path} is there already")
        dataset = group.create_dataset(path, data=data)
        for key, value in parameters.items():
            dataset.attrs[key] = value

    def tell(self, about: Mapping[str, str]) -> None:
        """Say where all of it comes from, as attributes of the file."""
        self._file.attrs.update(about)

    def close(self) -> None:
        """Finish the file; may be called twice."""
        self._file.close()

    def __enter__(self) -> AsdfWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
