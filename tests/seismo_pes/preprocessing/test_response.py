"""Removing the instrument response, against obspy."""

import copy
import pickle

import numpy as np
import obspy
import pytest
from obspy import Stream, Trace, UTCDateTime
from obspy.core.inventory.response import (
    Response,
    ResponseListElement,
    ResponseListResponseStage,
)
from obspy.core.util.base import get_example_file

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.inverse import ResponseCache
from seismo_pes.preprocessing.response import RemoveResponse, remove_response

# relative to the largest sample, as required; measured 1e-13 at equal lengths
TOLERANCE = 1e-6


def noise(channel_id, start, n, rate_hz, seed=1):
    rng = np.random.default_rng(seed)
    data = np.cumsum(rng.standard_normal(n))
    data -= np.linspace(data[0], data[-1], n)
    data = (1000 * data * np.hanning(n)).round()
    part = Trace(data, {"starttime": UTCDateTime(start), "sampling_rate": rate_hz})
    part.id = channel_id
    return part


@pytest.fixture(scope="module")
def iu():
    return obspy.read_inventory(get_example_file("IU_ULN_00_LH1.xml"))


@pytest.fixture(scope="module")
def bw():
    return obspy.read_inventory(get_example_file("BW_RJOB.xml"))


@pytest.fixture(scope="module")
def cca(shared_data):
    return obspy.read_inventory(str(shared_data / "ci_cca_hec" / "CI_CCA.xml"))


def by_obspy(part, inventory, output, pre_filt, water_level):
    return part.copy().remove_response(
        inventory,
        output=output,
        pre_filt=pre_filt,
        water_level=water_level,
        zero_mean=False,
        taper=False,
    )


def asked_of_evalresp(monkeypatch):
    """Return a list that gets the number of frequencies of each evaluation."""
    asked = []
    evaluate = Response.get_evalresp_response_for_frequencies

    def counted(self, frequencies, **options):
        asked.append(len(frequencies))
        return evaluate(self, frequencies, **options)

    monkeypatch.setattr(Response, "get_evalresp_response_for_frequencies", counted)
    return asked


def difference(a, b):
    return np.abs(a.data - b.data).max() / np.abs(b.data).max()


@pytest.mark.parametrize("output", ["DISP", "VEL", "ACC", "DEF"])
@pytest.mark.parametrize("water_level", [60.0, None])
@pytest.mark.parametrize("pre_filt", [None, (0.002, 0.005, 0.3, 0.4)])
def test_agrees_with_obspy(iu, output, water_level, pre_filt):
    part = noise("IU.ULN.00.LH1", "2015-07-18T03:00:00", 3600, 1.0)
    (ours,) = remove_response([part], iu, output, pre_filt, water_level)
    theirs = by_obspy(part, iu, output, pre_filt, water_level)
    assert ours.data.dtype == np.float64
    assert difference(ours, theirs) < TOLERANCE


@pytest.mark.parametrize("n", [10000, 9999, 7919])
def test_agrees_with_obspy_on_awkward_lengths(bw, n):
    part = noise("BW.RJOB..EHZ", "2009-08-24T00:20:03", n, 100.0)
    pre_filt = (0.5, 1.0, 30.0, 40.0)
    (ours,) = remove_response([part], bw, pre_filt=pre_filt)
    assert len(ours) == n
    assert difference(ours, by_obspy(part, bw, "VEL", pre_filt, 60.0)) < TOLERANCE


@pytest.mark.parametrize("rate_hz", [20.0, 40.0])
def test_agrees_with_obspy_up_to_the_edge_of_the_fir_filter(cca, rate_hz):
    part = noise("CI.CCA..BHN", "2022-01-02", 72000, rate_hz)
    for pre_filt in (None, (0.005, 0.006, 8.0, 9.0)):
        (ours,) = remove_response([part], cca, pre_filt=pre_filt)
        assert difference(ours, by_obspy(part, cca, "VEL", pre_filt, 60.0)) < TOLERANCE


def test_response_list(bw):
    inventory = bw.copy()
    response = inventory.select(channel="EHZ")[0][0][0].response
    first = response.response_stages[0]
    corners = [ResponseListElement(f, 10.0 + 3 * np.sin(f), f) for f in range(60)]
    response.response_stages = [
        ResponseListResponseStage(
            1, first.stage_gain, 1.0, "M/S", "COUNTS", response_list_elements=corners
        )
    ]
    part = noise("BW.RJOB..EHZ", "2009-08-24T00:20:03", 4000, 100.0)
    (ours,) = remove_response([part], inventory)
    assert difference(ours, by_obspy(part, inventory, "VEL", None, 60.0)) < TOLERANCE


def test_second_day_is_not_evaluated_again_and_both_are_obspys(cca, monkeypatch):
    days = [
        noise("CI.CCA..BHN", start, 432000, 20.0, seed)
        for seed, start in enumerate(["2022-01-02", "2022-01-03"])
    ]
    pre_filt = (0.005, 0.01, 8.0, 9.5)
    cache = ResponseCache()
    asked = asked_of_evalresp(monkeypatch)
    n_asked = []
    for day in days:
        del asked[:]
        (ours,) = remove_response([day], cca, pre_filt=pre_filt, cache=cache)
        n_asked.append(len(asked))
        assert difference(ours, by_obspy(day, cca, "VEL", pre_filt, 60.0)) < TOLERANCE
    assert n_asked[0] > 0
    assert n_asked[1] == 0
    (again,) = remove_response([days[1]], cca, pre_filt=pre_filt)
    np.testing.assert_array_equal(again.data, ours.data)


def test_small_cache_gives_the_same(cca, bw):
    parts = [
        noise("CI.CCA..BHN", "2022-01-02", 20000, 20.0),
        noise("BW.RJOB..EHZ", "2009-08-24T00:20:03", 5000, 100.0),
    ]
    inventory = cca + bw
    cache = ResponseCache(max_mb=0.1)
    large = ResponseCache()
    for _ in range(3):
        a = remove_response(parts, inventory, cache=cache)
        b = remove_response(parts, inventory, cache=large)
        for first, second in zip(a, b, strict=True):
            np.testing.assert_array_equal(first.data, second.data)
    assert len(cache._kept) == 1


def test_instruments_of_one_kind_are_evaluated_once(bw, monkeypatch):
    """Other gains of the stages scale; a pole that differs asks evalresp again."""
    part = noise("BW.RJOB..EHZ", "2010-01-01", 3000, 100.0)

    def changed(change):
        inventory = copy.deepcopy(bw)
        for epoch in inventory.select(channel="EHZ")[0][0]:
            change(epoch.response.response_stages)
        return inventory

    def louder(stages):
        stages[0].stage_gain *= 2
        stages[1].stage_gain *= 1.7

    def upside_down(stages):
        stages[0].stage_gain *= -1

    def other_pole(stages):
        stages[0].poles = [pole * 1.01 for pole in stages[0].poles]

    same, loud, turned, other = map(
        changed, (lambda stages: None, louder, upside_down, other_pole)
    )
    exact = [by_obspy(part, i, "VEL", None, 60.0) for i in (bw, loud, turned, other)]
    asked = asked_of_evalresp(monkeypatch)
    cache = ResponseCache()
    first = remove_response([part], bw, cache=cache)[0]
    n_asked = len(asked)
    assert sum(asked) < 20_000  # few frequencies for a short record
    again = remove_response([part], same, cache=cache)[0]
    half = remove_response([part], loud, cache=cache)[0]
    assert len(asked) == n_asked
    np.testing.assert_array_equal(first.data, again.data)
    negative = remove_response([part], turned, cache=cache)[0]
    moved = remove_response([part], other, cache=cache)[0]
    assert len(asked) > n_asked
    for ours, theirs in zip((first, half, negative, moved), exact, strict=True):
        assert difference(ours, theirs) < 1e-9


def _first_stage(**changes):
    def spoil(response):
        for name, value in changes.items():
            setattr(response.response_stages[0], name, value)

    return spoil


def _sensitivity_0(response):
    response.instrument_sensitivity.value = 0.0


def _filter_of_zeros(response):
    filters = [s for s in response.response_stages if hasattr(s, "coefficients")]
    filters[0].coefficients = [0.0 for _ in filters[0].coefficients]


def _list_of(amplitude):
    def spoil(response):
        frequencies = (1e-9, 1e-3, 1.0, 10.0, 100.0)
        elements = [ResponseListElement(f, amplitude, 0.0) for f in frequencies]
        stage = ResponseListResponseStage(1, 1.0, 1.0, "M/S", "COUNTS")
        stage.response_list_elements = elements
        response.response_stages = [stage]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_first_stage(stage_gain=0.0), "stage 1 has the gain 0"),
        (_first_stage(stage_gain=np.nan), "the product of its gains is nan"),
        (_first_stage(stage_gain=np.inf), "the product of its gains is inf"),
        (_first_stage(stage_gain=1e-320), "the product of its gains is "),
        (_sensitivity_0, "its sensitivity is 0"),
        (_filter_of_zeros, "all coefficients of stage 3 are 0"),
        (_list_of(0.0), "it is 0 at all frequencies"),
        (_list_of(np.inf), "it is not a number at some frequencies"),
    ],
)
def test_a_response_without_inverse_is_one_line_and_harms_no_other(
    bw, capfd, spoil, reason
):
    part = noise("BW.RJOB..EHZ", "2010-01-01", 3000, 100.0)
    alone = remove_response([part], bw)[0]
    spoiled = copy.deepcopy(bw)
    for epoch in spoiled.select(channel="EHZ")[0][0]:
        spoil(epoch.response)
    cache = ResponseCache()
    with pytest.raises(
        DataError, match=rf"^BW.RJOB..EHZ: .*cannot be evaluated: {reason}"
    ):
        remove_response([part], spoiled, cache=cache)
    # an instrument of this kind, which shares all but the gains
    beside = remove_response([part], bw, cache=cache)[0]
    np.testing.assert_array_equal(beside.data, alone.data)
    with pytest.raises(DataError, match=reason):
        remove_response([part], spoiled, cache=cache)
    assert capfd.readouterr() == ("", "")


def test_input_is_left_alone(bw):
    part = noise("BW.RJOB..EHZ", "2009-08-24T00:20:03", 1000, 100.0)
    before = part.copy()
    (ours,) = remove_response(Stream([part]), bw)
    assert part == before
    assert ours.stats.starttime == part.stats.starttime


def test_linear_in_the_data(bw):
    a = noise("BW.RJOB..EHZ", "2009-08-24T00:20:03", 2000, 100.0, 1)
    b = noise("BW.RJOB..EHZ", "2009-08-24T00:20:03", 2000, 100.0, 2)
    both = a.copy()
    both.data = 2 * a.data - 3 * b.data
    # the value at Nyquist is made positive, as obspy does, which is not linear
    x, y, z = remove_response([a, b, both], bw, pre_filt=(0.5, 1.0, 40.0, 45.0))
    scale = np.abs(z.data).max()
    np.testing.assert_allclose(2 * x.data - 3 * y.data, z.data, atol=1e-12 * scale)


def test_constant_zero_and_one_sample(bw):
    part = noise("BW.RJOB..EHZ", "2009-08-24T00:20:03", 1, 100.0)
    assert len(remove_response([part], bw)[0]) == 1
    part.data = np.zeros(10)
    assert not remove_response([part], bw)[0].data.any()


@pytest.mark.parametrize(
    ("channel_id", "start", "message"),
    [
        ("XX.NONE..EHZ", "2009-08-24", "no such channel"),
        ("BW.RJOB.00.EHZ", "2009-08-24", "no such channel"),
        ("BW.RJOB..EHZ", "1999-01-01", "the missing epoch"),
    ],
)
def test_no_response_names_channel_and_time(bw, channel_id, start, message):
    part = noise(channel_id, start, 100, 100.0)
    with pytest.raises(DataError, match=message) as caught:
        remove_response([part], bw)
    assert channel_id in str(caught.value)
    assert start in str(caught.value)


def test_each_part_of_a_trace_gets_its_own_response(bw):
    """Counts of 7 times the gain in the second half are the same ground motion."""
    inventory = copy.deepcopy(bw)
    place = next(s for s in inventory[0] if s.code == "RJOB")
    part = noise("BW.RJOB..EHZ", "2010-01-01", 6000, 100.0)
    change = part.stats.starttime + 30
    valid = [c for c in place if c.code == "EHZ" and c.is_active(change)]
    later = copy.deepcopy(valid[0])
    valid[0].end_date, later.start_date = change - 1, change
    later.response.response_stages[0].stage_gain *= 7
    place.channels.append(later)
    recorded = part.copy()
    recorded.data[3000:] *= 7
    first, second = remove_response([recorded], inventory)
    assert second.stats.starttime == change
    halves = part.slice(endtime=change - 0.01), part.slice(change)
    for output, half in zip((first, second), halves, strict=True):
        (exact,) = remove_response([half], bw)
        np.testing.assert_allclose(output.data, exact.data, rtol=1e-9, atol=1e-20)


def test_a_part_without_response_is_listed_and_the_rest_used(bw):
    inventory = copy.deepcopy(bw)
    part = noise("BW.RJOB..EHZ", "2010-01-01", 6000, 100.0)
    for channel in inventory.select(channel="EHZ")[0][0]:
        channel.end_date = part.stats.starttime + 30
    pe = RemoveResponse(inventory)
    pe.preprocess()
    result = list(pe.process({"input": Stream([part])}))
    skipped = result[0]["skipped"]
    assert "no response: the inventory has" in skipped.reason
    assert UTCDateTime(ns=skipped.start_ns) == UTCDateTime("2010-01-01T00:00:32")
    assert [len(trace) for trace in result[1]["output"]] == [3200]


def test_channel_without_response_is_a_data_error(bw):
    inventory = bw.copy()
    for channel in inventory[0][0]:
        channel.response = None
    part = noise("BW.RJOB..EHZ", "2009-08-24", 100, 100.0)
    with pytest.raises(DataError, match="level=response"):
        remove_response([part], inventory)


def test_masked_data_is_refused(bw):
    part = noise("BW.RJOB..EHZ", "2009-08-24", 100, 100.0)
    part.data = np.ma.masked_less(part.data, 0)
    with pytest.raises(DataError, match="split it first"):
        remove_response([part], bw)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pre_filt": (1.0, 2.0, 40.0, 60.0)}, "Nyquist frequency of 50 Hz"),
        ({"pre_filt": (1.0, 2.0, 30.0, 20.0)}, "rising corners"),
        ({"pre_filt": (1.0, 2.0, 3.0)}, "four"),
        ({"output": "vel"}, "VEL, DISP, ACC"),
    ],
)
def test_mistakes(bw, options, message):
    part = noise("BW.RJOB..EHZ", "2009-08-24", 100, 100.0)
    with pytest.raises(ParameterError, match=message):
        remove_response([part], bw, **options)


def test_element(bw, tmp_path):
    path = tmp_path / "bw.xml"
    bw.write(str(path), "STATIONXML")
    element = pickle.loads(pickle.dumps(RemoveResponse(str(path), "DISP")))
    element.preprocess()
    good = noise("BW.RJOB..EHZ", "2009-08-24T00:20:03", 1000, 100.0)
    bad = noise("XX.NONE..EHZ", "2009-08-24", 1000, 100.0)
    first, second = element.process({"input": Stream([good, bad])})
    assert isinstance(first["skipped"], Skipped)
    assert first["skipped"].what == "XX.NONE..EHZ"
    assert "no such channel" in first["skipped"].reason
    np.testing.assert_array_equal(
        second["output"][0].data, remove_response([good], bw, "DISP")[0].data
    )
    with pytest.raises(ParameterError):
        RemoveResponse(bw, "NONSENSE")
