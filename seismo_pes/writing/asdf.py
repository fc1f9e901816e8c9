"""Writing ASDF, the Adaptable Seismic Data Format: waveforms and auxiliary data.

ASDF 1.0.3 is HDF5 with a fixed layout (Krischer et al., 2016, doi:10.1093/gji/ggw319).
pyasdf, and the programs that are based on it, read these files.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import exists
from seismo_pes.writing.hdf5_file import hdf5_file

if TYPE_CHECKING:
    from obspy import Inventory, Trace

__all__ = ["AsdfWriter"]

VERSION = "1.0.3"
# What ASDF 1.0.3 allows: characters of a path, characters of a tag, types of samples.
NAME = re.compile(r"[a-zA-Z0-9-_.!#$%&*+,:;<=>?@^~]+")
TAG = re.compile(r"[a-z_0-9]+")
SAMPLE_TYPES = ("float32", "float64", "int16", "int32", "int64")


class AsdfWriter:
    """An ASDF file to write to; a context manager.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    mode : str
        ``"w"``: create the file or replace it; ``"a"``: add to an existing file.

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
        adds = mode == "a" and exists(self.path)
        self._open = contextlib.ExitStack()
        self._file: h5py.File = self._open.enter_context(
            hdf5_file(self.path, "r+" if adds else "w")
        )
        self._file.attrs["file_format"] = np.bytes_("ASDF")
        self._file.attrs["file_format_version"] = np.bytes_(VERSION)
        for name in ("Waveforms", "AuxiliaryData", "Provenance"):
            self._file.require_group(name)

    def add_waveform(self, trace: Trace, tag: str = "raw_recording") -> None:
        """Add a trace, unless the file has the same trace with the same samples.

        Parameters
        ----------
        trace : obspy.Trace
            A trace without gaps.
        tag : str
            Name of this version of the data, of lower-case letters, digits and
            underscores.

        Raises
        ------
        ParameterError
            If the tag has other characters.
        DataError
            If the trace has gaps, or samples of a type that ASDF cannot store.
        """
        if not TAG.fullmatch(tag):
            raise ParameterError(f"tag {tag!r}: lower-case letters, digits and _ only")
        if np.ma.is_masked(trace.data):
            raise DataError(f"{trace.id}: has gaps (masked samples); split it")
        data = np.ma.getdata(trace.data)
        if data.dtype.name not in SAMPLE_TYPES:
            raise DataError(f"{trace.id}: ASDF cannot store the type {data.dtype}")
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
        """Add the StationXML of each station that the file does not have yet."""
        for network in inventory:
            for station in network:
                text = io.BytesIO()
                codes = {"network": network.code, "station": station.code}
                inventory.select(**codes).write(text, format="STATIONXML")
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
        """Add an array that is not a waveform, as ``AuxiliaryData/data_type/path``.

        Parameters
        ----------
        data : numpy.ndarray
            Of any shape.
        data_type, path : str
            Its place in the file; the path may have slashes.
        parameters : mapping
            Attributes of the array: numbers, text, or arrays of numbers.

        Raises
        ------
        ParameterError
            If a name has characters that ASDF does not allow, or the file already has
            an array of this name.
        """
        for name in (data_type, *path.split("/")):
            if not NAME.fullmatch(name):
                raise ParameterError(
                    f"{self.path}: ASDF does not allow the name {name!r}"
                )
        group = self._file["AuxiliaryData"].require_group(data_type)
        if path in group:
            raise ParameterError(f"{self.path}: already has {data_type}/{path}")
        dataset = group.create_dataset(path, data=data)
        for key, value in parameters.items():
            dataset.attrs[key] = value

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Set attributes of the file, such as the origin of its data."""
        self._file.attrs.update(attributes)

    def close(self) -> None:
        """Close the file; has no effect if it is closed.

        Raises
        ------
        OSError
            If the file could not be written.
        """
        self._open.close()

    def __enter__(self) -> AsdfWriter:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._open.__exit__(*exc)
