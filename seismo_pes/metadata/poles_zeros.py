"""Reading the pole-zero files of SAC as station metadata.

One file may have many channels and epochs, each with a header of comments
(``* NETWORK : IU``) as data centres and rdseed write it. Without a header, the channel
is taken from the name of the file: ``SAC_PZs_NET_STA_CHA_LOC_START_END`` or
``SAC_PZs_STA_CHA``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from obspy import Inventory, UTCDateTime
from obspy.core.inventory import Channel, Network, Response, Station

from dispel4py.errors import DataError
from seismo_pes.regular_file import open_regular

__all__ = ["is_pole_zero", "read_pole_zero"]

SUFFIXES = frozenset({".pz", ".sacpz", ".paz"})
PREFIXES = ("SAC_PZs_", "SACPZ.")
REFERENCE_HZ = 1.0  # frequency at which the gain and the normalisation are given
# For each input unit: its number in one SI unit, and obspy's name of the SI unit.
UNITS = {
    "M": (1.0, "M"),
    "NM": (1e9, "M"),
    "M/S": (1.0, "M/S"),
    "M/S**2": (1.0, "M/S**2"),
}
# A line of the header: "* NAME (REMARK) : VALUE".
HEADER_LINE = re.compile(
    r"\*\s*([A-Z][A-Z0-9 _-]*?)\s*(?:\([A-Z ]*\))?\s*(?::\s|\s{2,}|$)(.*)"
)
# Other names of header entries, of rdseed.
ALIASES = {
    "COMPONENT": "CHANNEL",
    "EFFECTIVE": "START",
    "ENDDATE": "END",
    "LAT-SEED": "LATITUDE",
    "LONG-SEED": "LONGITUDE",
    "ELEV-SEED": "ELEVATION",
}
ANGLES = ("AZIMUTH", "DIP")
FAR_FUTURE = UTCDateTime(2500, 1, 1)  # epochs that end later (2599) are open
Header = dict[str, str]


def is_pole_zero(path: Path) -> bool:
    """Return whether a file has the name of a pole-zero file of SAC.

    >>> is_pole_zero(Path("SAC_PZs_IU_ANMO_BHZ_00")), is_pole_zero(Path("a.xml"))
    (True, False)
    """
    return path.suffix.lower() in SUFFIXES or path.name.startswith(PREFIXES)


def read_pole_zero(path: str | Path) -> Inventory:
    """Read a pole-zero file of SAC.

    As in SAC, poles and zeros that are counted but not listed are 0. The response is
    from displacement in metres to counts, unless ``INPUT UNIT`` gives another unit.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    obspy.Inventory
        One network for each channel and epoch in the file. Coordinates are 0 if the
        file has no header.

    Raises
    ------
    DataError
        If the file has no poles and zeros, or the entries of a channel are not valid.
    """
    path = Path(path)
    inventory = Inventory(networks=[], source="dispel4py-seismo")
    with open_regular(path) as file:
        text = file.read().decode(errors="replace")
    for header, body in _blocks(text):
        header = header or _header_from_name(path.name)
        try:
            network = _channel(header, body)
        except (KeyError, ValueError, IndexError) as error:
            raise DataError(f"{path}: not poles and zeros of SAC: {error}") from error
        inventory.networks.append(network)
    if not inventory.networks:
        raise DataError(f"{path}: no poles and zeros in it")
    return inventory


def _blocks(text: str) -> Iterator[tuple[Header, list[str]]]:
    """Yield header and body of each channel; the next header ends a body."""
    header: Header = {}
    body: list[str] = []
    for line in map(str.strip, [*text.splitlines(), "*"]):
        if line.startswith("*"):
            if body:
                yield header, body
                header, body = {}, []
            if match := HEADER_LINE.fullmatch(line):
                header[ALIASES.get(match[1], match[1])] = match[2].strip()
                if "(SEED)" in line or "-SEED" in line:
                    header["SEED"] = "yes"
        elif line:
            body.append(line)


def _header_from_name(name: str) -> Header:
    words = name.removeprefix("SAC_PZs_").split("_")
    if not name.startswith("SAC_PZs_") or len(words) < 2:
        raise DataError(f"{name}: no header, and the name gives no channel")
    if len(words) == 2:
        words = ["", *words]
    words = [*words, "", "", ""]
    return dict(
        zip(("NETWORK", "STATION", "CHANNEL", "LOCATION"), words[:4], strict=True)
    )


def _channel(header: Header, body: Sequence[str]) -> Network:
    """Return a network with the single channel that header and body describe."""
    place = [float(header.get(key) or 0) for key in ("LATITUDE", "LONGITUDE")]
    elevation, depth = (float(header.get(key) or 0) for key in ("ELEVATION", "DEPTH"))
    azimuth, dip = (float(header[key]) if key in header else None for key in ANGLES)
    code = header["CHANNEL"]
    if dip is not None and "SEED" not in header:
        # SAC measures the dip from the vertical: 0 for Z, 90 for horizontal components
        is_from_vertical = abs(dip) < 45 if code.endswith("Z") else dip > 45
        dip -= 90 if is_from_vertical else 0
    channel = Channel(
        code,
        header.get("LOCATION", "").replace("--", ""),
        *(*place, elevation, depth),
        azimuth=azimuth,
        dip=dip,
        start_date=_time(header.get("START")),
        end_date=_time(header.get("END")),
        response=_response(header, body),
    )
    station = Station(header["STATION"], *place, elevation, channels=[channel])
    return Network(header["NETWORK"], stations=[station])


def _time(text: str | None) -> UTCDateTime | None:
    time = UTCDateTime(text) if text else None
    return None if time is None or time > FAR_FUTURE else time


def _response(header: Header, body: Sequence[str]) -> Response:
    zeros, poles, constant = _parse_body(body)
    unit = header.get("INPUT UNIT", "M").upper()
    if constant is None:
        raise ValueError("it has no CONSTANT")
    if unit not in UNITS:
        raise ValueError(f"input unit {unit!r} is not one of {', '.join(UNITS)}")
    per_si_unit, unit = UNITS[unit]
    s = 2j * math.pi * REFERENCE_HZ
    numerator = math.prod((s - zero for zero in zeros), start=1 + 0j)
    denominator = math.prod((s - pole for pole in poles), start=1 + 0j)
    amplitude = abs(numerator / denominator)
    return Response.from_paz(
        zeros,
        poles,
        stage_gain=constant * per_si_unit * amplitude,
        stage_gain_frequency=REFERENCE_HZ,
        input_units=unit,
        output_units="COUNTS",
        normalization_frequency=REFERENCE_HZ,
        normalization_factor=1 / amplitude,
    )


def _parse_body(
    body: Sequence[str],
) -> tuple[list[complex], list[complex], float | None]:
    """Return zeros, poles and the constant, which may be missing."""
    roots: dict[str, list[complex]] = {"ZEROS": [], "POLES": []}
    counts = dict.fromkeys(roots, 0)
    constant, key = None, ""
    for line in body:
        words = line.split()
        if words[0].upper() in roots:
            key = words[0].upper()
            counts[key] = int(words[1])
        elif words[0].upper() == "CONSTANT":
            constant = float(words[1])
        else:
            roots[key].append(complex(float(words[0]), float(words[1])))
    for key, values in roots.items():
        if len(values) > counts[key]:
            raise ValueError(f"more {key.lower()} than the {counts[key]} announced")
        values += [0j] * (counts[key] - len(values))
    return roots["ZEROS"], roots["POLES"], constant
