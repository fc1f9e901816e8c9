"""XML from unknown sources reads no other file and does not grow."""

from __future__ import annotations

import io

import obspy
import pytest

from dispel4py.errors import DataError, ParameterError
from seismo_pes.metadata import read_inventory
from seismo_pes.metadata.xml import is_xml, parse_xml

EXTERNAL = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file://{path}">]>'
LAUGHS = "<!DOCTYPE x [" + "".join(
    f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "lol" * 100}">' for k in range(9)
)
DOCUMENT_TYPES = {
    "external": EXTERNAL,
    "remote": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    "laughs": LAUGHS + "]>",
}


def stationxml(tmp_path, document_type="", entity="", encoding="utf-8"):
    content = io.BytesIO()
    obspy.read_inventory().write(content, format="STATIONXML")
    text = content.getvalue().decode()
    text = text.partition("?>")[2]
    source = text.index("<Source>") + len("<Source>")
    text = text[:source] + entity + text[source:]
    head = f"<?xml version='1.0' encoding='{encoding}'?>\n{document_type}"
    path = tmp_path / "stations.xml"
    path.write_bytes((head + text).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("kind", list(DOCUMENT_TYPES))
def test_a_document_type_is_refused(tmp_path, kind, encoding):
    secret = tmp_path / "secret.txt"
    secret.write_text("do not read this")
    entity = {"external": "&secret;", "laughs": "&l8;"}.get(kind, "")
    document_type = DOCUMENT_TYPES[kind].format(path=secret)
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    path = stationxml(tmp_path, document_type, entity, name)
    if encoding == "utf-8-sig":
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    with pytest.raises(ParameterError) as caught:
        read_inventory(path)
    assert "document type" in str(caught.value) or "well-formed" in str(caught.value)
    assert "do not read this" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_ordinary_metadata_are_read(tmp_path, encoding):
    inventory, skipped = read_inventory(stationxml(tmp_path, encoding=encoding))
    assert not skipped
    wanted = obspy.read_inventory().get_contents()["channels"]
    assert inventory.get_contents()["channels"] == wanted


def test_torn_metadata_are_refused(tmp_path):
    path = stationxml(tmp_path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ParameterError, match="not well-formed XML"):
        read_inventory(path)


def test_beginnings():
    assert is_xml(b"\n<a/>")
    assert is_xml("<a/>".encode("utf-16"))
    assert not is_xml(b"000001V 010009400")
    with pytest.raises(DataError, match="well-formed"):
        parse_xml(io.BytesIO(b"<a>"))
