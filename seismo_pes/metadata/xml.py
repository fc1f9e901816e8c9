"""Parsing XML from unknown sources: without entities, and without the network.

A document type can declare entities that read local files, open addresses, or grow
without end. No format of seismology needs one, so a document with one is refused, with
any version of lxml.
"""

from __future__ import annotations

from typing import IO, Any

from lxml import etree

from dispel4py.errors import DataError

__all__ = ["is_xml", "parse_xml"]

BLANKS = b" \t\r\n"
# How a document may begin: as text of one byte, in UTF-16, and with marks of UTF-8 and
# UTF-16.
BEGINNINGS = (b"<", b"<\0", b"\0<", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def is_xml(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` may be XML.

    >>> is_xml(b"  <?xml version='1.0'?>"), is_xml(b"000001D ")
    (True, False)
    """
    return head.lstrip(BLANKS).startswith(BEGINNINGS)


def parse_xml(file: IO[bytes]) -> Any:
    """Parse a document and return its root element.

    Parameters
    ----------
    file
        Opened for reading bytes.

    Returns
    -------
    lxml.etree.Element

    Raises
    ------
    DataError
        If it is not well-formed, or has a document type.

    Examples
    --------
    >>> import io
    >>> parse_xml(io.BytesIO(b"<FDSNStationXML/>")).tag
    'FDSNStationXML'
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
    )
    try:
        tree = etree.parse(file, parser)
    except etree.XMLSyntaxError as error:
        raise DataError(f"not well-formed XML: {error}") from error
    if tree.docinfo.doctype:
        raise DataError(
            "it has a document type, which may declare entities; remove the line "
            "that begins with <!DOCTYPE"
        )
    return tree.getroot()
