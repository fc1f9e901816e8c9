"""Responses that are parsed at their first use equal the responses of obspy."""

import copy
import pickle
from pathlib import Path

import obspy
import pytest
from obspy.core.inventory import Response

from dispel4py.errors import DataError
from seismo_pes.metadata import deferred
from seismo_pes.metadata.deferred import DeferredResponse, read_stationxml
from seismo_pes.metadata.inventory import read_inventory
from seismo_pes.metadata.inverse import _Contents

HERE = Path(obspy.__file__).parent
ONE = HERE / "core" / "tests" / "data" / "IU_ANMO_00_BHZ.xml"


def files(root):
    for path in sorted(root.rglob("*.xml")):
        with path.open("rb") as file:
            if b"FDSNStationXML" in file.read(4096):
                yield path


def channels(inventory):
    return [c for network in inventory for station in network for c in station]


def check(path):
    """Compare with obspy; return the numbers of deferred responses and known gains."""
    result, wanted = read_stationxml(path), obspy.read_inventory(str(path))
    if result is None:  # obspy leaves a channel out
        return 0, 0
    responses = [c.response for c in channels(result)]
    late = [r for r in responses if isinstance(r, DeferredResponse)]
    known = [r.gain_and_kind for r in late]
    assert result == wanted
    assert all(r.is_parsed for r in late)
    for response, contents in zip(late, known, strict=True):
        if contents is not None:
            assert contents[0] == _Contents(response).gain
    return len(late), len(late) - known.count(None)


@pytest.mark.filterwarnings("ignore")
def test_files_of_obspy():
    counts = [check(path) for path in files(HERE)]
    late, output = map(sum, zip(*counts, strict=True))
    assert len(counts) > 50
    assert late > 150
    assert output > 120


def test_files_of_networks(shared_data):
    counts = [check(path) for path in files(shared_data)]
    assert sum(late for late, _ in counts) > 20


def one_of(path=ONE):
    (channel,) = channels(read_stationxml(path))
    assert isinstance(channel.response, DeferredResponse)
    return channel.response


def test_a_response_is_parsed_when_an_attribute_is_first_used():
    response = one_of()
    assert isinstance(response, Response)
    with pytest.raises(AttributeError):
        _ = response.no_such_thing
    assert not response.is_parsed
    assert len(response.response_stages) == 3
    assert response.is_parsed
    plain = obspy.read_inventory(str(ONE))[0][0][0].response
    assert str(response) == str(plain)
    values = response.get_evalresp_response_for_frequencies([0.1, 1.0], "VEL")
    assert (values == plain.get_evalresp_response_for_frequencies([0.1, 1.0])).all()


def test_a_changed_response_is_used_as_it_is_now():
    response = one_of()
    response.response_stages = response.response_stages[:1]
    (stage,) = response.response_stages
    stage.stage_gain *= 2
    assert _Contents(response).gain == stage.stage_gain
    assert response != one_of()


def test_equality_with_plain_responses_is_symmetric():
    (plain,) = channels(obspy.read_inventory(str(ONE)))
    assert one_of() == plain.response
    assert plain.response == one_of()
    assert one_of() == one_of()


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_deferred_too(copied):
    result = copied(one_of())
    assert isinstance(result, DeferredResponse)
    assert result == one_of()


def changed(tmp_path, *changes):
    text = ONE.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "changed.xml"
    path.write_text(text)
    return path


def test_instruments_of_one_kind_differ_in_the_gain_alone(tmp_path):
    gain = "<Value>1952.1</Value>"
    twice = one_of(changed(tmp_path, (gain, "<Value>3904.2</Value>")))
    assert twice.gain_and_kind[0] == pytest.approx(2 * one_of().gain_and_kind[0])
    assert twice.gain_and_kind[1] == one_of().gain_and_kind[1]
    assert _Contents(twice) == _Contents(one_of())
    upside_down = one_of(changed(tmp_path, (gain, "<Value>-1952.1</Value>")))
    assert _Contents(upside_down) != _Contents(one_of())
    other = one_of(changed(tmp_path, ("-53.3317", "-53.3318")))
    assert _Contents(other) != _Contents(one_of())


def test_obspy_parses_responses_without_gains_in_the_text(tmp_path):
    silent = one_of(changed(tmp_path, ("<Value>1952.1</Value>", "<Value>0</Value>")))
    assert silent.gain_and_kind is None
    assert _Contents(silent).gain == 1.0
    unknown = one_of(
        changed(tmp_path, ("<Value>3.27508E9</Value>", "<Value>0</Value>"))
    )
    assert unknown.gain_and_kind is None  # it must not share what others have
    assert _Contents(unknown) != _Contents(one_of())


def test_the_error_of_an_unreadable_response_names_file_and_channel(tmp_path):
    path = changed(tmp_path, ("-.00000042706<", "much<"))
    inventory, skipped = read_inventory(path)
    (channel,) = channels(inventory)
    assert not skipped
    assert channel.latitude == pytest.approx(34.95, abs=0.1)
    with pytest.raises(DataError, match=r"changed\.xml: ANMO\.00\.BHZ: its response"):
        _ = channel.response.response_stages


def test_its_warnings_are_logged(monkeypatch, caplog):
    read = obspy.read_inventory

    def warning(*args, **options):
        import warnings

        warnings.warn("odd", stacklevel=1)
        return read(*args, **options)

    response = one_of()
    monkeypatch.setattr(deferred.obspy, "read_inventory", warning)
    assert response.response_stages
    assert "IU_ANMO_00_BHZ.xml: ANMO.00.BHZ: odd" in caplog.text


@pytest.mark.parametrize("content", [b"", b"text", b"<a>FDSNStationXML</a>"])
def test_obspy_reads_files_of_other_formats(tmp_path, content):
    path = tmp_path / "file.xml"
    path.write_bytes(content)
    assert read_stationxml(path) is None
