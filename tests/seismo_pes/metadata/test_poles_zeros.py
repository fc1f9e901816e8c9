from pathlib import Path

import numpy as np
import obspy
import pytest
from obspy import Trace
from obspy.core import AttribDict
from obspy.io.sac.sacpz import attach_paz

from dispel4py.errors import DataError
from seismo_pes.metadata.inventory import read_inventory
from seismo_pes.metadata.poles_zeros import read_pole_zero

ROOT = Path(obspy.__file__).parent
FILES = ROOT / "io" / "sac" / "tests" / "data"
FREQS_HZ = np.array([0.01, 0.1, 1.0, 8.0])


def channels(inventory) -> list[object]:
    return [c for network in inventory for station in network for c in station]


def test_a_response_is_the_formula_of_sac() -> None:
    path = FILES / "IU_ANMO_00_BHZ.sacpz"
    (channel,) = channels(read_pole_zero(path))
    values = channel.response.get_evalresp_response_for_frequencies(
        FREQS_HZ, output="DISP"
    )
    trace = Trace()
    attach_paz(trace, str(path))
    paz: AttribDict = trace.stats.paz
    s = 2j * np.pi * FREQS_HZ
    expected = paz["gain"] * np.prod([s - z for z in paz["zeros"]], axis=0)
    expected /= np.prod([s - p for p in paz["poles"]], axis=0)
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_headers_have_coordinates_angles_and_epoch() -> None:
    inventory = read_pole_zero(FILES / "IU_ANMO_BH.sacpz")
    entries = channels(inventory)
    assert len(entries) == 9
    assert (entries[0].code, entries[0].azimuth, entries[0].dip) == ("BH1", 328, 0)
    assert entries[0].latitude == pytest.approx(34.945981)
    assert entries[0].end_date is None  # the year 2599 means an open epoch
    (old,) = channels(read_pole_zero(FILES / "NZCRLZ_HHZ10.pz"))
    assert (old.dip, old.elevation, old.end_date.year) == (-90, 55, 2037)


def test_input_in_nanometres() -> None:
    (channel,) = channels(read_pole_zero(FILES / "NZCRLZ_HHZ10.pz"))
    (at,) = np.abs(
        channel.response.get_evalresp_response_for_frequencies([1.0], output="VEL")
    )
    assert at == pytest.approx(8.3886e8, rel=1e-3)  # the value in its header


HEADLESS = "ZEROS 3\nPOLES 2\n-0.1 0.1\n-0.1 -0.1\nCONSTANT 1e9\n"


def test_the_name_may_give_the_channel(tmp_path) -> None:
    path = tmp_path / "SAC_PZs_XC_OR075_LHZ_00_2006.007"
    path.write_text(HEADLESS)
    inventory, skipped = read_inventory(tmp_path)
    assert not skipped
    assert inventory.get_contents()["channels"] == ["XC.OR075.00.LHZ"]
    stage = channels(inventory)[0].response.response_stages[0]
    assert stage.zeros == [0, 0, 0]  # counted, but not listed


def test_dips_from_the_vertical_are_converted(tmp_path) -> None:
    head = "* NETWORK : X\n* STATION : A\n* CHANNEL : {}\n* DIP : {}\n"
    path = tmp_path / "two.pz"
    path.write_text(
        f"{head.format('HHZ', 0.0)}{HEADLESS}{head.format('HHN', 90.0)}{HEADLESS}"
    )
    assert [c.dip for c in channels(read_pole_zero(path))] == [-90, 0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.pz", "", "no poles and zeros"),
        ("a.pz", HEADLESS, "no header, and the name gives no channel"),
        ("SAC_PZs_A_Z", "ZEROS 1\nPOLES 1\n1 2\n3 4\nCONSTANT 1", "more poles"),
        ("SAC_PZs_A_Z", "ZEROS 1\nPOLES 1\n", "it has no CONSTANT"),
        ("SAC_PZs_A_Z", "hello\n", "not poles and zeros of SAC"),
    ],
)
def test_invalid_files_are_reported(tmp_path, name, text, message) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_pole_zero(tmp_path / name)
