"""Station metadata (StationXML) in ASDF files, the Adaptable Seismic Data Format.

References
----------
Krischer et al. (2016), An Adaptable Seismic Data Format, doi:10.1093/gji/ggw319.
"""

from __future__ import annotations

import io
from pathlib import Path

from obspy import Inventory, read_inventory

from dispel4py.errors import DataError

__all__ = ["HDF5_MAGIC", "is_asdf", "read_asdf_inventory"]

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"  # first bytes of each HDF5 file


def is_asdf(path: str | Path) -> bool:
    """Return whether a file is ASDF: HDF5 with the name of the format as attribute."""
    import h5py

    try:
        with open(path, "rb") as file:
            if file.read(len(HDF5_MAGIC)) != HDF5_MAGIC:
                return False
        with h5py.File(path, "r") as content:
            return content.attrs.get("file_format", b"") in (b"ASDF", "ASDF")
    except OSError:
        return False


def read_asdf_inventory(path: str | Path) -> Inventory:
    """Read the StationXML of all stations in an ASDF file.

    Raises
    ------
    DataError
        If the file or the StationXML of a station cannot be read.
    """
    import h5py

    inventory = Inventory(networks=[], source="dispel4py-seismo")
    try:
        with h5py.File(path, "r") as content:
            for name, group in sorted(content.get("Waveforms", {}).items()):
                if "StationXML" in group:
                    text = io.BytesIO(group["StationXML"][()].tobytes())
                    try:
                        inventory += read_inventory(text, format="STATIONXML")
                    except Exception as error:  # obspy's reader raises anything
                        raise DataError(
                            f"{path}: StationXML of {name}: {error}"
                        ) from error
    except OSError as error:
        raise DataError(f"{path}: ASDF: {error}") from error
    return inventory
