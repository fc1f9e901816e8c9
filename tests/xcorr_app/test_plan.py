"""From options to a channel table, the pairs in it and the spans to be read."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dispel4py.errors import ParameterError
from seismo_pes.correlating.substacks import period_name
from seismo_pes.metadata.stations import Channel
from tests.xcorr_app.conftest import DAY
from xcorr_app.config import Config
from xcorr_app.planning.components import Components
from xcorr_app.planning.pairs import rotation_of
from xcorr_app.planning.plan import RunPlan, plan_run
from xcorr_app.planning.table import oriented_names

# three stations on a meridian, one far to the east
PLACES = {
    ("XX", "AAA"): "10.0 20.0",
    ("XX", "BBB"): "10.1 20.0",
    ("YY", "CCC"): "10.5 20.0",
    ("YY", "DDD"): "10.0 23.0",
}


@pytest.fixture
def archive(tmp_path: Path, rng) -> Path:
    """An SDS archive of two days, with all components of the first three stations."""
    from obspy import Trace

    root = tmp_path / "sds"
    for network, station in PLACES:
        for code in ("HHZ", "HHN", "HHE"):
            if station == "DDD" and code == "HHE":
                continue
            for day in (0, 1):
                start = DAY + day * 86400
                header = {"network": network, "station": station, "channel": code}
                header |= {"sampling_rate": 1.0, "starttime": start}
                trace = Trace(rng.standard_normal(3600), header=header)
                folder = root / f"{start.year}" / network / station / f"{code}.D"
                folder.mkdir(parents=True, exist_ok=True)
                name = f"{trace.id}.D.{start.year}.{start.julday:03d}"
                trace.write(str(folder / name), format="MSEED")
    return root


@pytest.fixture
def plan(tmp_path: Path, archive: Path) -> Callable[..., RunPlan]:
    def prepared(known: tuple[str, ...] = (), **options: object) -> RunPlan:
        places = options.pop("places", PLACES)
        listing = tmp_path / "list.txt"
        lines = [" ".join([*codes, where]) for codes, where in places.items()]
        listing.write_text("\n".join(lines))
        fixed = {"stations": str(listing), "data": str(archive), "out": "out"}
        usual = {"window_s": 600.0, "max_lag_s": 10.0}
        return plan_run(Config(**(fixed | usual | options)), known)

    return prepared


def pairs_of(result: RunPlan) -> set[tuple[str, str]]:
    """The pairs that a plan chooses, first and second as in the table."""
    index = np.arange(len(result.channels))
    wanted = result.pairs.selection.allowed(index, index) & (index[:, None] <= index)
    short = [f"{c.station[0]}{c.code[-1]}" for c in result.channels]
    return {(short[i], short[j]) for i, j in zip(*np.nonzero(wanted), strict=True)}


# -- the order of the steps ---------------------------------------------------------


def test_no_step_calls_an_earlier_step(plan) -> None:
    stack, order, climbs = [], [], []

    def note(frame, event, _) -> None:
        name = frame.f_globals.get("__name__", "")
        if event == "return" and stack and stack[-1][0] is frame:
            stack.pop()
        elif event == "call" and name.startswith("xcorr_app."):
            caller = stack[-1][1] if stack else name
            is_step = caller.startswith("xcorr_app.planning.") and stack[1:]
            if is_step and name in order[: order.index(caller)]:
                climbs.append(f"{caller} calls {name}.{frame.f_code.co_name}")
            stack.append((frame, name))
            if name not in order:
                order.append(name)

    plan()  # modules that are imported at their use
    sys.setprofile(note)
    try:
        plan(components=["ZRT"], across_components=True)
    finally:
        sys.setprofile(None)
    assert "xcorr_app.planning.pairs" in order
    assert not climbs


# -- channels and spans -------------------------------------------------------------


def test_verticals_are_correlated(plan) -> None:
    run_plan = plan()
    assert [c.id for c in run_plan.channels] == [
        "XX.AAA..HHZ",
        "XX.BBB..HHZ",
        "YY.CCC..HHZ",
        "YY.DDD..HHZ",
    ]
    assert (run_plan.pairs.n_pairs, run_plan.pairs.n_possible) == (6, 6)


def test_periods_are_days_since_1970(plan) -> None:
    run_plan = plan()
    first = DAY.ns // (86_400 * 10**9)
    assert [period_name(day) for day in run_plan.periods] == [
        "2024-03-01",
        "2024-03-02",
    ]
    assert {span.period for span in run_plan.spans} == {first, first + 1}
    assert Counter(span.period for span in run_plan.spans) == {first: 4, first + 1: 4}
    later = plan(start="2024-03-02")
    assert list(later.periods) == [first + 1]


def test_known_channels_keep_their_numbers(plan) -> None:
    known = ("XX.GONE..HHZ", "YY.CCC..HHZ", "XX.AAA..HHZ")
    run_plan = plan(known)
    assert [c.id for c in run_plan.channels] == [*known, "XX.BBB..HHZ", "YY.DDD..HHZ"]
    assert run_plan.channels[1].latitude == 10.5
    assert np.isnan(run_plan.channels[0].latitude)
    again = plan(tuple(c.id for c in run_plan.channels))
    assert again.channels[1:] == run_plan.channels[1:]


def test_new_stations_are_second_in_pairs_of_components(plan) -> None:
    known = ("YY.CCC..HHN", "YY.CCC..HHZ")
    places = {codes: PLACES[codes] for codes in (("XX", "AAA"), ("YY", "CCC"))}
    run_plan = plan(known, components=["ZN"], pairs="cross", places=places)
    assert pairs_of(run_plan) == {("CZ", "AN")}


def test_channels_of_no_pair_are_not_read(plan, tmp_path) -> None:
    (tmp_path / "pairs.txt").write_text("XX.AAA YY.CCC..HHZ # the far ones\n\n")
    run_plan = plan(pair_list=str(tmp_path / "pairs.txt"))
    assert {span.channel_id for span in run_plan.spans} == {
        "XX.AAA..HHZ",
        "YY.CCC..HHZ",
    }
    assert pairs_of(run_plan) == {("AZ", "CZ")}
    assert (run_plan.pairs.n_pairs, run_plan.pairs.n_possible) == (1, 1)


# -- pairs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pairs": ["auto"]}, {("AZ", "AZ"), ("BZ", "BZ"), ("CZ", "CZ"), ("DZ", "DZ")}),
        ({"distance_km": (0, 20)}, {("AZ", "BZ")}),
        ({"distance_km": (40, 60)}, {("AZ", "CZ"), ("BZ", "CZ")}),
        ({"azimuth_deg": (350, 10)}, {("AZ", "BZ"), ("AZ", "CZ"), ("BZ", "CZ")}),
        ({"azimuth_deg": (80, 95)}, {("AZ", "DZ"), ("BZ", "DZ")}),
        ({"networks": ["XX x XX"]}, {("AZ", "BZ")}),
        (
            {"networks": ["XX x Y?"]},
            {("AZ", "CZ"), ("AZ", "DZ"), ("BZ", "CZ"), ("BZ", "DZ")},
        ),
        (
            {"networks": "X* x XX, YY x YY"},
            {("AZ", "BZ"), ("CZ", "DZ")},
        ),
        (
            {"components": ["ZN"], "distance_km": (0, 20), "networks": ["XX x XX"]},
            {("AZ", "BN"), ("AN", "AZ"), ("BN", "BZ")},
        ),
        (
            {"components": ["ZN"], "distance_km": (0, 20), "pairs": ["cross"]},
            {("AZ", "BN")},
        ),
        (
            {"components": ["NZ"], "pairs": "single-station", "networks": "XX x XX"},
            {("AN", "AZ"), ("BN", "BZ")},
        ),
    ],
)
def test_pairs_are_chosen(plan, options, expected) -> None:
    run_plan = plan(**options)
    assert pairs_of(run_plan) == expected
    assert run_plan.pairs.n_pairs == len(expected)


def test_autocorrelations_is_another_word_for_auto(plan) -> None:
    both = [plan(autocorrelations=True), plan(pairs="cross single-station auto")]
    assert pairs_of(both[0]) == pairs_of(both[1])
    assert both[0].config == both[1].config


def test_new_stations_are_paired_with_all(plan, tmp_path) -> None:
    (tmp_path / "new.txt").write_text("YY DDD\n")
    run_plan = plan(new_stations=str(tmp_path / "new.txt"))
    assert pairs_of(run_plan) == {("AZ", "DZ"), ("BZ", "DZ"), ("CZ", "DZ")}


def test_unknown_names_of_pair_lists_are_reported(plan, tmp_path) -> None:
    listing = tmp_path / "pairs.txt"
    listing.write_text("XX.* YY.CCC\nXX.AAA,ZZ.QQQ\n")
    run_plan = plan(pair_list=str(listing))
    assert pairs_of(run_plan) == {("AZ", "CZ"), ("BZ", "CZ")}
    assert [entry.what for entry in run_plan.skipped] == ["ZZ.QQQ"]
    listing.write_text("XX.AAA\n")
    with pytest.raises(ParameterError, match=r"pairs.txt:1: .*not two stations"):
        plan(pair_list=str(listing))
    with pytest.raises(ParameterError, match="--pair-list nowhere: No such file"):
        plan(pair_list="nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"distance_km": (1, 2), "networks": ["XX x YY"]},
            "no pair is left of 6 by --distance-km 1 2, --networks XX x YY, --pairs",
        ),
        ({"components": ["QQ"]}, "none of the 4 listed stations"),
        (
            {"places": {("XX", "AAA"): ""}},
            "the only channel is XX.AAA..HHZ, which has no pairs",
        ),
    ],
)
def test_a_selection_without_pairs_gives_one_line(plan, options, message) -> None:
    with pytest.raises(ParameterError) as error:
        plan(**options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# -- components ---------------------------------------------------------------------


def test_radial_and_transverse_channels_are_appended(plan) -> None:
    run_plan = plan(components=["RR", "TT"])
    ids = [c.id for c in run_plan.channels]
    assert ids[-6:] == [
        f"{net}.{sta}..HH{letter}" for net, sta in list(PLACES)[:3] for letter in "RT"
    ]
    assert len(ids) == 15
    assert run_plan.channels[-1].latitude == 10.5
    assert run_plan.settings.coherent
    assert (run_plan.pairs.n_pairs, run_plan.pairs.n_possible) == (6, 36)
    assert run_plan.pairs.rotation == rotation_of(run_plan.channels)
    assert run_plan.pairs.rotation.triplets[0] == (2, 1, 0)
    (lacking,) = [entry for entry in run_plan.skipped if entry.stage == "rotate"]
    assert lacking.what == "YY.DDD..HH?"
    assert "components N, Z, not Z, N, E" in lacking.reason
    # channels that cannot be rotated are not read
    assert {span.channel_id.split(".")[1] for span in run_plan.spans} == {
        "AAA",
        "BBB",
        "CCC",
    }


def test_all_nine_rotated_components(plan) -> None:
    run_plan = plan(components=["ZRT"])
    # of three instruments each with each; ZZ also of the fourth
    assert run_plan.pairs.n_pairs == 3 * 9 + 3


def test_stations_without_coordinates_are_not_rotated(plan) -> None:
    places = dict.fromkeys(PLACES, "")
    places[("XX", "AAA")] = "10 20"
    with pytest.raises(
        ParameterError, match=r"no pair .*; XX.BBB..HH. not rotated: its coor"
    ):
        plan(components=["RR"], places=places)


def test_names_of_oriented_channels() -> None:
    ids = [f"X.A..BH{letter}" for letter in "12Z"]
    assert list(oriented_names(ids).values()) == [f"X.A..BH{c}" for c in "NEZ"]
    for letters in ("ZNE", "Z", "NE", "ZN", "ABCD"):
        same = [f"X.A..BH{letter}" for letter in letters]
        assert oriented_names(same) == dict(zip(same, same, strict=True))
    assert set(oriented_names([f"X.A..BH{c}" for c in "123"]).values()) == {
        f"X.A..BH{c}" for c in "NEZ"
    }
    assert set(oriented_names(["X.A..BH1", "X.A..BH2"]).values()) == {
        "X.A..BHN",
        "X.A..BHE",
    }


def test_codes_that_components_need() -> None:
    turned = Components(("RT",), oriented=True)
    assert turned.codes == tuple(f"??{c}" for c in "123ENZ")
    assert Components(("NN",)).codes == ("??N",)
    assert Components().codes is None


def test_components_that_only_share_weights_are_read(plan) -> None:
    run_plan = plan(components=["ZZ"], across_components=True, networks=["XX x XX"])
    assert run_plan.pairs.n_pairs == 1
    assert {span.channel_id[-1] for span in run_plan.spans} == set("ZNE")
    assert len(run_plan.channels) == 6
    assert run_plan.settings.coherent
    assert not plan(components=["NE"]).settings.coherent


def test_rotation_needs_all_three() -> None:
    channels = [Channel(f"X.A..HH{c}", 1, 2) for c in "ZNRT"]
    assert not rotation_of(channels).triplets


# -- settings -----------------------------------------------------------------------


def test_settings_follow_the_options(plan) -> None:
    run_plan = plan(
        bands_hz=["0.1-0.2", "0.2-0.4"], whiten="psd", whiten_smooth_hz=0.05
    )
    settings = run_plan.settings
    assert settings.band_names == ("0.1-0.2Hz", "0.2-0.4Hz")
    assert (settings.whiten, settings.whiten_smooth_hz) == ("psd", 0.05)
    assert settings.unit_energy
    phase = plan(kind="pcc2").settings
    assert (phase.kind, phase.unit_energy) == ("pcc2", False)
    divided = plan(kind="deconvolution", water_level=0.1).settings
    assert divided.water_level == 0.1


def test_bands_above_nyquist_are_refused(plan) -> None:
    with pytest.raises(ParameterError, match=r"--bands-hz 0.4 0.6: 0.6 Hz is not belo"):
        plan(bands_hz=["0.1-0.2", "0.4-0.6"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("powr=2", "--stack-options for --stack nth-root: .*powr"),
        ("power=0", "--stack-options for --stack nth-root: .*power"),
        ("power=2", ""),
        (None, ""),
    ],
)
def test_parameters_of_stacks_are_tried_before(plan, options, message) -> None:
    options_of_stacks = {
        "stack": "nth-root",
        "substack": "day",
        "stack_options": options,
    }
    if not message:
        assert plan(**options_of_stacks).pairs.n_pairs == 6
        return
    with pytest.raises(ParameterError, match=message) as error:
        plan(**options_of_stacks)
    assert "\n" not in str(error.value)


def test_selective_stacks_need_their_threshold(plan) -> None:
    with pytest.raises(ParameterError, match=r"window-stack selective: .*threshold"):
        plan(window_stack="selective")


def test_chains_set_the_rate(plan) -> None:
    assert plan(steps="Decimate(factor=2)", max_lag_s=10).settings.rate_hz == 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampling_rate_hz": 2.0}, "--sampling-rate-hz 2 is above the rate of 4 of 4"),
        ({"window_s": 900.0, "step_s": 1800.0}, "50 % of the data are in no window"),
        ({"components": ("ZZ", "TZ")}, None),
        ({"components": ("ZZ", "Z1")}, "--components Z1: no channel of the run has"),
        ({"processes": 4}, "-n 4 has no effect with --mapping simple"),
        (
            {"substack": "day", "moving_s": 86_400.0},
            "--moving-s 86400 is not longer than --substack day",
        ),
        ({"processes": 4, "mapping": "multi"}, None),
        ({"substack": "day", "moving_s": 172_800.0}, None),
    ],
)
def test_options_without_effect_give_one_line(plan, caplog, options, words):
    plan(**options)
    remarks = [record.message for record in caplog.records]
    assert len(remarks) == (words is not None)
    assert all(words in remark for remark in remarks)
