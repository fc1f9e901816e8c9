"""Travel times are those of obspy's TauP, in any order of depths and distances."""

import pytest
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
