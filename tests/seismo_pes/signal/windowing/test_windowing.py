"""Windows of synthetic records with known arrivals, shifts and amplitudes."""

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.misfits import measure
from seismo_pes.signal.misfits.pairs import Records
from seismo_pes.signal.windowing import (
    PickerSettings,
    Quality,
    RejectedWindow,
    Window,
    judge_window,
    pick_windows,
    sta_lta,
)
from seismo_pes.signal.windowing.flexwin import Arrivals
from seismo_pes.signal.windowing.schedule import merge, schedule
from seismo_pes.signal.windowing.selection import candidates, extrema, select
from seismo_pes.signal.zero_phase import symmetric_bandpass

DELTA_S, PERIOD_S = 0.1, 3.0
T = np.arange(3000) * DELTA_S


def pulse(at_s, half_width_s=4.0):
    u = T - at_s
    return np.exp(-((u / half_width_s) ** 2)) * np.cos(2 * np.pi * u / 4.0)


def noise(level, seed=1):
    rng = np.random.default_rng(seed)
    white = rng.standard_normal(T.size)
    return level * np.convolve(white, np.hanning(21), "same") / 3


SYNTHETIC = pulse(80) + 0.6 * pulse(150) + 2 * pulse(220)


def pick(observed, synthetic=SYNTHETIC, arrivals=None, noise_s=None, **options):
    return pick_windows(
        observed,
        synthetic,
        DELTA_S,
        PERIOD_S,
        PickerSettings(**options),
        arrivals,
        noise_s,
    )


def test_each_arrival_has_a_window_with_its_shift_and_amplitude():
    observed = 1.2 * pulse(80.7) + 0.3 * pulse(149.4) + 2 * pulse(220.05)
    picks = pick(observed)
    assert len(picks.windows) == 3
    truth = [(80, 0.7, np.log(1.2)), (150, -0.6, np.log(0.5)), (220, 0.05, 0.0)]
    for window, (at_s, dt_s, dlna) in zip(picks.windows, truth, strict=True):
        assert window.start_s < at_s < window.end_s
        assert window.dt_s == pytest.approx(dt_s, abs=2e-3)
        assert window.dlna == pytest.approx(dlna, abs=2e-3)
        assert window.cc == pytest.approx(1, abs=1e-4)
        length = (window.end_s - window.start_s) / PERIOD_S
        assert window.weight == pytest.approx(window.cc * length)
        assert length >= 2
        assert np.isnan(window.snr)
    ends = [x for window in picks.windows for x in (window.start_s, window.end_s)]
    assert ends == sorted(ends)


def arrivals_in(picks):
    """Return the pulses of `SYNTHETIC` inside a window."""
    return [
        at_s
        for window in picks.windows
        for at_s in (80, 150, 220)
        if window.start_s < at_s < window.end_s
    ]


def reasons(picks):
    return {(row.stage, row.reason) for row in picks.rejected}


def test_each_criterion_of_quality_rejects_with_its_numbers():
    cases = [
        (2.0 * pulse(80.9), {"max_shift_s": 0.5}, "time shift", "dt_s", 0.9),
        (2.0 * pulse(80.9), {"max_dlna": 0.5}, "amplitude", "dlna", np.log(2)),
        (pulse(82.4), {}, "cycle skip", "dt_s", 2.4),
    ]
    for observed, options, reason, name, value in cases:
        picks = pick(observed, pulse(80), **options)
        assert not picks.windows
        rows = [row for row in picks.rejected if row.reason == reason]
        assert rows, (reason, picks.reasons)
        assert {row.stage for row in rows} == {"quality"}
        assert any(row.numbers[name] == pytest.approx(value, abs=0.05) for row in rows)
    picks = pick(pulse(80) + noise(0.1), pulse(80), min_cc=0.9999)
    assert not picks.windows
    assert ("quality", "correlation") in reasons(picks)


def test_references_of_shift_and_amplitude():
    observed = 2.0 * pulse(80.9)
    options = {"max_shift_s": 0.2, "max_dlna": 0.2}
    picks = pick(
        observed, pulse(80), shift_reference_s=0.9, dlna_reference=0.7, **options
    )
    assert len(picks.windows) == 1
    assert not pick(observed, pulse(80), **options).windows


def test_opposite_polarity_has_no_window():
    picks = pick(-pulse(80), pulse(80), max_shift_s=1.0)
    assert not picks.windows


def test_noise_before_the_first_arrival():
    observed = SYNTHETIC + noise(0.08)
    picks = pick(observed, arrivals=Arrivals((74.0,)), min_snr=2)
    assert arrivals_in(picks) == [80, 150, 220]
    level = np.abs(observed[: int((74 - PERIOD_S) / DELTA_S) + 1]).max()
    for window in picks.windows:
        inside = (window.start_s - 1e-6 <= T) & (window.end_s + 1e-6 >= T)
        expected = np.abs(observed[inside]).max() / level
        assert window.snr == pytest.approx(expected, rel=1e-12)
    some = pick(observed, arrivals=Arrivals((74.0,)), min_snr=3)
    assert arrivals_in(some) == [80, 220]
    assert ("quality", "signal to noise") in reasons(some)
    power = pick(observed, noise_s=(0.0, 60.0), noise_type="energy", min_snr=1.0)
    assert power.windows[0].snr > picks.windows[0].snr


def test_records_of_noise_are_rejected_as_a_whole():
    observed = 0.05 * SYNTHETIC + noise(1.0)
    picks = pick(observed, noise_s=(0.0, 60.0), min_record_amplitude_ratio=3.0)
    assert [(row.stage, row.reason) for row in picks.rejected] == [
        ("data", "signal to noise")
    ]
    good = pick(
        SYNTHETIC + noise(0.02),
        noise_s=(0.0, 60.0),
        min_record_amplitude_ratio=3.0,
        min_record_power_ratio=3.0,
    )
    assert len(good.windows) == 3


def test_an_interval_of_noise_outside_the_data():
    picks = pick(SYNTHETIC, noise_s=(-50.0, -10.0))
    assert [row.reason for row in picks.rejected] == ["noise: window outside the data"]


def test_a_filtered_pulse_is_in_its_window_as_a_whole():
    """The rise of a smooth pulse, much before it, does not count as an arrival."""
    for period_s in (6.0, 7.0, 8.0):
        wave = [
            np.exp(-(((T - at_s) / period_s / 1.2) ** 2))
            * np.cos(2 * np.pi * (T - at_s) / period_s)
            for at_s in (120.0, 120.6)
        ]
        synthetic, observed = (symmetric_bandpass(x, 10.0, 0.05, 0.25, 4) for x in wave)
        picks = pick_windows(observed, synthetic, DELTA_S, 4.0)
        (window,) = picks.windows
        inside = (window.start_s <= T) & (window.end_s >= T)
        assert np.sum(synthetic[inside] ** 2) > 0.99 * np.sum(synthetic**2)
        assert window.start_s > 120 - 3 * period_s
        assert window.dt_s == pytest.approx(0.6, abs=1e-3)


def test_no_window_begins_before_the_first_arrival():
    """Also if the synthetic has signal there, or begins with signal."""
    synthetic = SYNTHETIC + 0.05 * noise(1.0, 3)
    observed = np.roll(SYNTHETIC, 4) + 0.05 * noise(1.0, 3)
    for first_s in (79.0, 149.0):
        picks = pick(observed, synthetic, Arrivals((first_s,)), noise_s=(0.0, 40.0))
        assert picks.windows
        for window in picks.windows:
            assert window.start_s >= first_s - 2 * PERIOD_S
            assert window.end_s > first_s
    steady = np.cos(2 * np.pi * T / PERIOD_S)
    ratio = sta_lta(steady, DELTA_S, PERIOD_S)
    assert ratio.max() < 0.1  # the start of the record is no arrival


def test_windows_have_the_shifts_of_the_measure():
    """The picker and `cc_time` use the same taper, so both find the same shift."""
    observed = pulse(80.4) + 0.8 * pulse(88.5) + noise(0.1)
    synthetic = pulse(80) + 0.8 * pulse(88.0)
    for fraction in (0.1, 0.3, 0.6):
        picks = pick_windows(
            observed, synthetic, DELTA_S, PERIOD_S, taper_fraction=fraction
        )
        assert picks.windows
        for window in picks.windows:
            row = measure(
                "cc_time",
                observed,
                synthetic,
                DELTA_S,
                window_s=(window.start_s, window.end_s),
                taper_fraction=fraction,
            )
            assert row.quantities["dt_s"] == window.dt_s
            assert row.quantities["cc"] == window.cc


def test_windows_by_arrivals():
    arrivals = Arrivals((149.0, 160.0), latest_s=190.0)
    picks = pick(
        SYNTHETIC, arrivals=arrivals, noise_s=(0.0, 40.0), max_before_arrival_s=20.0
    )
    assert arrivals_in(picks) == [150]
    assert reasons(picks) >= {
        ("arrivals", "before the first arrival"),
        ("arrivals", "after the last arrival"),
    }
    picks = pick(SYNTHETIC, arrivals=Arrivals((80.0, 222.0)), needs_arrival=True)
    assert arrivals_in(picks) == [80, 220]
    assert ("arrivals", "without an arrival") in reasons(picks)


def test_overlapping_windows_become_one():
    synthetic, observed = pulse(80) + 0.9 * pulse(89), pulse(80.4) + 0.9 * pulse(89.4)
    apart = pick(observed, synthetic, noise_level=1e-5)
    merged = pick(observed, synthetic, overlap="merge", noise_level=1e-5)
    assert len(apart.windows) == 2
    assert ("overlap", "overlap with better windows") in reasons(apart)
    assert len(merged.windows) == 1
    assert ("overlap", "merged with others") in reasons(merged)
    whole = merged.windows[0]
    assert whole.start_s == apart.windows[0].start_s
    assert whole.end_s == apart.windows[1].end_s
    assert whole.dt_s == pytest.approx(0.4, abs=1e-3)


def test_a_merged_window_that_is_bad_leaves_its_best_parts():
    """Two arrivals with opposite shifts: each is accepted, both together are not."""
    synthetic, observed = pulse(80) + pulse(100), pulse(80.5) + pulse(99.5)
    records = Records(observed, synthetic, DELTA_S)
    quality = Quality(records, PERIOD_S, PickerSettings(min_cc=0.9), None, {})
    parts = [quality.judge((60.0, 92.0)), quality.judge((91.0, 115.0))]
    assert [round(part.dt_s, 1) for part in parts] == [0.5, -0.5]
    kept, others = merge(parts, quality)
    assert kept == [parts[0]]  # the longer window
    assert [(row.stage, row.reason) for row in others] == [
        ("quality", "correlation"),
        ("overlap", "overlap with better windows"),
    ]
    assert (others[0].start_s, others[0].end_s) == (60.0, 115.0)
    assert merge(parts[:1], quality) == (parts[:1], [])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 9), st.floats(0.1, 5.0)),
        min_size=1,
        max_size=9,
        unique_by=lambda row: row[:2],
    )
)
def test_schedule_has_the_largest_weight(rows):
    """Compare with all subsets."""
    windows = [
        Window(float(a), float(a + n), a + n / 2, 0.0, 1.0, 0.0, 0.0, weight)
        for a, n, weight in rows
    ]
    kept, others = schedule(windows)

    def is_free(part):
        ordered = sorted(part, key=lambda w: w.start_s)
        return all(a.end_s <= b.start_s for a, b in pairwise(ordered))

    best = max(
        sum(w.weight for w in part)
        for k in range(1, len(windows) + 1)
        for part in combinations(windows, k)
        if is_free(part)
    )
    assert is_free(kept)
    assert sum(w.weight for w in kept) == pytest.approx(best)
    assert len(kept) + len(others) == len(windows)
    assert {row.reason for row in others} <= {"overlap with better windows"}


def test_no_window_is_a_result():
    picks = pick(noise(0.1), noise(0.1, 5), water_level=5.0)
    assert picks.windows == ()
    assert picks.reasons == {"candidates: below the water level": 1}
    picks = pick_windows(np.zeros(3000), SYNTHETIC, DELTA_S, PERIOD_S)
    assert picks.windows == ()
    assert picks.rejected[0].stage == "data"
    assert picks.rejected[0].reason == "observed record is zero"
    picks = pick_windows(np.full(3000, np.nan), SYNTHETIC, DELTA_S, PERIOD_S)
    assert picks.rejected[0].reason == "observed record is not finite"


def test_levels_for_each_sample():
    level = np.full(3000, 0.08)
    level[:1200] = 9.0
    picks = pick_windows(
        SYNTHETIC, SYNTHETIC, DELTA_S, PERIOD_S, levels={"water_level": level}
    )
    assert arrivals_in(picks) == [150, 220]
    strict = np.where(T > 180, 1.0, 0.0)
    picks = pick_windows(
        SYNTHETIC + noise(0.05), SYNTHETIC, DELTA_S, PERIOD_S, levels={"min_cc": strict}
    )
    assert arrivals_in(picks) == [80, 150]
    for bad in ({"min_cc": level[:5]}, {"cc": level}):
        with pytest.raises(ParameterError, match="levels"):
            pick_windows(SYNTHETIC, SYNTHETIC, DELTA_S, PERIOD_S, levels=bad)


def test_windows_are_judged_again_on_a_new_synthetic():
    picks = pick(pulse(80.3), pulse(80))
    window = picks.windows[0]
    ends = window.start_s, window.end_s
    again = judge_window(pulse(80.3), pulse(80), DELTA_S, PERIOD_S, ends)
    assert replace(again, peak_s=window.peak_s) == window
    skipped = judge_window(pulse(80.3), pulse(77.8), DELTA_S, PERIOD_S, ends)
    assert isinstance(skipped, RejectedWindow)
    assert skipped.reason == "cycle skip"
    outside = judge_window(pulse(80.3), pulse(80), DELTA_S, PERIOD_S, (290, 310))
    assert outside.reason == "window outside the data"
    nothing = judge_window(np.zeros(3000), pulse(80), DELTA_S, PERIOD_S, ends)
    assert (nothing.stage, nothing.reason) == ("data", "observed record is zero")


@pytest.mark.parametrize("noise_level", [1e-5, 0.01])
def test_sta_lta_after_a_step_of_the_envelope(noise_level):
    """Recursive averages of a step: (1 - a^k) / (1 - a), both known."""
    n = 4000
    wave = np.cos(2 * np.pi * np.arange(n) / 8)
    wave[:2000] *= 0.1
    ratio = sta_lta(wave, 0.1, 2.0, noise_level)
    a, b = 10 ** (-0.1 / 2), 10 ** (-0.1 / 24)
    k = np.arange(300, 1500)
    short = (1 - 0.9 * a**k) / (1 - a)
    long = (1 - 0.9 * b**k + noise_level) / (1 - b)
    assert ratio[2000 + k - 1] == pytest.approx(short / long, rel=0.02)
    before = 0.1 / (0.1 + noise_level) * (1 - b) / (1 - a)
    assert ratio[700:1900] == pytest.approx(before, rel=0.02)
    assert not sta_lta(np.zeros(50), 0.1, 2.0).any()


@pytest.mark.parametrize("phase", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("from_end_s", [0.0, 1.0, 5.0])
def test_a_wave_at_the_end_of_a_record_is_not_at_its_start(phase, from_end_s):
    """The envelope of a narrow wave is known; a weak one at the start is an arrival."""
    n, delta_s, period_s = 1000, 0.1, 4.0
    times_s = np.arange(n) * delta_s
    wave, envelope = np.zeros(n), np.zeros(n)
    for at_s, size in ((15.0, 0.1), (n * delta_s - from_end_s, 1.0)):
        part = size * np.exp(-(((times_s - at_s) / 5) ** 2))
        wave += part * np.cos(2 * np.pi * (times_s - at_s) / period_s + phase)
        envelope += part
    ratio = sta_lta(wave, delta_s, period_s, noise_level=0.01)
    level = 0.01 * envelope.max()
    a, b = 10 ** (-delta_s / period_s), 10 ** (-delta_s / (12 * period_s))
    short = long = 0.0
    expected = []
    for value in envelope[:500]:
        short, long = value + a * short, value + b * long
        expected.append(short / (long + level / (1 - b)))
    # the end cuts the last wave off: its largest envelope, the unit of the noise, is
    # known to a third
    assert ratio[:500] == pytest.approx(expected, abs=0.04)
    assert ratio[100:250].max() > 0.15


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=30))
def test_extrema_of_any_record(values):
    x = np.array(values, dtype=float)
    maxima, minima = extrema(x)
    assert {0, x.size - 1} <= set(minima.tolist())
    for k in maxima:
        left = x[:k][x[:k] != x[k]]
        right = x[k:][x[k:] != x[k]]
        assert left[-1] < x[k] > right[0]
    # a minimum lies between each pair of neighbouring maxima
    for a, b in pairwise(maxima):
        assert ((minima > a) & (minima < b)).any()


def ends(windows):
    return sorted(zip(windows.left.tolist(), windows.right.tolist(), strict=True))


def test_candidates_and_stages_of_a_drawn_ratio():
    """A ratio with three maxima: all windows, and known reasons of rejection."""
    ratio = np.interp(
        np.arange(121),
        [0, 20, 40, 60, 80, 100, 120],
        [0.0, 1.0, 0.5, 2.0, 0.05, 0.3, 0.0],
    )
    level = np.full(121, 0.2)
    proposals = candidates(ratio, level, PickerSettings())
    windows = sorted(
        zip(
            *(x.tolist() for x in (proposals.left, proposals.seed, proposals.right)),
            strict=True,
        )
    )
    # the minimum at 80 is below the level: no window contains it
    assert windows == [
        (0, 20, 40),
        (0, 20, 80),
        (0, 60, 80),
        (40, 60, 80),
        (80, 100, 120),
    ]
    options = PickerSettings(
        prominence=2.0,
        separation_height=2.0,
        separation_periods=100.0,
        min_length_periods=3.5,
        before_periods=9.0,
        after_periods=9.0,
    )
    kept, stages = select(proposals, ratio, level, 10.0, options)
    by_stage = {stage.stage: ends(stage.windows) for stage in stages}
    # prominence: 0.3 rises 0.25 above 0.05, 1.25 water levels
    # separation: from 20, the maximum at 60 is 1.5 / 0.5 = 3 times as high
    assert by_stage == {
        "prominence": [(80, 120)],
        "separation": [(0, 80)],
        "length": [],
    }
    assert ends(kept) == [
        (0, 40),
        (0, 80),
        (40, 80),
    ]
    short = PickerSettings(before_periods=0.5, after_periods=1.0, prominence=2.0)
    kept, stages = select(proposals, ratio, level, 10.0, short)
    assert ends(kept) == [(15, 70)]


def test_the_separation_falls_with_the_distance():
    """exp(-((x - C3b) / C3b)^2) beyond C3b periods."""
    ratio = np.interp(np.arange(201), [0, 20, 60, 120, 200], [0, 1.0, 0.5, 1.2, 0.0])
    level = np.full(201, 0.1)
    proposals = candidates(ratio, level, PickerSettings())
    options = PickerSettings(
        separation_height=2.0, separation_periods=5.0, min_length_periods=0.0
    )
    _, stages = select(proposals, ratio, level, 10.0, options)
    stage = next(stage for stage in stages if stage.stage == "separation")
    first = stage.windows.seed == 20
    expected = (0.7 / 0.5) / (2.0 * np.exp(-((10 / 5 - 1) ** 2)))
    assert stage.numbers["height_over_limit"][first] == pytest.approx([expected])


def test_two_runs_give_the_same():
    observed = SYNTHETIC + noise(0.2)
    first, second = pick(observed), pick(observed)
    assert first.windows == second.windows
    assert first.rejected == second.rejected


@pytest.mark.parametrize("period_s", [0.0, -1.0])
def test_parameters_are_checked(period_s):
    with pytest.raises(ParameterError, match="period_s"):
        pick_windows(SYNTHETIC, SYNTHETIC, DELTA_S, period_s)
    with pytest.raises(ParameterError, match="period_s"):
        judge_window(SYNTHETIC, SYNTHETIC, DELTA_S, period_s, (10, 20))
