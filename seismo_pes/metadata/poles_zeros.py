"""Poles and zeros as SAC writes them: a file becomes station metadata.

One file may hold many channels and epochs, each with a head of comments (``* NETWORK :
IU``) as data centres and rdseed write it. Without head the name of the file tells the
channel, ``SAC_PZs_NET_STA_CHA_LOC_START_END`` or ``SAC_PZs_STA_CHA``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from obspy import Inventory, UTCDateTime
from obspy.core.inventory import Channel, Network, Response, Station

from dispel4py.errors import DataError

__all__ = ["is_pole_zero", "read_pole_zero"]

SUFFIXES = frozenset({".pz", ".sacpz", ".paz"})
PREFIXES = ("SAC_PZs_", "SACPZ.")
REFERENCE_HZ = 1.0
# metres of ground in the input unit, and what obspy calls it
UNITS = {
    "M": (1.0, "M"),
    "NM": (1e9, "M"),
    "M/S": (1.0, "M/S"),
    "M/S**2": (1.0, "M/S**2"),
}
HEAD = re.compile(
    r"\*\s*([A-Z][A-Z0-9 _-]*?)\s*(?:\([A-Z ]*\))?\s*(?::\s|\s{2,}|$)(.*)"
)
ALIASES = {
    "COMPONENT": "CHANNEL",
    "EFFECTIVE": "START",
    "ENDDATE": "END",
    "LAT-SEED": "LATITUDE",
    "LONG-SEED": "LONGITUDE",
    "ELEV-SEED": "ELEVATION",
}
FAR_FUTURE = UTCDateTime(2500, 1, 1)
Head = dict[str, str]


def is_pole_zero(path: Path) -> bool:
    """Say whether a file is named as those of SAC are.

    >>> is_pole_zero(Path("SAC_PZs_IU_ANMO_BHZ_00")), is_pole_zero(Path("a.xml"))
    (True, False)
    """
    return path.suffix.lower() in SUFFIXES or path.name.startswith(PREFIXES)


def read_pole_zero(path: str | Path) -> Inventory:
    """Read a file of poles and zeros.

    Poles and zeros that are counted but not listed lie at the origin, as SAC has it;
    the constant turns displacement, in metres unless ``INPUT UNIT`` says otherwise,
    into counts.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    obspy.Inventory
        Coordinates and directions are 0 where there is no head.

    Raises
    ------
    DataError
        If there is no channel in it that makes sense.
    """
    path = Path(path)
    inventory = Inventory(networks=[], source="dispel4py-seismo")
    for head, body in _blocks(path.read_text(encoding="utf-8", errors="replace")):
        head = head or _head_of_name(path.name)
        try:
            network = _channel(head, body)
        except (KeyError, ValueError, IndexError) as error:
            raise DataError(f"{path}: not poles and zeros of SAC: {error}") from error
        inventory.networks.append(network)
    if not inventory.networks:
        raise DataError(f"{path}: no poles and zeros in it")
    return inventory


def _blocks(text: str) -> Iterator[tuple[Head, list[str]]]:
    """Yield head and body of each channel; a new head begins the next."""
    head: Head = {}
    body: list[str] = []
    for line in map(str.strip, [*text.splitlines(), "*"]):
        if line.startswith("*"):
            if body:
                yield head, body
                head, body = {}, []
            if found := HEAD.fullmatch(line):
                head[ALIASES.get(found[1], found[1])] = found[2].strip()
                if "(SEED)" in line or "-SEED" in line:
                    head["SEED"] = "yes"
        elif line:
            body.append(line)


def _head_of_name(name: str) -> Head:
    words = name.removeprefix("SAC_PZs_").split("_")
    if not name.startswith("SAC_PZs_") or len(words) < 2:
        raise DataError(f"{name}: neither head nor name tells the channel")
    if len(words) == 2:
        words = ["", *words]
    words = [*words, "", "", ""]
    return dict(
        zip(("NETWORK", "STATION", "CHANNEL", "LOCATION"), words[:4], strict=True)
    )


def _channel(head: Head, body: Sequence[str]) -> Network:
    place = [float(head.get(key) or 0) for key in ("LATITUDE", "LONGITUDE")]
    elevation, depth = (float(head.get(key) or 0) for key in ("ELEVATION", "DEPTH"))
    azimuth, dip = (float(head[key]) if key in head else None for key in ANGLES)
    code = head["CHANNEL"]
    if dip is not None and "SEED" not in head:
        # from the vertical, as SAC has it: 0 of an upright, 90 of a level component
        turned = abs(dip) < 45 if code.endswith("Z") else dip > 45
        dip -= 90 if turned else 0
    channel = Channel(
        code,
        head.get("LOCATION", "").replace("--", ""),
        *(*place, elevation, depth),
        azimuth=azimuth,
        dip=dip,
        start_date=_time(head.get("START")),
        end_date=_time(head.get("END")),
        response=_response(head, body),
    )
    station = Station(head["STATION"], *place, elevation, channels=[channel])
    return Network(head["NETWORK"], stations=[station])


ANGLES = ("AZIMUTH", "DIP")


def _time(text: str | None) -> UTCDateTime | None:
    time = UTCDateTime(text) if text else None
    return None if time is None or time > FAR_FUTURE else time


def _response(head: Head, body: Sequence[str]) -> Response:
    found: dict[str, list[complex]] = {"ZEROS": [], "POLES": []}
    counts = dict.fromkeys(found, 0)
    constant, key = None, ""
    for line in body:
        words = line.split()
        if words[0].upper() in found:
            key = words[0].upper()
            counts[key] = int(words[1])
        elif words[0].upper() == "CONSTANT":
            constant = float(words[1])
        else:
            found[key].append(complex(float(words[0]), float(words[1])))
    for key, values in found.items():
        if len(values) > counts[key]:
            raise ValueError(f"more {key.lower()} than the {counts[key]} announced")
        values += [0j] * (counts[key] - len(values))
    unit = head.get("INPUT UNIT", "M").upper()
    if constant is None or unit not in UNITS:
        raise ValueError(f"input unit {unit!r}, constant {constant}")
    per_metre, unit = UNITS[unit]
    at = 2j * math.pi * REFERENCE_HZ
    above = math.prod((at - z for z in found["ZEROS"]), start=1 + 0j)
    shape = abs(above / math.prod((at - p for p in found["POLES"]), start=1 + 0j))
    return Response.from_paz(
        found["ZEROS"],
        found["POLES"],
        stage_gain=constant * per_metre * shape,
        stage_gain_frequency=REFERENCE_HZ,
        input_units=unit,
        output_units="COUNTS",
        normalization_frequency=REFERENCE_HZ,
        normalization_factor=1 / shape,
    )
