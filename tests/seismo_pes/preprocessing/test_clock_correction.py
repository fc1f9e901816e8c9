"""Corrections of wrong clocks, with known drifts."""

import pickle

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.preprocessing import (
    CorrectClock,
    correct_clock,
    parse_clock_table,
    read_clock_table,
)

START = UTCDateTime(2024, 3, 1)
DAY_S = 86_400
RATE_HZ = 10.0


def trace(data, rate_hz=RATE_HZ, start=START, station="AAA") -> Trace:
    header = {"network": "XX", "station": station, "channel": "HHZ"}
    header |= {"sampling_rate": rate_hz, "starttime": start}
    return Trace(np.asanyarray(data), header)


TABLE = """# found by noise correlation
channel,start,end,offset_s,end_offset_s
XX.AAA,2024-03-01,2024-03-02,0.25,
XX.B*..HH?,2024-03-01,2024-03-01T00:01:40,0.0,0.5
"""


def test_a_constant_offset_moves_the_start() -> None:
    table = parse_clock_table(TABLE)
    record = trace(np.arange(100))
    left, (remark,) = correct_clock(record, table)
    assert left[0].stats.starttime == START - 0.25
    assert left[0].data.dtype == record.data.dtype
    assert remark.reason == "clock corrected by -0.25 s"


def test_a_drifting_clock_is_corrected() -> None:
    table = parse_clock_table(TABLE)
    # recorded t means true t - 0.005 t: gains 0.5 s in 100 s
    recorded = np.arange(1000) / 10
    true = recorded * (1 - 0.005)
    left, (remark,) = correct_clock(trace(np.sin(2 * true), station="BBB"), table)
    (result,) = left
    k = np.arange(len(result.data)) / 10
    assert result.stats.starttime == START
    assert abs(k[-1] - true[-1]) < 0.1
    # Lanczos of half width 20 at 6 % of Nyquist
    assert np.abs(result.data - np.sin(2 * k))[25:-25].max() < 1e-3
    assert "drift +5000 parts per million" in remark.reason


def test_a_trace_is_cut_where_the_offset_ends() -> None:
    table = parse_clock_table(TABLE)
    record = trace(np.arange(200), start=UTCDateTime(2024, 3, 2) - 10)
    left, remarks = correct_clock(record, table)
    assert len(remarks) == 1
    assert [len(t) for t in left] == [100, 100]
    assert left[0].stats.starttime == record.stats.starttime - 0.25
    assert left[1].stats.starttime == UTCDateTime(2024, 3, 2)
    np.testing.assert_array_equal(np.concatenate([t.data for t in left]), record.data)


def test_other_channels_keep_their_times() -> None:
    record = trace(np.arange(10), station="CCC")
    left, remarks = correct_clock(record, parse_clock_table(TABLE))
    assert left[0] == record
    assert not remarks


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("XX.AAA,2024-03-01,2024-02-01,1.0", "clock.csv:2: the start must be before"),
        ("XX.AAA,2024-03-01,2024-04-01,much", "clock.csv:2: offset_s: could not"),
        ("XX.AAA,2024-03-01,2024-04-01,inf", "clock.csv:2: offset_s inf is not finite"),
        ("XX.AAA,2024-03-01,soon,1.0", "clock.csv:2: end 'soon' is not a time"),
        ("XX.AAA,,2024-04-01,1.0", "clock.csv:2: start '' is not a time"),
        ("XX.AAA,2024-03-01,2024-04-01,1.0,2.0", "clock.csv:2: more cells"),
        ("AAA,2024-03-01,2024-04-01,1.0", "clock.csv:2: 'AAA' is not NET.STA"),
        (
            "XX.A,2024-03-01,2024-04-01,1.0\nXX.A,2024-03-05,2024-04-01,1.0",
            "clock.csv:3: overlaps",
        ),
    ],
)
def test_a_bad_table_gives_one_line(row, reason) -> None:
    with pytest.raises(ParameterError, match=reason):
        parse_clock_table(f"channel,start,end,offset_s\n{row}")


def test_a_table_is_read_from_a_file(tmp_path) -> None:
    (tmp_path / "clock.csv").write_text(TABLE)
    assert read_clock_table(tmp_path / "clock.csv") == parse_clock_table(TABLE)
    with pytest.raises(ParameterError, match="columns"):
        parse_clock_table("")
    with pytest.raises(ParameterError, match="clock table"):
        read_clock_table(tmp_path / "gone")


# -- offsets at times, and synchronisations ----------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("channel,time,offset_s\nXX.A,2024-03-01,1", "c.csv:2: XX.A has one offset"),
        ("channel,time,offset_s\nXX.A,now,1", "c.csv:2: time 'now' is not a time"),
        ("channel,time,offset_s\nA,2024-03-01,1", "c.csv:2: 'A' is not NET.STA"),
        (
            "channel,time,offset_s\n\n# a\nXX.A,2024-03-01,1\nXX.A,2024-03-01,2",
            "c.csv:5: a second offset at the same time",
        ),
        (
            "channel,time,offset_s,interpolation\nXX.A,2024-03-01,1,quadratic",
            "c.csv:2: interpolation 'quadratic' is not linear or cubic",
        ),
        (
            "channel,time,offset_s,interpolation\nXX.A,2024-03-01,1,cubic\n"
            "XX.A,2024-03-02,1,linear",
            "c.csv:3: XX.A has the interpolation cubic above",
        ),
        (
            "channel,time,offset_s\nXX.A,2024-03-01,1\nXX.A,2024-03-01T00:00:10,9",
            "c.csv:3: the clock would gain or lose 0.8 s in each second",
        ),
        (
            "channel,recorded,true\nXX.A,2024-03-01,2024-03-01\nXX.A,2024-03-02,",
            "c.csv:3: true '' is not a time",
        ),
        ("channel,time,drift\n", "c.csv: the columns are not channel,start"),
    ],
)
def test_a_bad_table_of_points_is_one_line(text, reason) -> None:
    with pytest.raises(ParameterError, match=reason):
        parse_clock_table(text, "c.csv")


def wave(true_s):
    """Return waves up to 70 % of the Nyquist frequency at true times."""
    return np.sin(2 * true_s) + np.sin(9.7 * true_s + 1) + np.sin(22 * true_s)


def recorded_wave(offset_s, n, first=0):
    """Return the record of a wrong clock; the offset is a function of recorded time."""
    recorded_s = np.arange(first, first + n) / RATE_HZ
    return wave(recorded_s - offset_s(recorded_s))


def error_of(stream):
    """Return the largest error of the waves, away from the ends of the traces."""
    errors = []
    for part in stream:
        true_s = part.stats.starttime - START + np.arange(part.stats.npts) / RATE_HZ
        errors.append(np.abs(part.data - wave(true_s))[45:-45].max())
    return max(errors)


def linear(recorded_s):
    return 0.3 + 2e-4 * recorded_s


def broken(recorded_s):
    return np.interp(recorded_s, [0, 600, 900, 2000], [0.3, 0.1, 0.1, 0.5])


def cubic(recorded_s):
    x = recorded_s / 2000
    return 0.2 + 0.5 * x - 1.1 * x**2 + 0.7 * x**3


def points(offset_s, at_s, interpolation="linear"):
    lines = ["channel,time,offset_s,interpolation"]
    lines += [
        f"XX.AAA,{START + s},{float(offset_s(np.float64(s)))!r},{interpolation}"
        for s in at_s
    ]
    return "\n".join(lines)


def pulses(offset_s, at_s):
    lines = ["channel,recorded,true"]
    lines += [
        f"XX.AAA,{START + s},{START + s - float(offset_s(np.float64(s)))}" for s in at_s
    ]
    return "\n".join(lines)


def intervals(offset_s, at_s):
    lines = ["channel,start,end,offset_s,end_offset_s"]
    values = [float(offset_s(np.float64(s))) for s in at_s]
    for k in range(len(at_s) - 1):
        lines.append(
            f"XX.AAA,{START + at_s[k]},{START + at_s[k + 1]},{values[k]!r},"
            f"{values[k + 1]!r}"
        )
    return "\n".join(lines)


CURVES = {
    "two pulses": (linear, pulses(linear, [-100, 2500])),
    "two offsets": (linear, points(linear, [-100, 2500])),
    "piecewise linear": (broken, points(broken, [0, 600, 900, 2000])),
    "intervals": (broken, intervals(broken, [0, 600, 900, 2000])),
    "cubic": (cubic, points(cubic, [0, 500, 1100, 1400, 2000], "cubic")),
}


@pytest.mark.parametrize("n_files", [1, 4])
@pytest.mark.parametrize("name", CURVES)
def test_known_drifts_are_removed(name, n_files) -> None:
    offset_s, text = CURVES[name]
    n = 20_000 // n_files
    files = [
        trace(recorded_wave(offset_s, n, k * n), start=START + k * n / RATE_HZ)
        for k in range(n_files)
    ]
    before = [file.copy() for file in files]
    stream, remarks = correct_clock(Stream(files[::-1]), parse_clock_table(text))
    assert files == before
    (result,) = stream  # consecutive files are one record
    assert result.stats.starttime == START - float(offset_s(np.float64(0)))
    true_end_s = 1999.9 - offset_s(np.float64(1999.9))
    assert abs(result.stats.endtime - START - true_end_s) < 1 / RATE_HZ + 1e-6
    # a tenth of a percent of the Lanczos kernel, and 0.1 ms of a wave of 22 rad/s
    assert error_of(stream) < 4e-3
    assert len(remarks) == 1


def test_a_gap_remains_a_gap() -> None:
    data = recorded_wave(linear, 20_000)
    gap = slice(8000, 9000)
    pieces = [trace(data[:8000]), trace(data[9000:], start=START + 900)]
    masked = np.ma.array(data, mask=False)
    masked[gap] = np.ma.masked
    holes = data.copy()
    holes[gap] = np.nan
    for records in (pieces, [trace(masked)], [trace(holes)]):
        stream, _ = correct_clock(records, parse_clock_table(CURVES["two pulses"][1]))
        assert len(stream) == 2
        assert stream[1].stats.starttime == START + 900 - linear(900)
        assert error_of(stream) < 4e-3


def test_records_are_cut_where_the_clock_is_set() -> None:
    # the clock gains 0.1 s in 1000 s, and is then corrected
    def offset_s(recorded_s):
        return np.where(recorded_s < 1000, 1e-4 * recorded_s, 1e-4 * recorded_s - 0.1)

    text = (
        "channel,start,end,offset_s,end_offset_s\n"
        f"XX.AAA,{START},{START + 1000},0,0.1\n"
        f"XX.AAA,{START + 1000},{START + 2000},0,0.1\n"
    )
    stream, remarks = correct_clock(
        trace(recorded_wave(offset_s, 20_000)), parse_clock_table(text)
    )
    assert len(stream) == len(remarks) == 2
    assert error_of(stream) < 4e-3


def test_times_outside_of_the_points_are_remarked() -> None:
    text = points(linear, [500, 1500])
    stream, remarks = correct_clock(trace(np.zeros(20_000)), parse_clock_table(text))
    assert [part.stats.starttime - START for part in stream] == pytest.approx(
        [0, 500 - linear(500), 1500]
    )
    assert [remark.reason for remark in remarks] == [
        "clock not corrected before the first offset of its table",
        "clock corrected by -0.4 s, drift +200 parts per million",
        "clock not corrected after the last offset of its table",
    ]


def test_a_drift_below_a_hundredth_of_a_sample_keeps_the_samples() -> None:
    data = np.arange(1000, dtype=np.int32)
    text = "channel,recorded,true\nXX.AAA,2024-03-01,2024-03-01\n"
    text += "XX.AAA,2025-03-01,2025-02-28T23:59:59.5\n"
    (result,), (remark,) = correct_clock(trace(data), parse_clock_table(text))
    np.testing.assert_array_equal(result.data, data)
    assert result.data.dtype == data.dtype
    assert "drift +0.01585 parts per million" in remark.reason


def test_the_margin_reaches_beyond_the_largest_offset() -> None:
    table = parse_clock_table(CURVES["cubic"][1])
    element = CorrectClock(table)
    largest_s = np.abs(cubic(np.linspace(0, 2000, 999))).max()
    assert largest_s <= element.margin_s(RATE_HZ) - 4.1 < largest_s + 1e-3
    assert pickle.loads(pickle.dumps(element)).margin_s(RATE_HZ) > 0


@pytest.mark.parametrize(
    ("kind", "interpolated"),
    [("float32", "float32"), ("float64", "float64"), ("int32", "float64")],
)
def test_types_and_difficult_records(kind, interpolated) -> None:
    table = parse_clock_table(CURVES["two pulses"][1])
    (short,), _ = correct_clock(trace(np.zeros(1, kind)), table)
    assert short.data.tolist() == [0]
    assert short.data.dtype == kind
    (result,), _ = correct_clock(trace(np.ones(1000, kind)), table)
    np.testing.assert_allclose(result.data, 1, rtol=1e-6)
    assert result.data.dtype == interpolated
    if kind != "int32":
        (unknown,), _ = correct_clock(trace(np.full(20, np.nan, kind)), table)
        assert np.isnan(unknown.data).all()
