"""The common rules of elements on traces, and the elements of one record."""

import pickle

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime
from scipy import signal

from dispel4py.errors import DataError, ParameterError
from seismo_pes.element import Element
from seismo_pes.items.waveforms import aligned, samples, with_data
from seismo_pes.preprocessing import filters, resampling, whitening
from seismo_pes.preprocessing import normalization as normalize
from seismo_pes.preprocessing import trends as preprocess
from seismo_pes.signal import normalize as arrays

START = UTCDateTime(2024, 3, 1)
RATE = 10.0

ELEMENTS = [
    preprocess.Demean(),
    preprocess.Detrend(kind="linear"),
    preprocess.DetrendPolynomial(order=3),
    preprocess.DetrendSpline(knot_spacing_s=20.0),
    preprocess.Taper(seconds=1.0),
    filters.Bandpass(low_hz=0.5, high_hz=2.0),
    filters.Bandstop(low_hz=0.5, high_hz=2.0),
    filters.Lowpass(corner_hz=2.0),
    filters.Highpass(corner_hz=0.5, zero_phase=False),
    resampling.Resample(rate_hz=4.0),
    resampling.Decimate(factor=5),
    resampling.ResampleLanczos(rate_hz=7.3),
    resampling.ResampleFourier(rate_hz=5.0),
    normalize.Normalize(kind="ram", ram_window_s=1.0),
    normalize.OneBit(),
    normalize.Clip(n_std=2.0),
    normalize.Winsorize(n_rms=2.0),
    normalize.RunningAbsoluteMean(window_s=1.0),
    normalize.MultibandRam(bands_hz=[(0.5, 1.0), (1.0, 2.0)], window_s=1.0),
    normalize.MeanNormalize(),
    normalize.Envelope(n=3),
    normalize.Gain(window_s=1.0),
    normalize.Agc(window_s=1.0),
    normalize.WaterLevel(level=2.0),
    whitening.Whiten(low_hz=0.5, high_hz=2.0),
    whitening.WhitenPsd(low_hz=0.5, high_hz=2.0, window_s=10.0),
]
NAMES = [type(pe).__name__ for pe in ELEMENTS]


def noise(n=601, dtype=np.float64, seed=1, code="HHZ", start=START) -> Trace:
    data = np.random.default_rng(seed).standard_normal(n).astype(dtype)
    header = {"network": "XX", "station": "AAA", "channel": code}
    return Trace(data, header | {"sampling_rate": RATE, "starttime": start})


def outputs(pe, item):
    result = {"output": [], "skipped": []}
    for output in pe.process({"input": item}):
        for port, value in output.items():
            result[port].append(value)
    return result


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("pe", ELEMENTS, ids=NAMES)
def test_a_new_trace_of_the_same_kind(pe, dtype):
    record = noise(dtype=np.float64)
    record.data = (100 * record.data).astype(dtype)
    record.data.setflags(write=False)
    before = record.copy()
    pe = pickle.loads(pickle.dumps(pe))
    ((result,), skipped) = outputs(pe, Stream([record])).values()
    assert not skipped
    (trace,) = result
    assert trace.data.dtype == (np.float32 if dtype == np.float32 else np.float64)
    assert trace.id == record.id
    assert np.isfinite(trace.data).all()
    assert not np.shares_memory(trace.data, record.data)
    assert record == before


@pytest.mark.parametrize("pe", ELEMENTS, ids=NAMES)
def test_unusable_traces_are_reported(pe):
    gappy = noise()
    gappy.data = np.ma.masked_greater(gappy.data, 1.0)
    result = outputs(pe, Stream([gappy]))
    assert not result["output"][0]
    (skipped,) = result["skipped"]
    assert skipped.stage == type(pe).__name__.lower()
    assert "gaps" in skipped.reason


@pytest.mark.parametrize("pe", ELEMENTS, ids=NAMES)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_short_traces_pass_or_are_reported(pe, n):
    result = outputs(pe, Stream([noise(n)]))
    assert len(result["output"][0]) + len(result["skipped"]) == (n > 0)


def test_missing_and_unknown_parameters_are_named():
    with pytest.raises(ParameterError, match=r"Taper: missing .*'seconds'"):
        preprocess.Taper()
    with pytest.raises(ParameterError, match="did you mean 'corner_hz'"):
        filters.Lowpass(corner_hs=2.0)
    assert filters.Lowpass(2.0).parameters == {"corner_hz": 2.0}


def test_stage_can_be_chosen():
    class Refuse(Element):
        stage = "refusal"

        def transform(self, part):
            raise DataError(f"{part.id}: no")

    (skipped,) = outputs(Refuse(), noise())["skipped"]
    assert (skipped.stage, skipped.what, skipped.reason) == (
        "refusal",
        "XX.AAA..HHZ",
        "no",
    )


# -- filters and rates --------------------------------------------------------------


def test_causal_filters_do_not_look_ahead():
    impulse = with_data(noise(), np.eye(1, 601, 300)[0])
    causal = filters.bandpass(impulse, 0.5, 2.0, zero_phase=False).data
    assert np.abs(causal[:300]).max() < 1e-12
    both = filters.bandpass(impulse, 0.5, 2.0).data
    np.testing.assert_allclose(both[:300], both[:300:-1], atol=1e-6)
    sos = signal.butter(4, (0.5, 2.0), "bandpass", fs=RATE, output="sos")
    np.testing.assert_allclose(causal, signal.sosfilt(sos, impulse.data), atol=1e-12)


@pytest.mark.parametrize(
    ("filtered", "passed_hz", "stopped_hz"),
    [
        (lambda t: filters.lowpass(t, 1.0), 0.2, 4.0),
        (lambda t: filters.highpass(t, 1.0), 3.7, 0.2),
        (lambda t: filters.bandstop(t, 0.5, 2.0), 3.7, 1.0),
    ],
)
def test_bands_pass_and_stop(filtered, passed_hz, stopped_hz):
    t = np.arange(1000) / RATE
    for f, amplitude in ((passed_hz, 1.0), (stopped_hz, 0.0)):
        result = filtered(with_data(noise(), np.sin(2 * np.pi * f * t))).data[300:700]
        assert abs(np.abs(result).max() - amplitude) < 0.02


@pytest.mark.parametrize("rate_hz", [4.0, 7.3, 20.0])
def test_lanczos_puts_samples_on_the_grid(rate_hz):
    start = START + 0.0437  # between samples
    t = start.timestamp - START.timestamp + np.arange(600) / RATE
    wave = with_data(noise(start=start), np.sin(2 * np.pi * 0.3 * t))
    result = resampling.resample_lanczos(wave, rate_hz, START.ns)
    at = (result.stats.starttime - START) + np.arange(result.stats.npts) / rate_hz
    assert abs(at[0] * rate_hz - round(at[0] * rate_hz)) < 1e-5  # microseconds
    assert at[-1] <= t[-1]
    inner = slice(result.stats.npts // 4, -result.stats.npts // 4)
    assert np.abs(result.data - np.sin(2 * np.pi * 0.3 * at))[inner].max() < 2e-3


def test_decimate_and_fourier_keep_the_first_sample():
    t = np.arange(600) / RATE
    wave = with_data(noise(), np.sin(2 * np.pi * 0.5 * t))
    few = resampling.decimate(wave, 5)
    assert few.stats.sampling_rate == 2.0
    assert few.stats.starttime == wave.stats.starttime
    assert np.abs(few.data - wave.data[::5])[20:-20].max() < 1e-3
    many = resampling.resample_fourier(wave, 25.0)
    assert many.stats.sampling_rate == 25.0
    np.testing.assert_allclose(many.data[::5], wave.data[::2], atol=1e-9)


# -- components ---------------------------------------------------------------------


def three(shift=0):
    east = noise(300, seed=1, code="HHE")
    north = noise(280, seed=2, code="HHN", start=START + 1.0)
    up = noise(400, seed=3, code="HHZ", start=START - 2.0 + 0.02)
    return Stream([up, north, east])


def test_components_are_cut_to_common_times():
    ((traces, data),) = aligned(three())
    assert [trace.id[-1] for trace in traces] == ["E", "N", "Z"]
    assert data.shape == (3, 280)
    starts = [trace.stats.starttime - START for trace in traces]
    np.testing.assert_allclose(starts, [1.0, 1.0, 1.02])
    np.testing.assert_array_equal(data[2], noise(400, seed=3).data[30:310])


def test_gaps_of_one_component_are_gaps_of_all():
    up = noise(300, seed=4)
    east = noise(300, seed=5, code="HHE")
    parts = [east.slice(START, START + 9.9), east.slice(START + 15, START + 29.9)]
    groups = aligned(Stream([up, *parts]))
    assert [data.shape for _, data in groups] == [(2, 100), (2, 150)]
    with pytest.raises(DataError, match="overlap"):
        aligned(Stream([up, east, east]))
    other = noise(code="HHE")
    other.stats.sampling_rate = 20.0
    with pytest.raises(DataError, match="10 and 20 Hz"):
        aligned(Stream([up, other]))


@pytest.mark.parametrize(
    "pe",
    [
        normalize.RunningAbsoluteMean(window_s=2.0, across_components=True),
        normalize.Agc(window_s=2.0, across_components=True),
        whitening.Whiten(low_hz=0.5, high_hz=2.0, across_components=True),
    ],
    ids=lambda pe: type(pe).__name__,
)
def test_ratios_of_components_survive(pe):
    record = noise(400, code="HHE")
    other = with_data(record, 3.0 * record.data, channel="HHN")
    foreign = with_data(noise(400, seed=9), noise(400, seed=9).data, station="BBB")
    ((result,), _) = outputs(pe, Stream([record, other, foreign])).values()
    east, north = (result.select(channel=code)[0].data for code in ("HHE", "HHN"))
    np.testing.assert_allclose(north, 3 * east, rtol=1e-10, atol=1e-12)
    assert result.select(station="BBB")


def test_running_absolute_mean_is_that_of_the_arrays():
    record = noise()
    (result,) = normalize.running_absolute_mean(Stream([record]), window_s=2.0)
    expected = arrays.running_absolute_mean(record.data, 10)
    np.testing.assert_array_equal(result.data, expected)


# -- whitening ----------------------------------------------------------------------


def coloured(n=4000):
    record = noise(n)
    return with_data(record, signal.lfilter([1], [1, -0.9], record.data))


def test_whitened_amplitudes_are_the_band():
    record = coloured()
    (result,) = whitening.whiten(Stream([record]), 0.5, 2.0, taper_octaves=0.0)
    n_fft = 8000
    full = np.fft.rfft(np.pad(record.data, (0, n_fft - 4000)))
    f = np.fft.rfftfreq(n_fft, 1 / RATE)
    unit = np.where((f >= 0.5) & (f <= 2.0), np.exp(1j * np.angle(full)), 0)
    np.testing.assert_allclose(result.data, np.fft.irfft(unit)[:4000], atol=1e-10)


def test_psd_whitening_flattens_and_keeps_phases():
    record = coloured(20_000)
    result = whitening.whiten_psd(record, 0.1, 4.0, window_s=60.0)
    f, psd = signal.welch(result.data, RATE, nperseg=600)
    inside = psd[(f > 0.3) & (f < 3.5)]
    assert inside.std() / inside.mean() < 0.25
    before, after = (np.fft.rfft(x.data * np.hanning(20_000)) for x in (record, result))
    f = np.fft.rfftfreq(20_000, 1 / RATE)
    turned = np.angle(after * before.conj())[(f > 0.3) & (f < 3.5)]
    assert np.median(np.abs(turned)) < 0.02


def test_samples_of_a_masked_array_without_gaps():
    first = with_data(noise(), np.ma.array([1.0, 2.0]))
    assert samples(first).tolist() == [1.0, 2.0]
