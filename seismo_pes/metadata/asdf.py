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
from seismo_pes.hdf5_input import open_hdf5
from seismo_pes.metadata.xml import parse_xml
from seismo_pes.regular_file import (
    ReadFailed,
    is_failed_read,
    open_regular,
    reason_of,
)

__all__ = ["HDF5_MAGIC", "is_asdf", "read_asdf_inventory"]

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"  # first bytes of each HDF5 file


def is_asdf(path: str | Path) -> bool:
    """Return whether a file is ASDF: HDF5 with the name of the format as attribute.

    Raises
    ------
    ReadFailed
        If the operating system cannot read the file.
    """
    try:
        with open_regular(path) as file:
            if file.read(len(HDF5_MAGIC)) != HDF5_MAGIC:
                return False
        with open_hdf5(path) as content:
            return content.attrs.get("file_format", b"") in (b"ASDF", "ASDF")
    except (DataError, OSError, RuntimeError, KeyError) as error:
        if is_failed_read(error):
            raise ReadFailed(f"{path}: {reason_of(error)}") from error
        return False


def read_asdf_inventory(path: str | Path) -> Inventory:
    """Read the StationXML of all stations in an ASDF file.

    Raises
    ------
    DataError
        If the file or the StationXML of a station cannot be read; `ReadFailed` if the
        operating system cannot read the file.
    """
    inventory = Inventory(networks=[], source="dispel4py-seismo")
    try:
        with open_hdf5(path) as content:
            for name, group in sorted(content.get("Waveforms", {}).items()):
                if "StationXML" in group:
                    text = io.BytesIO(group["StationXML"][()].tobytes())
                    try:
                        parse_xml(text)  # refuses entities
                        text.seek(0)
                        inventory += read_inventory(text, format="STATIONXML")
                    except Exception as error:  # obspy's reader raises anything
                        raise DataError(
                            f"{path}: StationXML of {name}: {error}"
                        ) from error
    except DataError:
        raise
    except (OSError, RuntimeError, KeyError) as error:
        raise DataError(f"{path}: ASDF: {reason_of(error)}") from error
    return inventory
