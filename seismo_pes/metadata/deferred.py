"""StationXML whose responses are read by obspy when they are asked for.

Nine tenths of a file are responses, and three quarters of the time that obspy takes
for it; a run needs those of the channels that a process works on, and of many of these
knows all but the gain: instruments of one kind differ in nothing else.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import obspy
from obspy import Inventory
from obspy.core.inventory import Response

from dispel4py.errors import DataError
from seismo_pes.library_warnings import record_warnings

__all__ = ["DeferredResponse", "read_stationxml"]

logger = logging.getLogger(__name__)

NAMESPACE = "{http://www.fdsn.org/xml/station/1}"
HEAD_BYTES = 4096
STAGE = re.compile(rb"<(?:\w+:)?Stage[\s>/]")
# a gain's value is the first thing in it
GAIN = re.compile(rb"(<(?:\w+:)?StageGain\b[^>]*>\s*<(?:\w+:)?Value\b[^>]*>)([^<]*)")
SENSITIVITY = re.compile(
    rb"(<(?:\w+:)?InstrumentSensitivity\b[^>]*>\s*<(?:\w+:)?Value\b[^>]*>)([^<]*)"
)
# around a response, so that obspy reads it
FRAME = """<FDSNStationXML xmlns="http://www.fdsn.org/xml/station/1" schemaVersion="{}">
<Source/><Created>1970-01-01T00:00:00</Created><Network code=""><Station code="">
<Latitude>0</Latitude><Longitude>0</Longitude><Elevation>0</Elevation><Site/>
<Channel code="" locationCode=""><Latitude>0</Latitude><Longitude>0</Longitude>
<Elevation>0</Elevation><Depth>0</Depth>{}</Channel></Station></Network>
</FDSNStationXML>"""


class DeferredResponse(Response):
    """A response that is an element of StationXML until anything of it is asked for.

    Then obspy reads it, and it is a plain `obspy.core.inventory.Response`.
    """

    def __init__(self, source: bytes, version: str, where: str) -> None:
        self.__dict__.update(_source=source, _version=version, _where=where)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_source" not in self.__dict__:
            raise AttributeError(name)
        self._become_plain()
        return getattr(self, name)

    def __eq__(self, other: object) -> bool:
        self._become_plain()
        return bool(self == other)

    @property
    def text(self) -> bytes:
        """The element, without what says nothing: blanks and prefixes of its tags."""
        bare = re.sub(rb">\s+<", b"><", self._source)
        bare = re.sub(rb"""\sxmlns(:\w+)?=("[^"]*"|'[^']*')""", b"", bare)
        return re.sub(rb"(</?)\w+:", rb"\1", bare)

    def _become_plain(self) -> None:
        read = _read_response(self._source, self._version, self._where)
        self.__class__ = Response
        self.__dict__.clear()
        self.__dict__.update(vars(read))

    @cached_property
    def told(self) -> tuple[float, tuple[int, bytes]] | None:
        """The product of the gains, and all else: its sign, and the text.

        None where the text does not tell: a stage without a gain, a polynomial.
        """
        n_stages = len(STAGE.findall(self._source))
        try:
            gains = [float(text) for _, text in GAIN.findall(self._source)]
        except ValueError:
            return None
        if not n_stages or len(gains) != n_stages or not all(gains):
            return None
        if b"Polynomial" in self._source:
            return None
        text = SENSITIVITY.sub(rb"\1", GAIN.sub(rb"\1", self._source))
        n_negative = sum(gain < 0 for gain in gains)
        return abs(math.prod(gains)), (n_negative % 2, text)


def _read_response(source: bytes, version: str, where: str) -> Response:
    """Let obspy read a response.

    Raises
    ------
    DataError
        If it cannot.
    """
    text = FRAME.format(version, source.decode())
    with record_warnings() as caught:
        try:
            found = obspy.read_inventory(BytesIO(text.encode()), format="STATIONXML")
        except Exception as error:  # obspy's readers raise anything
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(
                f"{where}: its response cannot be read: {reason}"
            ) from error
    for warning in caught:
        logger.warning("%s: %s", where, warning.message)
    return found[0][0][0].response


def read_stationxml(path: Path) -> Inventory | None:
    """Read a file of StationXML, its responses deferred.

    Returns
    -------
    obspy.Inventory or None
        None where obspy had better read all at once: it is something else, or obspy
        leaves channels out.
    """
    with path.open("rb") as file:
        if b"FDSNStationXML" not in file.read(HEAD_BYTES):
            return None
        from lxml import etree  # here, as its import takes time

        file.seek(0)
        try:
            root = etree.parse(file).getroot()
        except etree.XMLSyntaxError:
            return None  # obspy will say what is wrong
    if root.tag != f"{NAMESPACE}FDSNStationXML":
        return None
    version = root.get("schemaVersion", "")
    cut = [[_cut(channel) for channel in station] for station in _stations(root)]
    without = BytesIO(etree.tostring(root))
    inventory = obspy.read_inventory(without, format="STATIONXML")
    stations = [station for network in inventory for station in network]
    if [len(station.channels) for station in stations] != list(map(len, cut)):
        return None
    for station, sources in zip(stations, cut, strict=True):
        for channel, source in zip(station, sources, strict=True):
            if source is not None:
                name = f"{station.code}.{channel.location_code}.{channel.code}"
                where = f"{path}: {name}"
                channel.response = DeferredResponse(source, version, where)
    return inventory


def _stations(root: Any) -> Iterator[list[Any]]:
    """Yield the channels of each station, in the order in which obspy reads them."""
    for network in root.findall(f"{NAMESPACE}Network"):
        for station in network.findall(f"{NAMESPACE}Station"):
            channels = station.findall(f"{NAMESPACE}Channel")
            yield [channel for channel in channels if channel.attrib]


def _cut(channel: Any) -> bytes | None:
    """Take the response out of a channel."""
    response = channel.find(f"{NAMESPACE}Response")
    if response is None:
        return None
    from lxml import etree

    source = bytes(etree.tostring(response, with_tail=False))
    channel.remove(response)
    return source
