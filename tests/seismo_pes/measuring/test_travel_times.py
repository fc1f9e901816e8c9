"""Travel times are those of obspy's TauP, in any order of depths and distances."""

import shutil
from pathlib import Path

import pytest
from obspy import taup
from obspy.taup import TauPyModel

from dispel4py.errors import ParameterError
from seismo_pes.measuring.travel_times import KM_PER_DEGREE, TravelTimes


@pytest.mark.parametrize("phases", [("ttp",), ("S", "PKiKP", "SS"), ("Pdiff",)])
def test_each_first_arrival_is_that_of_taup(phases):
    times, model = TravelTimes("iasp91", phases), TauPyModel("iasp91")
    for depth_km, degrees in (
        (12.3, 0.0), (12.3, 3.7), (0.0, 95.0), (600.0, 3.7), (12.3, 95.0), (0.0, 180.0),
    ):  # fmt: skip
        expected = {}
        for arrival in model.get_travel_times(depth_km, degrees, list(phases)):
            expected.setdefault(arrival.name, arrival.time)
        found = times.of(1000 * depth_km, degrees * KM_PER_DEGREE)
        assert found == pytest.approx(expected, rel=1e-12)
        assert list(found) == list(expected)
        first = times.first(1000 * depth_km, degrees * KM_PER_DEGREE)
        assert first == min(found.values(), default=None)


def test_an_unknown_phase_or_model_is_named():
    with pytest.raises(ParameterError, match="Pxy"):
        TravelTimes("iasp91", ["Pxy"]).of(0.0, 500.0)
    with pytest.raises(ParameterError, match="earth model 'mars'"):
        TravelTimes("mars", ["P"]).first(0.0, 500.0)


def test_the_working_folder_may_have_a_file_with_the_name_of_a_model(
    tmp_path, monkeypatch
):
    """For instance a folder of results, which is called as its model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prem").mkdir()
    (time_s,) = TravelTimes("PREM", ["P"]).of(10_000.0, 5559.7).values()
    assert TravelTimes("prem", ["P"]).of(10_000.0, 5559.7) == {"P": time_s}


def test_a_model_may_be_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Path(taup.__file__).parent / "data" / "iasp91.npz"
    shutil.copy(own, tmp_path / "prem")
    expected = TravelTimes("iasp91", ["P"]).of(10_000.0, 5559.7)
    for name in (str(tmp_path / "prem"), "./prem"):
        assert TravelTimes(name, ["P"]).of(10_000.0, 5559.7) == expected
