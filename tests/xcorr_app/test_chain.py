"""The traces after preprocessing by the options and by ``--steps``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from obspy import Inventory, Trace, UTCDateTime
from obspy.core.inventory import Channel, Network, Station

from dispel4py.errors import ParameterError
from dispel4py.run import run as run_graph
from dispel4py.testing import feed
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.items.waveforms import ChannelSpan, ChannelTraces, Waveforms
from seismo_pes.methods import TIME_NORMS
from seismo_pes.preprocessing import normalization as normalize
from seismo_pes.preprocessing.grid import NameSpans, TrimToGrid
from seismo_pes.preprocessing.rejection import bad_windows
from seismo_pes.preprocessing.trends import detrend_polynomial, taper
from seismo_pes.reading.spans import ReadWaveforms
from tests.xcorr_app.conftest import DAY
from xcorr_app.config import Config
from xcorr_app.planning.chain import NORMALIZERS
from xcorr_app.planning.plan import RunPlan, plan_run
from xcorr_app.planning.preprocess import Preprocess
from xcorr_app.planning.steps import elements, parse_steps, rate_after
from xcorr_app.workflow import Spans

RATE_HZ = 10.0
N = 6000  # ten windows of a minute


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., RunPlan]:
    """Prepare a run over the files in ``data``."""

    def prepared(**options: object) -> RunPlan:
        (tmp_path / "list.txt").write_text(str(options.pop("stations", "XX *")))
        short = {"window_s": 60, "max_lag_s": 5, "pairs": ["cross", "auto"]}
        config = Config(
            stations=str(tmp_path / "list.txt"),
            data=str(tmp_path / "data"),
            out=str(tmp_path / "out"),
            **(short | options),
        )
        return plan_run(config)

    return prepared


def processed(plan: RunPlan) -> tuple[list[Waveforms], list[object]]:
    """Read and preprocess; return the output, and the skipped data."""
    graph, spans, read = WorkflowGraph(), Spans(), ReadWaveforms()
    graph.connect(spans, "output", read, "input")
    graph.connect(read, "output", Preprocess(plan), "input")
    given = [{"input": span} for span in plan.spans]
    outputs = run_graph(graph, {"Spans": given}).outputs
    result = [item for ports in outputs.values() for item in ports.get("output", [])]
    skipped = [item for ports in outputs.values() for item in ports.get("skipped", [])]
    return result, skipped


def one_trace(plan: RunPlan) -> Trace:
    ((item,), _) = processed(plan)
    (trace,) = item.stream
    return trace


@pytest.fixture
def noise(write_trace, rng) -> Trace:
    """Write a channel of noise with a slope; return it as it is read."""
    data = rng.standard_normal(N) + np.linspace(0, 9, N)
    write_trace("AAA", data, rate_hz=RATE_HZ)
    header = {"sampling_rate": RATE_HZ, "starttime": DAY}
    return Trace(data, header=header)


# -- options ------------------------------------------------------------------------

LEVELS = {
    "onebit": ({}, normalize.onebit),
    "clip": ({"clip_std": 2}, lambda t: normalize.clip(t, 2)),
    "winsorize": ({}, normalize.winsorize),
    "ram": (
        {"ram_window_s": 3},
        lambda t: normalize.normalize(t, "ram", ram_window_s=3.0),
    ),
    "multiband-ram": (
        {"ram_window_s": 3, "norm_bands_hz": ["0.5-1", "1-2"]},
        lambda t: normalize.multiband_ram(t, [(0.5, 1), (1, 2)], 3.0),
    ),
    "mean": ({}, normalize.mean_normalize),
    "gain": ({"ram_window_s": 3}, lambda t: normalize.gain(t, 3.0)),
    "envelope": ({"envelope_n": 7}, lambda t: normalize.envelope(t, 7)),
    "agc": (
        {"bandpass_hz": None, "ram_window_s": 3},
        lambda t: normalize.agc([t], 3.0)[0],
    ),
    "water-level": ({"clip_std": 2}, lambda t: normalize.water_level(t, 2)),
}


def test_each_normalisation_has_an_element() -> None:
    assert ("none", *NORMALIZERS) == TIME_NORMS
    assert {*LEVELS} == {*NORMALIZERS}


@pytest.mark.parametrize("kind", LEVELS)
def test_each_normalisation_is_that_of_its_function(plan, noise, kind) -> None:
    options, function = LEVELS[kind]
    result = one_trace(plan(detrend="none", time_norm=kind, **options))
    np.testing.assert_allclose(result.data, function(noise).data, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "degree"),
    [
        ({"detrend": "none"}, None),
        ({"detrend": "demean"}, 0),
        ({"detrend": "linear"}, 1),
        ({"detrend": "polynomial", "detrend_order": 4}, 4),
    ],
)
def test_trends(plan, noise, options, degree) -> None:
    result = one_trace(plan(**options))
    expected = noise
    if degree is not None:
        expected = detrend_polynomial(noise, degree)
    np.testing.assert_allclose(result.data, expected.data, atol=1e-9)


def test_splines_follow_slow_trends(plan, write_trace) -> None:
    slow = np.sin(np.arange(N) * 2 * np.pi / 2000)
    write_trace("AAA", slow, rate_hz=RATE_HZ)
    result = one_trace(plan(detrend="spline", detrend_knots_s=30))
    # cubic pieces of 0.94 rad: 0.94**4 / 384 at most
    assert np.abs(result.data).max() < 2.1e-3


def test_filters_and_their_order_of_corners(plan, noise) -> None:
    options = {"highpass_hz": 0.2, "lowpass_hz": 2, "bandstop_hz": (0.5, 1)}
    zero = one_trace(plan(**options)).data
    causal = one_trace(plan(**options, causal=True, corners=2)).data
    spectrum = np.abs(np.fft.rfft(zero))
    hz = np.fft.rfftfreq(N, 1 / RATE_HZ)
    inside = spectrum[(hz > 1.2) & (hz < 1.8)].mean()
    for low, high in ((0, 0.1), (0.6, 0.9), (3, 5)):
        assert spectrum[(hz > low) & (hz < high)].mean() < 0.05 * inside
    assert not np.allclose(zero, causal)


@pytest.mark.parametrize("kind", ["rational", "decimate", "lanczos", "fourier"])
@pytest.mark.parametrize("late", [0, 1, 3])
def test_resampled_traces_lie_on_one_grid(plan, write_trace, kind, late) -> None:
    # a wave that all methods keep, in a trace that begins between the new samples
    t = np.arange(N) / RATE_HZ
    data = np.sin(2 * np.pi * 0.31 * t)
    write_trace("AAA", data[late:], DAY + late / RATE_HZ, RATE_HZ)
    write_trace("BBB", data, DAY, RATE_HZ)
    result, _ = processed(
        plan(sampling_rate_hz=2, resampling=kind, detrend="none", taper_s=0)
    )
    for item in result:
        (trace,) = item.stream
        assert trace.stats.sampling_rate == 2
        since = (trace.stats.starttime - DAY) * 2
        assert since == pytest.approx(round(since), abs=1e-6)
        at = trace.times() + (trace.stats.starttime - DAY)
        inner = slice(200, -200)
        expected = np.sin(2 * np.pi * 0.31 * at)[inner]
        np.testing.assert_allclose(trace.data[inner], expected, atol=5e-3)


def test_decimation_needs_a_whole_factor(plan, noise) -> None:
    with pytest.raises(ParameterError, match="10 Hz is not a multiple of"):
        plan(sampling_rate_hz=3, resampling="decimate")


def test_trim_leaves_higher_rates_alone() -> None:
    trace = Trace(np.ones(5), header={"sampling_rate": 1.0})
    assert TrimToGrid(2.0, 0).transform(trace) is trace


def test_quality_options(plan, write_trace, rng) -> None:
    data = rng.standard_normal(N)
    data[100] = 1e4  # a spike
    data[500:700] = 3.0  # dead
    data[1000:1010] = 50.0  # at the recorder's limit
    write_trace("AAA", data[:3000], DAY, RATE_HZ, name="a.mseed")
    write_trace("AAA", data[3005:], DAY + 300.5, RATE_HZ, name="b.mseed")
    result, skipped = processed(
        plan(
            detrend="none",
            despike_mad=50,
            drop_clipped=True,
            clipped_level=50,
            drop_flat_s=10,
            max_gap_s=2,
        )
    )
    reasons = " ".join(entry.reason for entry in skipped)
    for word in ("replaced by the median", "flat", "clipped", "filled by straight"):
        assert word in reasons
    starts = [round((t.stats.starttime - DAY) * RATE_HZ) for t in result[0].stream]
    assert starts == [0, 700]  # the dead part is too long to be filled
    assert max(np.abs(t.data).max() for t in result[0].stream) < 10


def test_records_of_a_wrong_rate_and_between_samples(plan, write_trace) -> None:
    wave = np.sin(2 * np.pi * 0.2 * np.arange(N) / RATE_HZ)
    write_trace("AAA", wave, DAY + 0.02, RATE_HZ)
    fine = np.sin(2 * np.pi * 0.2 * np.arange(2 * N) / 20)
    write_trace("BBB", fine, DAY, 20.0)
    result, skipped = processed(
        plan(recorded_hz=10, align_samples=True, detrend="none", start=str(DAY))
    )
    assert {trace.stats.sampling_rate for item in result for trace in item.stream} == {
        10
    }
    assert any("onto the grid" in entry.reason for entry in skipped)


def test_loud_windows_are_rejected(plan, write_trace, rng) -> None:
    data = rng.standard_normal(N)
    data[1250:1300] += 60  # in the third minute
    data[3000:3600] *= 1e-3
    write_trace("AAA", data, DAY, RATE_HZ)
    loud, skipped = processed(plan(reject_mad=20))
    minute = 60 * 10**9
    assert loud[0].channels[0].rejected == ((DAY.ns + 2 * minute, DAY.ns + 3 * minute),)
    assert skipped[-1].stage == "reject"
    assert skipped[-1].count == 1
    quiet, _ = processed(plan(reject_rms=(0.1, 5), reject_mad=None))
    assert [s - DAY.ns for s, _ in quiet[0].channels[0].rejected] == [
        2 * minute,
        5 * minute,
    ]
    colour, _ = processed(plan(reject_psd_db=(-40, 0), reject_psd_hz=(1, 4)))
    assert [s - DAY.ns for s, _ in colour[0].channels[0].rejected] == [5 * minute]


@pytest.mark.parametrize("gain", [1.0, 1e-9, 1e6])
def test_windows_are_rejected_by_the_level_of_their_channel(
    plan, write_trace, rng, gain
) -> None:
    """The rule is the same for any unit and gain, and holds for each channel."""
    data = rng.standard_normal(N)
    data[1200:1800] *= 8  # the third minute
    data[3000:3600] /= 8  # the sixth minute
    write_trace("AAA", gain * data, DAY, RATE_HZ)
    write_trace("BBB", 100 * gain * rng.standard_normal(N), DAY, RATE_HZ)
    result, skipped = processed(plan(reject_rms_ratio=5))
    minute = 60 * 10**9
    rejected = {
        item.channels[0].span.channel_id[3:6]: [
            (start - DAY.ns) // minute for start, _ in item.channels[0].rejected
        ]
        for item in result
    }
    assert rejected == {"AAA": [2, 5], "BBB": []}
    assert [(s.what[3:6], s.count) for s in skipped if s.stage == "reject"] == [
        ("AAA", 1),
        ("AAA", 1),
    ]
    result, _ = processed(plan(reject_rms_ratio=10))
    assert not any(item.channels[0].rejected for item in result)


def test_silent_windows_do_not_change_the_median_level(rng) -> None:
    data = rng.standard_normal((9, 400))
    data[:6] = 0.0
    data[8] *= 9
    bad = bad_windows(data, 10.0, rms_ratio=5.0)
    assert bad.tolist() == [True] * 6 + [False, False, True]
    assert not bad_windows(data[:6], 10.0, rms_ratio=5.0).any()  # all silent
    assert bad_windows(np.empty((0, 400)), 10.0, rms_ratio=5.0).tolist() == []


def test_psd_of_white_noise_is_its_variance_over_the_band(rng) -> None:
    data = rng.standard_normal((3, 4000)) * np.array([[1], [10], [100]])
    # 2 / rate times the variance: -7, 13 and 33 dB at 10 Hz
    result = bad_windows(data, 10.0, psd_db=(10, 16))
    assert result.tolist() == [True, False, True]


def test_components_travel_together_if_a_step_needs_them(
    plan, write_trace, rng
) -> None:
    for code in ("HHZ", "HHN", "HHE"):
        write_trace("AAA", rng.standard_normal(N), channel=code)
    options = {"time_norm": "ram", "ram_window_s": 3, "components": ["ZNE"]}
    alone, _ = processed(plan(**options))
    together, _ = processed(plan(**options, across_components=True))
    assert [len(item.stream) for item in alone] == [1, 1, 1]
    (item,) = together
    assert [span.channel_id[-1] for span in item.spans] == ["E", "N", "Z"]
    ratio = item.stream[0].data / alone[0].stream[0].data
    assert ratio.std() > 0.01  # another weight


def tilted(codes_azimuths: dict[str, tuple[float, float]]) -> Inventory:
    channels = [
        Channel(code, "", 1, 2, 0, 0, azimuth=azimuth, dip=dip)
        for code, (azimuth, dip) in codes_azimuths.items()
    ]
    station = Station("AAA", 1, 2, 0, channels=channels, creation_date=UTCDateTime(0))
    return Inventory([Network("XX", [station])], source="test")


def test_orient_makes_north_and_east(plan, write_trace, tmp_path) -> None:
    north = np.sin(np.arange(N) / 7)
    east = np.cos(np.arange(N) / 11)
    angle = np.radians(30)
    first = np.cos(angle) * north + np.sin(angle) * east
    second = -np.sin(angle) * north + np.cos(angle) * east
    for code, data in (("BH1", first), ("BH2", second), ("BHZ", north * 0)):
        write_trace("AAA", data, channel=code)
    directions = {"BH1": (30, 0), "BH2": (120, 0), "BHZ": (0, -90)}
    path = tmp_path / "station.xml"
    tilted(directions).write(str(path), format="STATIONXML")
    prepared = plan(
        orient=True, inventory=str(path), components=["ZNE"], detrend="none"
    )
    ids = ["XX.AAA..BHE", "XX.AAA..BHN", "XX.AAA..BHZ"]
    assert [channel.id for channel in prepared.channels] == ids
    assert {channel.latitude for channel in prepared.channels} == {1}
    ((item,), _) = processed(prepared)
    assert {span.channel_id for span in item.spans} == set(ids)
    result = {trace.id: trace.data for trace in item.stream}
    np.testing.assert_allclose(result["XX.AAA..BHN"], north, atol=1e-9)
    np.testing.assert_allclose(result["XX.AAA..BHE"], east, atol=1e-9)
    steps = plan(steps="Orient, OneBit", inventory=str(path), components=["ZNE"])
    ((same,), _) = processed(steps)
    assert {span.channel_id for span in same.spans} == set(ids)


# -- steps --------------------------------------------------------------------------


def test_steps_are_the_functions_one_after_the_other(plan, noise) -> None:
    chain = "DetrendPolynomial(order=3), Taper(seconds=10), Winsorize(n_rms=2)"
    result = one_trace(plan(steps=chain))
    expected = normalize.winsorize(taper(detrend_polynomial(noise, 3), 10), 2)
    np.testing.assert_allclose(result.data, expected.data, rtol=1e-12)
    listed = one_trace(plan(steps=chain.split(", ")))
    np.testing.assert_array_equal(listed.data, result.data)


def test_steps_are_the_options_where_these_say_the_same(plan, noise) -> None:
    by_option = one_trace(
        plan(taper_s=5, bandpass_hz=(0.1, 1), sampling_rate_hz=5, time_norm="onebit")
    )
    by_step = one_trace(
        plan(
            steps="Detrend, Taper(5), Bandpass(0.1, 1), Resample(rate_hz=5), OneBit",
        )
    )
    assert by_option.stats == by_step.stats
    np.testing.assert_array_equal(by_option.data, by_step.data)


def test_steps_know_grid_rate_and_rejection(plan, write_trace, rng) -> None:
    data = rng.standard_normal(N)
    data[1250:1300] += 60
    write_trace("AAA", data, DAY + 0.1, RATE_HZ)
    prepared = plan(steps="Demean, Decimate(factor=5), OneBit", reject_mad=10)
    assert prepared.settings.rate_hz == 2
    ((item,), _) = processed(prepared)
    since = (item.stream[0].stats.starttime - DAY) * 2
    assert since == pytest.approx(round(since))
    assert len(item.channels[0].rejected) == 1  # seen before the signs were taken


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ("Detrendd", "no element 'Detrendd': did you mean 'Detrend'"),
        ("Taper(secs=3)", "Taper has no parameter 'secs': did you mean 'seconds'"),
        ("Agc(9, continuous=True)", "Agc has no parameter 'continuous'"),
        ("Taper(seconds=x)", "seconds=x is not a number, text or list"),
        ("Taper(seconds=open('f'))", "is not a number, text or list"),
        ("Taper(1, 2)", "Taper has 1 parameters, not 2: seconds"),
        ("Taper(seconds=1", "is not a chain of elements"),
        ("a.b()", "a.b() is not an element"),
        ("Taper", "Taper: missing a required argument: 'seconds'"),
        ("Rotate(radial_deg=3)", "no element 'Rotate'"),
        ("RemoveResponse(output='VEL')", "needs station metadata: add --inventory"),
    ],
)
def test_mistakes_in_chains_give_one_line(plan, noise, chain, message) -> None:
    with pytest.raises(ParameterError) as error:
        Preprocess(plan(steps=chain))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("--steps: ")


def test_rates_after_chains() -> None:
    assert rate_after(parse_steps("Demean, OneBit"), 20.0) == 20
    assert rate_after(parse_steps("Decimate(4), ResampleLanczos(rate_hz=3)"), 20.0) == 3
    assert rate_after(parse_steps("Decimate(4)"), 20.0) == 5


def test_every_element_can_be_a_step() -> None:
    assert {"Bandpass", "WhitenPsd", "RemoveResponse", "DropFlat"} <= set(elements())
    assert not {"Element", "FunctionElement", "WithRemarks"} & set(elements())


def test_rotated_components_are_flat_where_one_component_was():
    spans = [ChannelSpan(f"XX.A..BH{c}", 0, 100, (), 0) for c in "12"]
    first, second = spans
    item = Waveforms((ChannelTraces(first, (), ((10, 20),)), ChannelTraces(second)))
    named = NameSpans({"XX.A..BH1": "XX.A..BHN", "XX.A..BH2": "XX.A..BHE"})
    (result,) = feed(named, item)["output"]
    assert [span.channel_id for span in result.spans] == ["XX.A..BHN", "XX.A..BHE"]
    assert [channel.flat for channel in result.channels] == [((10, 20),)] * 2
