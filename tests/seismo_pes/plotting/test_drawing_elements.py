import pickle
from types import SimpleNamespace

import matplotlib.dates as dates
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.times import DAY_NS
from seismo_pes.plotting import (
    DirectionBins,
    availability_figure,
    map_figure,
    psd_figure,
    spectrogram_figure,
    waveform_figure,
)
from seismo_pes.plotting import drawing_elements as draw
from seismo_pes.plotting.drawing_elements import (
    DrawCorrelation,
    DrawPsd,
    DrawSpectrogram,
    DrawWaveform,
)
from seismo_pes.reading.archives.availability import day_fractions

START = UTCDateTime(2024, 3, 1)


def trace(data, rate_hz=10.0, start=START, station="AAA"):
    header = {"station": station, "channel": "HHZ", "network": "XX"}
    header |= {"sampling_rate": rate_hz, "starttime": start}
    return Trace(np.asanyarray(data), header)


@pytest.fixture
def noise():
    return np.random.default_rng(7).standard_normal(40_000)


# ------------------------------------------------------------------ waveforms


def test_waveforms_have_a_row_for_each_channel(noise):
    later = trace(noise[:100], start=START + 30)
    stream = Stream([trace(noise[:100]), later, trace(noise[:50], station="BBB")])
    figure = waveform_figure(stream, units="m/s", title="t")
    first, second = figure.axes
    assert [len(axes.lines) for axes in (first, second)] == [2, 1]
    assert first.get_ylabel() == "m/s"
    np.testing.assert_array_equal(first.lines[0].get_ydata(), noise[:100])
    seconds = (dates.date2num(first.lines[1].get_xdata()[0]) % 1) * 86400
    assert seconds == pytest.approx(30, abs=1e-3)  # of days since 1970 in float64


def test_long_waveforms_keep_their_extremes(noise):
    long = np.tile(noise, 5)
    long[123_456] = 50
    (axes,) = waveform_figure(trace(long)).axes
    values = axes.lines[0].get_ydata()
    assert len(values) < 8000
    assert (values.max(), values.min()) == (50, long.min())


def test_gaps_are_left_empty(noise):
    data = np.ma.array(noise[:100], mask=np.arange(100) // 10 == 4)
    (axes,) = waveform_figure(trace(data)).axes
    assert np.isnan(axes.lines[0].get_ydata()).sum() == 10


def test_nothing_to_draw():
    with pytest.raises(DataError, match="no samples"):
        waveform_figure(Stream())
    with pytest.raises(DataError, match="no traces"):
        psd_figure(Stream())
    for figure in (psd_figure, spectrogram_figure):
        with pytest.raises(ParameterError, match="too few"):
            figure(trace(np.zeros(5)))


# ------------------------------------------------------------------ spectra


def test_psd_of_white_noise_and_of_a_sine(noise):
    """White noise of variance s^2 at rate r has the one-sided density 2 s^2 / r."""
    sine = 5 * np.sin(2 * np.pi * 2.0 * np.arange(len(noise)) / 10)
    (axes,) = psd_figure(trace(noise + sine), segment_s=100).axes
    frequency_hz, level = axes.lines[0].get_data()
    quiet = (frequency_hz > 0.5) & (np.abs(frequency_hz - 2) > 0.1)
    # the median of chi-squared with two degrees of freedom is ln 2 of its mean
    expected = 10 * np.log10(0.2 * np.log(2))
    assert np.mean(level[quiet]) == pytest.approx(expected, abs=0.2)
    assert frequency_hz[np.argmax(level)] == pytest.approx(2)
    # a sine of amplitude A has the power A^2/2, here in a Hann window's 1.5 bins
    peak = 10 * np.log10(25 / 2 * 100 / 1.5)
    assert level.max() == pytest.approx(peak, abs=0.3)
    assert axes.get_ylabel() == "dB relative to 1 (counts)²/Hz"


def test_psd_against_scipy(noise):
    from scipy.signal import welch

    (axes,) = psd_figure(trace(noise), segment_s=51.2, percentiles=[50]).axes
    frequency_hz, power = welch(
        noise, 10, nperseg=512, average="median", detrend="linear"
    )
    # scipy's median is corrected for its bias: by ln 2 but for a finite number
    shift = np.median(axes.lines[0].get_ydata() - 10 * np.log10(power[1:]))
    assert shift == pytest.approx(10 * np.log10(np.log(2)), abs=0.1)
    difference = axes.lines[0].get_ydata() - 10 * np.log10(power[1:]) - shift
    assert np.abs(difference).max() < 1e-6
    np.testing.assert_allclose(axes.lines[0].get_xdata(), frequency_hz[1:])


def test_psd_leaves_out_segments_with_gaps(noise):
    data = np.ma.array(noise, mask=np.zeros(len(noise), bool))
    data[5000:5010] = np.ma.masked
    whole, gappy = (
        psd_figure(trace(entry), segment_s=100).axes[0] for entry in (noise, data)
    )
    counts = [axes.texts[0].get_text().split()[0] for axes in (whole, gappy)]
    assert counts == ["79", "77"]


def test_noise_models(noise):
    (axes,) = psd_figure(trace(noise), units="m/s²", noise_models=True).axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"low noise model", "high noise model", "median"} <= set(names)


def test_a_spectrogram_shows_a_sweep_at_its_times():
    seconds = np.arange(60_000) / 50
    phase = 2 * np.pi * np.where(seconds < 600, 2.0, 12.0) * seconds
    figure = spectrogram_figure(trace(np.sin(phase), 50.0), segment_s=20)
    mesh = figure.axes[1].collections[0]
    level, coordinates = mesh.get_array(), mesh.get_coordinates()
    frequency_hz = coordinates[:-1, 0, 1] * 1.01
    for column, expected in ((5, 2.0), (-5, 12.0)):
        peak_hz = frequency_hz[np.argmax(level[:, column])]
        assert peak_hz == pytest.approx(expected, rel=0.04)  # width of a band


# ------------------------------------------------------------------ others


def test_map_across_the_date_line():
    (axes,) = map_figure(np.array([0.0, 1.0]), np.array([179.5, -179.5])).axes
    west, east = axes.get_xlim()
    assert east - west < 2
    assert axes.xaxis.get_major_formatter()(180.5) == "-179.5°"


@pytest.mark.parametrize("n", [1, 2])
def test_map_of_one_place(n):
    (axes,) = map_figure(np.zeros(n) + 89.0, np.zeros(n), ["a", "b"][:n]).axes
    assert np.diff(axes.get_xlim()) > 0


def test_map_scale_has_its_length():
    (axes,) = map_figure(np.array([60.0, 61.0]), np.array([10.0, 12.0])).axes
    bar = axes.lines[-1].get_xdata()
    middle = np.radians(np.mean(axes.get_ylim()))
    (text,) = (t.get_text() for t in axes.texts if t.get_text().endswith("km"))
    km = (bar[1] - bar[0]) * 111.195 * np.cos(middle)
    assert float(text.removesuffix(" km")) == pytest.approx(km, rel=1e-3)


def test_availability_shapes_are_checked():
    with pytest.raises(ParameterError, match="2 channels"):
        availability_figure(np.zeros((1, 1)), ["a", "b"], np.zeros(1, "M8[D]"))


def test_direction_bins_count_every_row():
    bins = DirectionBins(np.arange(-2.0, 3), 90)
    bins.add(np.ones((2, 5)), np.array([359.999999, 0.0]), np.array([1.0, 2.0]))
    assert bins.count.tolist() == [1, 1, 1, 1]
    assert np.isfinite(bins.mean_over_lag()).all()


@given(
    st.lists(st.tuples(st.integers(0, 5 * DAY_NS), st.integers(0, DAY_NS)), max_size=1),
    st.integers(-2, 3),
)
def test_day_fractions_add_up(spans, first_day):
    segments = [(start, start + length) for start, length in spans]
    fraction = day_fractions(segments, first_day, 12)
    assert ((fraction >= 0) & (fraction <= 1)).all()
    inside = sum(
        max(0, end - max(start, first_day * DAY_NS)) for start, end in segments
    )
    assert fraction.sum() * DAY_NS == pytest.approx(inside, abs=1)


# ------------------------------------------------------------------ elements


def process(pe, item):
    outputs = {"output": [], "drawn": [], "skipped": []}
    for ports in pickle.loads(pickle.dumps(pe)).process({"input": item}):
        for port, value in ports.items():
            outputs[port].append(value)
    return outputs


def test_elements_draw_and_send_the_item_on(tmp_path, noise, monkeypatch):
    monkeypatch.setattr(draw, "save", lambda figure, path: path)
    stream = Stream([trace(noise), trace(noise[:10], station="BBB")])
    for pe, drawn, skipped in (
        (DrawWaveform(tmp_path), ["XX.AAA..HHZ.20240301T000000.waveform.png"], []),
        (DrawPsd(tmp_path), ["XX.AAA..HHZ.20240301T000000.psd.png"], ["too few"]),
        (
            DrawSpectrogram(tmp_path, ".svg"),
            ["XX.AAA..HHZ.20240301T000000.spectrogram.svg"],
            ["too few"],
        ),
    ):
        outputs = process(pe, stream)
        assert outputs["output"] == [stream]
        assert [
            entry.removeprefix(f"{tmp_path}/") for entry in outputs["drawn"]
        ] == drawn
        assert len(outputs["skipped"]) == len(skipped)


def test_correlations_are_drawn(tmp_path):
    lags_s = np.arange(-2, 3) / 4
    item = SimpleNamespace(
        first="XX.AAA..HHZ", second="XX.BBB.10.HHZ", data=lags_s**2, lags_s=lags_s
    )
    outputs = process(DrawCorrelation(tmp_path), item)
    (path,) = outputs["drawn"]
    assert path.endswith("XX.AAA..HHZ_XX.BBB.10.HHZ.correlation.png")
    assert (tmp_path / path).stat().st_size > 10_000
    (skipped,) = process(DrawCorrelation(tmp_path), trace(np.zeros(9)))["skipped"]
    assert skipped.reason == "not a correlation"


def test_suffix_is_checked(tmp_path):
    with pytest.raises(ParameterError, match=r"\.png, \.pdf or \.svg"):
        DrawPsd(tmp_path, suffix=".bmp")
