"""Properties of every measure: gradients, zero misfit, rejections, sums."""

import pickle

import numpy as np
import pytest

from seismo_pes.signal.errors import ParameterError, Rejected
from seismo_pes.signal.misfits import (
    MEASURES,
    Measurement,
    Rejection,
    measure,
    measure_windows,
    settings_of,
    total,
)

DELTA_S = 0.25
WINDOWS = [None, (40.0, 110.0), (61.3, 97.2)]
SINGLE = [name for name, kind in MEASURES.items() if not kind.is_double]
# Options in addition to the defaults, each with its own gradient.
VARIANTS = [
    ("waveform", {"normalised": True}),
    ("convolved", {"normalised": True}),
    ("exponentiated_phase", {"water_level": 0.01}),
    ("instantaneous_phase", {"water_level": 0.01}),
    ("envelope", {"logarithmic": True}),
    ("mt_time", {"min_period_s": 7.0, "max_period_s": 14.0, "n_tapers": 3}),
    ("mt_amplitude", {"nw": 2.5, "n_tapers": 4, "sigma": 0.1}),
    ("dd_mt", {"nw": 2.5, "n_tapers": 4, "sigma_s": 0.1}),
    ("pgd", {"motion": "displacement"}),
    ("pgd", {"motion": "acceleration"}),
    ("pga", {"motion": "displacement"}),
    ("psa", {"motion": "acceleration", "period_s": 9.0, "damping": 0.1}),
    ("tf_envelope", {"reference": "observed", "n_frequencies": 12}),
    ("tf_phase", {"min_period_s": 4.0, "max_period_s": 20.0, "w0": 4.0}),
]
CASES = [(name, {}) for name in MEASURES] + VARIANTS
CASE_IDS = [f"{name}-{'-'.join(options) or 'default'}" for name, options in CASES]


def run(name, records, synthetic=None, synthetic_2=None, **more):
    observed, own, observed_2, own_2 = records
    synthetic = own if synthetic is None else synthetic
    if MEASURES[name].is_double:
        more["other"] = (observed_2, own_2 if synthetic_2 is None else synthetic_2)
    return measure(name, observed, synthetic, DELTA_S, **more)


@pytest.mark.parametrize("window_s", WINDOWS, ids=["whole", "long", "short"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=CASE_IDS)
def test_adjoint_is_the_gradient(name, options, window_s, records, gradient_error):
    options = {**options, "window_s": window_s}
    row = run(name, records, **options)
    assert row.misfit > 0
    assert row.adjoint.shape == records[1].shape

    def chi(synthetic):
        return run(name, records, synthetic, **options).misfit

    assert gradient_error(chi, row.adjoint, records[1]) < 1e-5
    if row.adjoint_other is not None:

        def chi_other(synthetic_2):
            return run(name, records, None, synthetic_2, **options).misfit

        assert gradient_error(chi_other, row.adjoint_other, records[3]) < 1e-5


@pytest.mark.parametrize("window_s", WINDOWS, ids=["whole", "long", "short"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=CASE_IDS)
def test_identical_records_have_exactly_no_misfit(name, options, window_s, records):
    same = (records[0], records[0], records[2], records[2])
    for convention in MEASURES[name].conventions:
        more = {**options, "window_s": window_s, "convention": convention}
        row = run(name, same, **more)
        assert row.misfit == 0
        assert row.value == 0
        assert not row.adjoint.any()
        if MEASURES[name].is_double:
            assert not row.adjoint_other.any()
        assert row.quantities.get("dt_s", 0) == 0
        assert row.quantities.get("dlna", 0) == 0


@pytest.mark.parametrize("name", MEASURES)
def test_adjoints_do_not_leave_the_window(name, records):
    row = run(name, records, window_s=(40.0, 110.0))
    if MEASURES[name].is_tapered:
        assert not row.adjoint[:160].any()
        assert not row.adjoint[441:].any()
    assert row.window_s == (40.0, 110.0)


@pytest.mark.parametrize("name", MEASURES)
def test_units_of_amplitude_do_not_matter(name, records):
    """Records in nm instead of m: numbers without unit stay, chi has its unit."""
    row = run(name, records, window_s=(40.0, 110.0))
    small = run(name, [1e-9 * x for x in records], window_s=(40.0, 110.0))
    for key, value in row.quantities.items():
        if key in ("dt_s", "dlna", "cc"):
            assert small.quantities[key] == pytest.approx(value, rel=1e-9)
    power = {"u^2 s": 2, "u^4 s^3": 4}.get(row.unit, 0)
    assert small.misfit == pytest.approx(row.misfit * 1e-9**power, rel=1e-9)
    factor = 1e-9 ** (power - 1)
    assert small.adjoint == pytest.approx(row.adjoint * factor, rel=1e-6, abs=0)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("which", ["observed", "synthetic"])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda x: x * 0, "zero"),
        (lambda x: x * 0 + 3.0, "constant"),
        (lambda x: np.where(np.arange(x.size) == 300, np.nan, x), "not finite"),
        (lambda x: np.where(np.arange(x.size) == 300, np.inf, x), "not finite"),
        (lambda x: x * 1e-200, "out of range"),
    ],
    ids=["zero", "constant", "nan", "infinite", "tiny"],
)
def test_data_without_a_value_are_rejected(name, which, spoil, reason, records):
    observed, synthetic, observed_2, synthetic_2 = records
    if which == "observed":
        observed = spoil(observed)
    else:
        synthetic = spoil(synthetic)
    with pytest.raises(Rejected, match=f"{which} .* {reason}") as caught:
        run(name, (observed, synthetic, observed_2, synthetic_2))
    assert caught.value.reason.startswith(which)


def test_windows_that_hold_nothing_are_rejected(records):
    observed, synthetic = records[0].copy(), records[1]
    observed[:200] = 0
    windows = [(10.0, 40.0), (60.0, 90.0), (140.0, 150.0), (60.0, 60.5), (-1.0, 30.0)]
    rows = measure_windows(SINGLE, observed, synthetic, DELTA_S, windows)
    assert len(rows) == len(windows) * len(SINGLE)
    reasons = {row.window_s: row.reason for row in rows if isinstance(row, Rejection)}
    assert reasons == {
        (10.0, 40.0): "observed record is zero",
        (140.0, 150.0): "window outside the data",
        (60.0, 60.5): "window too short",
        (-1.0, 30.0): "window outside the data",
    }
    assert {row.window_s for row in rows if isinstance(row, Measurement)} == {
        (60.0, 90.0)
    }


def test_a_window_may_end_with_the_record(records):
    row = measure("waveform", *records[:2], DELTA_S, window_s=(100.0, 149.75))
    assert row.adjoint[590] != 0
    with pytest.raises(Rejected, match="outside"):
        measure("waveform", *records[:2], DELTA_S, window_s=(100.0, 150.0))


def test_adjoints_of_overlapping_windows_add(records):
    windows = [(40.0, 90.0), (60.0, 110.0)]
    rows = measure_windows(SINGLE, *records[:2], DELTA_S, windows)
    alone = [
        measure(name, *records[:2], DELTA_S, window_s=window_s)
        for window_s in windows
        for name in SINGLE
    ]
    both = total(rows)
    assert both.n_measured == 2 * len(SINGLE)
    assert both.misfit == pytest.approx(sum(row.misfit for row in alone), rel=1e-12)
    assert np.array_equal(both.adjoint, np.sum([row.adjoint for row in alone], axis=0))


def test_a_measure_may_occur_with_several_options(records):
    wanted = [("psa", {"period_s": 3.0}), "pga", ("psa", {"period_s": 9.0})]
    rows = measure_windows(wanted, *records[:2], DELTA_S, [None])
    assert [row.name for row in rows] == ["psa", "pga", "psa"]
    assert [row.quantities.get("period_s") for row in rows] == [3.0, None, 9.0]


def test_no_window_is_not_a_good_fit(records):
    rows = measure_windows(["waveform"], *records[:2], DELTA_S, [])
    assert rows == []
    assert np.isnan(total(rows).misfit)


def test_a_spoiled_record_rejects_every_window(records):
    spoiled = np.where(np.arange(600) == 3, np.nan, records[0])
    rows = measure_windows(SINGLE, spoiled, records[1], DELTA_S, [(40, 90), (60, 99)])
    assert {row.reason for row in rows} == {"observed record is not finite"}
    assert len(rows) == 2 * len(SINGLE)


@pytest.mark.parametrize("name", MEASURES)
def test_inputs_stay_and_results_repeat(name, records):
    before = [x.copy() for x in records]
    first = run(name, records, window_s=(40.0, 110.0))
    second = run(name, records, window_s=(40.0, 110.0))
    assert all(np.array_equal(a, b) for a, b in zip(records, before, strict=True))
    assert first.misfit == second.misfit
    assert first.adjoint.tobytes() == second.adjoint.tobytes()
    assert all(isinstance(x, float) for x in first.quantities.values())
    again = pickle.loads(pickle.dumps(first))
    assert again.adjoint.tobytes() == first.adjoint.tobytes()


@pytest.mark.parametrize("name", MEASURES)
def test_float32_records_are_used_as_float64(name, records):
    single = [x.astype(np.float32) for x in records]
    row = run(name, single)
    exact = run(name, [x.astype(np.float64) for x in single])
    assert row.adjoint.dtype == np.float64
    assert row.misfit == exact.misfit


def test_windows_may_be_lists_of_any_numbers(records):
    """As JSON and arrays have them."""
    row = measure("cc_time", *records[:2], DELTA_S, window_s=(40.0, 110.0))
    for window_s in ([40, 110], np.array([40.0, 110.0])):
        again = measure("cc_time", *records[:2], DELTA_S, window_s=window_s)
        assert again.misfit == row.misfit
        assert again.window_s == (40.0, 110.0)
        rows = measure_windows(["cc_time"], *records[:2], DELTA_S, [window_s, None])
        assert rows[0].window_s == (40.0, 110.0)
    with pytest.raises(ParameterError, match="start and end"):
        measure("cc_time", *records[:2], DELTA_S, window_s=(1.0, 2.0, 3.0))


def test_rejections_of_the_other_station_say_so(records):
    other = (np.zeros(600), records[3])
    with pytest.raises(Rejected, match="other station: observed record is zero"):
        measure("dd_cc", *records[:2], DELTA_S, other=other)
    with pytest.raises(ParameterError, match="one station"):
        measure("cc_time", *records[:2], DELTA_S, other=records[2:])


def test_rejections_can_be_pickled():
    rejected = pickle.loads(pickle.dumps(Rejected("cycle skip", {"dt_s": 3.0})))
    assert rejected.reason == "cycle skip"
    assert rejected.numbers == {"dt_s": 3.0}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"normalised": 1}, "True or False"),
        ({"normalized": True}, "no option"),
        ({"convention": "other"}, "native, pyadjoint"),
        ({"taper_fraction": 1.5}, "taper_fraction"),
        ({"window_s": (5.0, 4.0)}, "in order"),
        ({"delta_s": 0.0}, "delta_s"),
    ],
)
def test_parameters_are_checked(more, words, records):
    delta_s = more.pop("delta_s", DELTA_S)
    with pytest.raises(ParameterError, match=words):
        measure("waveform", *records[:2], delta_s, **more)


def test_names_and_shapes_are_checked(records):
    with pytest.raises(ParameterError, match="not a measure"):
        measure("wavform", *records[:2], DELTA_S)
    with pytest.raises(ParameterError, match="one length"):
        measure("waveform", records[0], records[1][:-1], DELTA_S)
    with pytest.raises(ParameterError, match="two stations"):
        measure("convolved", *records[:2], DELTA_S)
    with pytest.raises(ParameterError, match="two stations"):
        measure_windows(["convolved"], *records[:2], DELTA_S, [None])


def test_every_option_is_declared_with_its_meaning():
    for kind in MEASURES.values():
        assert kind.summary.endswith(".")
        for name, properties in settings_of(kind.settings).items():
            assert properties.help, name
            assert not name.endswith("_s") or properties.unit == "s", name
