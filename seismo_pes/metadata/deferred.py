"""StationXML whose responses obspy parses when they are first used.

Responses are nine tenths of a file, and take three quarters of the time that obspy
needs to read it. A process uses the responses of its own channels only, and for most of
these the text is enough: instruments of one type differ only in their gain.
"""

from __future__ import annotations

import html
import logging
import math
import re
from collections.abc import Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import obspy
from lxml import etree
from obspy import Inventory
from obspy.core.inventory import Response

from dispel4py.errors import DataError
from seismo_pes.library_warnings import record_warnings
from seismo_pes.metadata.xml import is_xml, parse_xml
from seismo_pes.regular_file import open_regular

__all__ = ["DeferredResponse", "read_stationxml"]

logger = logging.getLogger(__name__)

NAMESPACE = "{http://www.fdsn.org/xml/station/1}"
HEAD_BYTES = 4096
STAGE = re.compile(rb"<(?:\w+:)?Stage[\s>/]")
# the value is the first element of a gain
GAIN = re.compile(rb"(<(?:\w+:)?StageGain\b[^>]*>\s*<(?:\w+:)?Value\b[^>]*>)([^<]*)")
SENSITIVITY = re.compile(
    rb"(<(?:\w+:)?InstrumentSensitivity\b[^>]*>\s*<(?:\w+:)?Value\b[^>]*>)([^<]*)"
)
INPUT_UNITS = re.compile(
    rb"<(?:\w+:)?InputUnits\b[^>]*>\s*<(?:\w+:)?Name\b[^>]*>([^<]*)"
)
# a document around one response, because obspy reads only whole documents
FRAME = """<FDSNStationXML xmlns="http://www.fdsn.org/xml/station/1" schemaVersion="{}">
<Source/><Created>1970-01-01T00:00:00</Created><Network code=""><Station code="">
<Latitude>0</Latitude><Longitude>0</Longitude><Elevation>0</Elevation><Site/>
<Channel code="" locationCode=""><Latitude>0</Latitude><Longitude>0</Longitude>
<Elevation>0</Elevation><Depth>0</Depth>{}</Channel></Station></Network>
</FDSNStationXML>"""


def _attribute(name: str) -> property:
    """Return an attribute of the response that obspy makes from the text."""

    def value(self: DeferredResponse) -> Any:
        return getattr(self.parsed, name)

    def assign(self: DeferredResponse, value: Any) -> None:
        setattr(self.parsed, name, value)

    return property(value, assign)


class DeferredResponse(Response):
    """A response of StationXML that obspy parses when an attribute is first used.

    Parameters
    ----------
    source : bytes
        The element ``Response``.
    version : str
        Version of the schema of its file.
    where : str
        File and channel, for messages.
    """

    resource_id = _attribute("resource_id")
    instrument_sensitivity = _attribute("instrument_sensitivity")
    instrument_polynomial = _attribute("instrument_polynomial")
    response_stages = _attribute("response_stages")

    def __init__(self, source: bytes, version: str, where: str) -> None:
        # Response.__init__ would assign the attributes, and so parse the text
        self._source, self._version, self._where = source, version, where

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DeferredResponse):
            other = other.parsed
        return bool(self.parsed == other)

    @cached_property
    def parsed(self) -> Response:
        """The response that obspy reads from the text.

        Raises
        ------
        DataError
            If obspy cannot read it.
        """
        return _parsed(self._source, self._version, self._where)

    @property
    def is_parsed(self) -> bool:
        """Whether obspy has parsed the text; then the attributes may be changed."""
        return "parsed" in vars(self)

    @property
    def text(self) -> bytes:
        """The element without blanks between its tags, and without name spaces."""
        bare = re.sub(rb">\s+<", b"><", self._source)
        bare = re.sub(rb"""\sxmlns(:\w+)?=("[^"]*"|'[^']*')""", b"", bare)
        return re.sub(rb"(</?)\w+:", rb"\1", bare)

    @property
    def input_units(self) -> str:
        """The unit of the input, such as ``M/S``; empty where there is no stage."""
        stage = STAGE.search(self._source)
        match = stage and INPUT_UNITS.search(self._source, stage.start())
        return "" if match is None else html.unescape(match[1].decode()).strip()

    @cached_property
    def gain_and_kind(self) -> tuple[float, tuple[int, bytes]] | None:
        """The product of the gains, and a key that instruments of one type share.

        The key is the sign of the product and the text without the gains. None if the
        text does not give them: a stage without a gain, a gain of 0, or a polynomial.
        """
        n_stages = len(STAGE.findall(self._source))
        try:
            gains = [float(text) for _, text in GAIN.findall(self._source)]
            sums = [float(text) for _, text in SENSITIVITY.findall(self._source)]
        except ValueError:
            return None
        if not n_stages or len(gains) != n_stages or not all([*gains, *sums]):
            return None
        if b"Polynomial" in self._source:
            return None
        text = SENSITIVITY.sub(rb"\1", GAIN.sub(rb"\1", self._source))
        n_negative = sum(gain < 0 for gain in gains)
        return abs(math.prod(gains)), (n_negative % 2, text)


def _parsed(source: bytes, version: str, where: str) -> Response:
    text = FRAME.format(version, source.decode())
    with record_warnings() as caught:
        try:
            inventory = obspy.read_inventory(
                BytesIO(text.encode()), format="STATIONXML"
            )
        except Exception as error:  # obspy's readers raise anything
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(
                f"{where}: its response cannot be read: {reason}"
            ) from error
    for warning in caught:
        logger.warning("%s: %s", where, warning.message)
    return inventory[0][0][0].response


def read_stationxml(path: Path) -> Inventory | None:
    """Read a file of StationXML; its responses are `DeferredResponse`.

    Returns
    -------
    obspy.Inventory or None
        None if obspy has to read the whole file: it is not StationXML, or obspy leaves
        out some of its channels.

    Raises
    ------
    DataError
        If it is XML that is not well-formed, or that has a document type.
    """
    with open_regular(path) as file:
        head = file.read(HEAD_BYTES)
        if not is_xml(head):
            return None
        file.seek(0)
        root = parse_xml(file)
    if root.tag != f"{NAMESPACE}FDSNStationXML":
        return None
    version = root.get("schemaVersion", "")
    responses = [
        [_take_response(channel) for channel in channels]
        for channels in _stations(root)
    ]
    frame = BytesIO(etree.tostring(root))
    inventory = obspy.read_inventory(frame, format="STATIONXML")
    stations = [station for network in inventory for station in network]
    if [len(station.channels) for station in stations] != list(map(len, responses)):
        return None
    for station, sources in zip(stations, responses, strict=True):
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


def _take_response(channel: Any) -> bytes | None:
    """Remove the response from the element of a channel, and return it."""
    response = channel.find(f"{NAMESPACE}Response")
    if response is None:
        return None
    source = bytes(etree.tostring(response, with_tail=False))
    channel.remove(response)
    return source
