import pytest

from dispel4py.errors import DataError, ParameterError
from seismo_pes.metadata.events import choose_events, read_events

ORIGIN = """<origin publicID="{id}"><time><value>{time}</value></time>
<latitude><value>{lat}</value></latitude><longitude><value>10.0</value></longitude>
{depth}</origin>"""
DEPTH = "<depth><value>12500.0</value></depth>"


def quakeml(*events):
    head = '<q:quakeml xmlns:q="http://quakeml.org/xmlns/quakeml/1.2" '
    head += (
        'xmlns="http://quakeml.org/xmlns/bed/1.2"><eventParameters publicID="smi:a">'
    )
    return head + "".join(events) + "</eventParameters></q:quakeml>"


def event(public_id, *parts):
    return f'<event publicID="{public_id}">{"".join(parts)}</event>'


def origin(id="smi:o/1", time="2020-01-02T03:04:05.25Z", lat=45.0, depth=DEPTH):
    return ORIGIN.format(id=id, time=time, lat=lat, depth=depth)


def written(tmp_path, *events):
    path = tmp_path / "events.xml"
    path.write_text(quakeml(*events))
    return path


def test_the_preferred_origin_is_used(tmp_path):
    preferred = "<preferredOriginID>smi:o/2</preferredOriginID>"
    second = origin(id="smi:o/2", lat=46.0)
    path = written(tmp_path, event("smi:e/1", origin(), second, preferred))
    ((found,), skipped) = read_events(path)
    assert not skipped
    assert (found.latitude, found.longitude, found.depth_m) == (46.0, 10.0, 12500.0)
    assert found.time_ns == 1_577_934_245_250_000_000
    assert found.magnitude is None


def test_a_preferred_origin_that_is_missing_is_no_origin(tmp_path):
    preferred = "<preferredOriginID>smi:o/9</preferredOriginID>"
    path = written(tmp_path, event("smi:e/1", origin(), preferred))
    found, skipped = read_events(path)
    assert not found
    assert "smi:o/9 is not in the file" in skipped[0].reason


@pytest.mark.parametrize(
    "part", ["", origin(time="soon"), origin(lat="north"), origin(lat=120.0)]
)
def test_an_event_without_time_or_place_is_skipped(tmp_path, part):
    path = written(tmp_path, event("smi:e/1", part), event("smi:e/2", origin()))
    found, skipped = read_events(path)
    assert [entry.id for entry in found] == ["smi:e/2"]
    assert [entry.what for entry in skipped] == ["smi:e/1"]


def test_an_event_without_depth_and_magnitude_is_kept(tmp_path):
    ((found,), _) = read_events(written(tmp_path, event("smi:e/1", origin(depth=""))))
    assert found.depth_m is None
    assert found.magnitude is None


def test_ids_are_exact(tmp_path):
    path = written(tmp_path, event("smi:e/1", origin()), event("smi:e/12", origin()))
    found, _ = read_events(path)
    assert [e.id for e in choose_events(found, ["smi:e/12"])] == ["smi:e/12"]
    assert len(choose_events(found, [])) == 2
    with pytest.raises(ParameterError, match="no event has this id"):
        choose_events(found, ["smi:e/"])


@pytest.mark.parametrize(
    "content", ["", "no xml", "<a/>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>']
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "events.xml"
    path.write_text(content)
    with pytest.raises(DataError, match=r"events\.xml"):
        read_events(path)


def test_the_events_of_verce(shared_data):
    events, skipped = read_events(shared_data / "verce_misfit" / "quakeml")
    assert not skipped
    assert len(events) == 5
    (found,) = [entry for entry in events if entry.label == "1744261"]
    assert (found.depth_m, found.magnitude) == (17100.0, 4.8)
