"""The terms of items: codes, times, sizes; and functions for what takes time."""

from __future__ import annotations

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from dispel4py.description import describe
from seismo_pes.items import Correlation, Skipped
from seismo_pes.items.comparison import MisfitRow, StationFiles, StationMisfits
from seismo_pes.items.descriptions import rows_by_pair, source_id
from seismo_pes.items.events import Event
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.items.waveforms import ChannelSpan, Waveforms

DAY_NS = 86_400_000_000_000


def trace(station="FMP", **header):
    codes = {"network": "CI", "station": station, "channel": "BHZ"}
    start = UTCDateTime(2024, 3, 1)
    data = 3 * np.sin(2 * np.pi * np.arange(1000) / 20)
    return Trace(data, codes | {"starttime": start, "sampling_rate": 20.0} | header)


@pytest.mark.parametrize(
    ("channel_id", "expected"),
    [
        ("CI.FMP..BHZ", "FDSN:CI_FMP__B_H_Z"),
        ("IU.ANMO.00.LHZ", "FDSN:IU_ANMO_00_L_H_Z"),
        ("XX.A..Z", "FDSN:XX_A___Z_"),
        ("name", ""),
    ],
)
def test_source_ids(channel_id, expected):
    assert source_id(channel_id) == expected


def test_a_trace_has_codes_times_and_size():
    terms = describe(trace())
    assert terms["source_id"] == "FDSN:CI_FMP__B_H_Z"
    assert (terms["station"], terms["rate_hz"], terms["n_samples"]) == ("FMP", 20, 1000)
    assert terms["start"] == "2024-03-01T00:00:00.000000Z"
    assert terms["end"] == "2024-03-01T00:00:49.950000Z"
    # of a sine of 50 whole periods: amplitude, and amplitude / sqrt(2)
    assert terms["peak"]() == pytest.approx(3, rel=1e-12)
    assert terms["rms"]() == pytest.approx(3 / np.sqrt(2), rel=1e-12)


def test_gaps_and_empty_traces_have_sizes():
    gappy = trace()
    gappy.data = np.ma.masked_greater(gappy.data, 1)
    assert describe(gappy)["peak"]() == pytest.approx(3)
    assert describe(gappy)["rms"]() > 0
    empty = Trace(np.array([]), {"station": "A"})
    assert (describe(empty)["peak"](), describe(empty)["rms"]()) == (None, None)
    assert describe(Stream()) == {"n_traces": 0}


def test_streams_and_waveforms_name_their_channels():
    stream = Stream([trace(), trace("CIA")])
    terms = describe(stream)
    assert terms["channels"] == "CI.FMP..BHZ CI.CIA..BHZ"
    assert "station" not in terms
    span = ChannelSpan("CI.FMP..BHZ", 0, DAY_NS, ("a.mseed", "b.mseed"), 0)
    waveforms = Waveforms.of(span, [trace()])
    terms = describe(waveforms)
    assert (terms["station"], terms["n_traces"]) == ("FMP", 1)
    assert terms["end"] == "1970-01-02T00:00:00.000000Z"
    assert describe(span)["files"] == ("a.mseed", "b.mseed")


def test_a_correlation_has_its_lag_and_distance():
    data = np.zeros(201)
    data[100 + 30] = -2.0
    item = Correlation.of(
        "CI.FMP..BHZ", "CI.CIA..BHZ", data, rate_hz=10.0, distance_km=42.5
    )
    terms = describe(item)
    assert (terms["station_1"], terms["station_2"]) == ("FMP", "CIA")
    assert terms["distance_km"] == 42.5
    assert terms["lag_s"]() == pytest.approx(3.0)
    # one sample of 201 is not zero
    assert terms["snr"]() == pytest.approx(np.sqrt(201))
    assert terms["peak"]() == 2.0


def rows(n=2):
    return CorrelationRows(
        *("all", np.array([[0, 1], [0, 2]])[:n], np.full(n, 24), np.zeros(n, int)),
        *(np.full(n, DAY_NS), np.array([[3.0, -4.0], [1.0, 1.0]])[:n], (0, 1, 7)),
        last=True,
    )


def test_rows_have_their_tile_and_pairs():
    terms = describe(rows())
    assert (terms["row"], terms["column"], terms["period"]) == (0, 1, 7)
    assert (terms["n_pairs"], terms["n_windows"], terms["peak"]()) == (2, 48, 4.0)
    assert rows_by_pair(rows(), ["A", "B", "C"]) == {
        "first": ["A", "A"],
        "second": ["B", "C"],
        "n_windows": [24, 24],
        "peak": [4.0, 1.0],
        "rms": pytest.approx([np.sqrt(12.5), 1.0]),
    }
    assert rows_by_pair(rows(0), ["A"]) == {}
    assert describe(rows(0))["n_pairs"] == 0


def test_misfits_have_their_sum():
    event = Event("smi:x/1", 0, 0.0, 0.0)
    where = {"event": event.id, "station": "CI.FMP", "location": "", "component": "Z"}
    band = {"min_period_s": 10.0, "max_period_s": 30.0}
    measured = [
        MisfitRow(**where, **band, status="measured", misfit=value)
        for value in (1.5, 2.0)
    ]
    rejected = MisfitRow(**where, **band, status="rejected", reason="noise")
    item = StationMisfits(
        event, "CI.FMP", {"distance_km": 120.0}, (*measured, rejected)
    )
    terms = describe(item)
    assert (terms["network"], terms["station"]) == ("CI", "FMP")
    assert (terms["misfit"], terms["n_measured"], terms["n_rejected"]) == (3.5, 2, 1)
    parts = terms["parts"]()
    assert parts["misfit"] == [1.5, 2.0, None]
    assert parts["status"] == ["measured", "measured", "rejected"]
    files = StationFiles(event, "CI.FMP", ("o.mseed",), ("s.semd",))
    assert describe(files)["files"] == ("o.mseed", "s.semd")


def test_skipped_data_say_what_and_why():
    terms = describe(Skipped("read", "CI.FMP..BHZ", "no data"))
    assert terms["reason"] == "no data"
