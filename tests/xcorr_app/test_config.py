import json
import tomllib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispel4py.errors import ParameterError
from seismo_pes.application.command_line import Parser, add_arguments
from seismo_pes.application.options import options_of
from seismo_pes.application.times import time_ns
from xcorr_app.config import TABLES, Config, template

NEEDED = {"stations": "list.txt", "data": "archive", "out": "results"}


def config(**values):
    return Config(**(NEEDED | values))


def command_line(*argv):
    parser = Parser(prog="xcorr-app", allow_abbrev=False)
    add_arguments(parser, Config, TABLES)
    return vars(parser.parse(list(argv)))


def complaint(**values):
    with pytest.raises(ParameterError) as error:
        config(**values)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_every_option_of_the_job_exists():
    # the names that users of the command rely on
    names = (
        "stations data out mapping processes channels start end inventory detrend "
        "taper_s response pre_filt bandpass_hz corners sampling_rate_hz time_norm "
        "whiten whiten_hz window_s step_s window_detrend max_lag_s normalize "
        "substack on_error strict"
    )
    assert set(names.split()) <= set(options_of(Config))


def test_defaults_drop_and_change_nothing():
    plain = config()
    assert plain.step_s == plain.window_s == 3600
    assert (plain.taper_s, plain.bandpass_hz, plain.sampling_rate_hz) == (0, None, None)
    assert (plain.time_norm, plain.whiten, plain.response) == ("none", "none", "none")
    assert plain.max_lag_s < plain.window_s
    assert not plain.autocorrelations


def test_missing_required_options_are_named():
    with pytest.raises(ParameterError, match=r"--out OUT is missing"):
        Config(stations="a", data="b")


def test_precedence_option_file_default(tmp_path):
    toml = tmp_path / "run.toml"
    toml.write_text(
        '[input]\nstations = "file.txt"\ndata = "D"\n'
        '[windows]\nwindow_s = 1800\n[output]\nout = "O"\n[run]\nstrict = true\n'
    )
    settings = Config.resolve(command_line("--window-s", "900", "--no-strict"), toml)
    assert settings.stations == "file.txt"
    assert settings.window_s == settings.step_s == 900
    assert settings.max_lag_s == 120
    assert settings.strict is False


def test_option_replaces_keys_of_the_file_that_depend_on_it(tmp_path):
    toml = tmp_path / "run.toml"
    toml.write_text('[windows]\nwhiten = "band"\nwhiten_hz = [0.1, 1.0]\n')
    settings = Config.resolve({**NEEDED, "whiten": "none"}, toml)
    assert (settings.whiten, settings.whiten_hz) == ("none", None)
    assert Config.resolve(NEEDED, toml).whiten_hz == (0.1, 1.0)


def test_template_is_toml_with_the_defaults(tmp_path):
    text = template(NEEDED)
    toml = tmp_path / "run.toml"
    toml.write_text(text)
    assert Config.resolve({}, toml) == config()


def test_template_with_every_key_uncommented_is_toml():
    lines = template().splitlines()
    options = options_of(Config)
    bare = [
        line.removeprefix("# ")
        if line.removeprefix("# ").split(" = ")[0] in options
        else line
        for line in lines
    ]
    tables = tomllib.loads("\n".join(bare))
    assert {k: t for t, ks in tables.items() for k in ks} == {
        name: option.table for name, option in options.items()
    }


def test_template_of_a_configuration_is_that_configuration(tmp_path):
    settings = config(
        channels=["BHZ", "HHZ"],
        start="2022-137",
        bandpass_hz=(0.1, 2),
        time_norm="ram",
        whiten="band",
        whiten_hz=[0.1, 2],
        processes=3,
        strict=True,
    )
    toml = tmp_path / "run.toml"
    toml.write_text(template(settings.to_dict()))
    assert Config.resolve({}, toml) == settings


def test_json_round_trip():
    settings = config(pre_filt=[1, 2, 3, 4], response="vel", inventory="x.xml")
    assert settings.response == "VEL"
    assert Config.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_from_dict_refuses_unknown_keys():
    with pytest.raises(ParameterError, match="did you mean 'window_s'"):
        Config.from_dict({**NEEDED, "windows_s": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[windows]\nwindw_s = 3", r"unknown key 'windw_s': did you mean 'window_s'"),
        ("[run]\nwindow_s = 3", r"'window_s' belongs under \[windows\], not \[run\]"),
        ("[window]\nwindow_s = 3", r"unknown table \[window\]: did you mean 'windows'"),
        ("window_s = 3", r"'window_s' belongs under the table \[windows\]"),
        ("[windows]\nwindow_s = 'long'", r"\[windows\] window_s: 'long' is not a numb"),
        ("[windows\n", r"run.toml: not TOML"),
        ("[preprocess]\nbandpass_hz = [1]", r"is not two numbers: LO HI"),
        ("[run]\nstrict = 1", r"is not true or false"),
    ],
)
def test_bad_files_give_one_line(tmp_path, text, message):
    toml = tmp_path / "run.toml"
    toml.write_text(text)
    with pytest.raises(ParameterError, match=message) as error:
        Config.resolve(NEEDED, toml)
    assert "\n" not in str(error.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"nowhere.toml: No such file"):
        Config.resolve(NEEDED, tmp_path / "nowhere.toml")


def test_toml_times_may_be_dates(tmp_path):
    toml = tmp_path / "run.toml"
    toml.write_text("[input]\nstart = 2022-01-02\nend = 2022-01-02T12:00:00\n")
    settings = Config.resolve(NEEDED, toml)
    assert settings.end_ns - settings.start_ns == 12 * 3600 * 10**9


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2022-01-02", "2022-01-02T00:00:00+00:00"),
        ("2022-01-02T12:00", "2022-01-02T12:00:00Z"),
        ("2022-01-02T12:00:00.25", "2022-01-02T13:00:00.25+01:00"),
        ("2022-137", "2022-05-17"),
        ("2022-137T06:30", "2022-05-17T06:30"),
        ("2024-366", "2024-12-31"),
    ],
)
def test_times(text, same):
    assert time_ns(text) == time_ns(same)
    assert config(start=text).start == config(start=same).start


@given(st.datetimes(min_value=datetime(1970, 1, 1)))
def test_time_round_trip(moment):
    settings = config(start=moment.isoformat())
    assert time_ns(settings.start) == time_ns(moment.isoformat()) == settings.start_ns


@pytest.mark.parametrize("text", ["2022", "2022-13-01", "2023-366", "2022-000", "noon"])
def test_bad_times(text):
    assert "is not a time" in complaint(start=text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"detrend": "liner"}, "--detrend: 'liner' is not one of none, demean, linear"),
        ({"detrend": "liner"}, "did you mean 'linear'?"),
        ({"window_s": 0}, "--window-s 0: must be above 0"),
        ({"step_s": -1}, "--step-s -1: must be above 0"),
        ({"step_s": float("nan")}, "--step-s: nan is not a finite number"),
        ({"taper_s": -1}, "--taper-s -1: must be 0 or more"),
        ({"max_lag_s": 3600}, "--max-lag-s 3600 must be shorter than the window"),
        ({"bandpass_hz": (1, 0.1)}, "--bandpass-hz 1 0.1: must be 0 < LO < HI"),
        (
            {"bandpass_hz": (0.1, 2), "sampling_rate_hz": 4},
            "HI must be below half of --sampling-rate-hz 4",
        ),
        ({"pre_filt": (1, 2, 3, 4)}, "--pre-filt has no effect with --response none"),
        (
            {"pre_filt": (1, 2, 2, 4), "response": "VEL", "inventory": "x"},
            "0 <= F1 < F2 < F3 < F4",
        ),
        ({"whiten": "band"}, "add --whiten-hz LO HI"),
        ({"whiten_hz": (1, 2)}, "--whiten-hz has no effect with --whiten none"),
        ({"response": "VEL"}, "--response VEL needs the responses: add --inventory"),
        ({"time_norm": "ram"}, "--ram-window-s"),
        ({"ram_window_s": 3, "time_norm": "clip"}, "add --time-norm ram"),
        ({"clip_std": 3}, "--clip-std has no effect with --time-norm none"),
        ({"processes": 0}, "--processes: 0 is not a whole number, 1 or more"),
        ({"processes": 1.5}, "--processes: 1.5 is not a whole number"),
        ({"corners": True}, "--corners: True is not a number"),
        ({"channels": []}, "--channels: the list is empty"),
        ({"channels": "B/Z"}, "--channels B/Z: not a channel code"),
        ({"start": "2022-01-02", "end": "2022-01-02"}, "is not before --end"),
        ({"data": []}, "--data: the list is empty"),
        ({"data": "fdsn://IRIS", "end": "2022-01-02"}, "add --start TIME"),
        ({"max_gap_s": -1}, "--max-gap-s -1: must be 0 or more"),
        ({"despike_s": 3}, "--despike-s has no effect without --despike-mad: add it"),
        ({"clipped_level": 9}, "no effect without --drop-clipped"),
        ({"reject_rms": (3, 2)}, "--reject-rms 3 2: must be LO < HI"),
        ({"reject_rms_ratio": 1.0}, "--reject-rms-ratio 1"),
        ({"detrend_order": 3}, "add --detrend polynomial|spline"),
        ({"detrend": "spline", "detrend_order": 6}, "at most 5 with --detrend spline"),
        ({"orient": True, "inventory": "x"}, "add --components ZNE"),
        ({"orient": True}, "--orient needs azimuths and dips: add --inventory"),
        ({"resampling": "fourier"}, "no effect without --sampling-rate-hz"),
        (
            {"highpass_hz": 3, "sampling_rate_hz": 4},
            "--highpass-hz 3: must be below half of --sampling-rate-hz 4",
        ),
        ({"time_norm": "multiband-ram", "ram_window_s": 3}, "add --norm-bands-hz"),
        ({"time_norm": "gain"}, "--time-norm gain needs --ram-window-s"),
        ({"envelope_n": 0, "time_norm": "envelope"}, "not a whole number, 1 or more"),
        ({"bands_hz": ["0.1"]}, "--bands-hz: '0.1' is not a band: write 0.1-0.5"),
        ({"bands_hz": ["0.5-0.1"]}, "--bands-hz 0.5-0.1: must be 0 < LO < HI"),
        (
            {"bands_hz": "0.1-0.5", "whiten": "band", "whiten_hz": (1, 2)},
            "--bands-hz replaces --whiten-hz: leave --whiten-hz out",
        ),
        ({"whiten": "psd"}, "--whiten psd needs its band"),
        ({"pairs": "crosses"}, "--pairs: 'crosses' is not one of cross"),
        ({"components": "ZZZZ"}, "--components ZZZZ: not two components"),
        ({"components": "RN"}, "R and T replace N and E"),
        ({"components": "RR", "kind": "pcc2"}, "it is not linear in the components"),
        ({"distance_km": (9, 3)}, "--distance-km 9 3: must be LO < HI"),
        ({"distance_km": (-1, 3)}, "LO must be 0 or more"),
        ({"azimuth_deg": (0, 400)}, "must be 0 to 360"),
        ({"networks": "CI AZ"}, "--networks: 'CI AZ' is not of the form 'CI x AZ'"),
        ({"kind": "coherency", "normalize": "energy"}, "leave --normalize out"),
        (
            {"kind": "coherency", "whiten": "band", "whiten_hz": (1, 2)},
            "divides by the amplitude itself",
        ),
        ({"kind": "pcc2", "bands_hz": "1-2 2-3"}, "--kind pcc2 takes one band"),
        ({"water_level": 0.1}, "--water-level has no effect with --kind cc"),
        ({"stack": "robust"}, "--stack robust is made of the stacks of --substack"),
        ({"uncertainty": True}, "add --substack"),
        ({"moving_s": 3600}, "--moving-s has no effect with --substack none"),
        ({"moving_step_s": 3600}, "no effect without --moving-s"),
        ({"stack_options": "power=2"}, "no effect with linear stacks"),
        ({"stack_options": "power"}, "'power' is not NAME=VALUE"),
        ({"resume": True, "force": True}, "--resume and --force: give one of them"),
        ({"memory_gb": 0}, "--memory-gb 0: must be above 0"),
        (
            {"steps": "OneBit", "bandpass_hz": (1, 2)},
            "--steps replaces --bandpass-hz: put it",
        ),
        ({"steps": "OneBit", "sampling_rate_hz": 5}, "(Resample(rate_hz=...))"),
    ],
)
def test_mistakes_name_option_value_and_way_out(values, message):
    assert message in complaint(**values)


def test_options_that_follow_from_other_options():
    assert config(components=["zrt", "ZZ"]).components[:3] == ("ZZ", "ZR", "ZT")
    assert len(config(components="ZNE").components) == 9
    assert config(components="RR").rotates
    assert not config(components="NE").rotates
    assert config(autocorrelations=True).pairs == ("cross", "single-station", "auto")
    assert config(pairs="auto").autocorrelations
    assert config().normalize == "energy"
    assert config(kind="coherency").normalize == "none"
    assert config(steps=["Demean()", "OneBit,"]).steps == "Demean(), OneBit"
    assert config(steps="Orient", components="ZZ").orients
    assert config(networks="CI x AZ,CI x CI").networks == ("CI x AZ", "CI x CI")
    assert config(data=["a b", "c,d"]).data == ("a b", "c,d")
    moving = config(substack="hour", moving_s=7200)
    assert moving.moving_step_s == 3600
    several = config(time_norm="multiband-ram", ram_window_s=3, bands_hz="1-2 2-3")
    assert several.norm_bands_hz == ((1, 2), (2, 3))


def test_bands_are_written_in_several_ways(tmp_path):
    bands = ((0.1, 0.2), (0.2, 1e-1 * 4))
    for spelled in (
        ["0.1-0.2", "0.2-0.4"],
        "0.1-0.2 .2-4e-1",
        "0.1-0.2, 0.2-0.4",
        [[0.1, 0.2], [0.2, 0.4]],
    ):
        assert config(bands_hz=spelled).bands_hz == bands
    toml = tmp_path / "run.toml"
    toml.write_text(template(config(bands_hz=bands).to_dict()))
    assert Config.resolve({}, toml) == config(bands_hz=bands)


def test_parameters_of_stacks_are_a_table(tmp_path):
    given = {"substack": "day", "stack": "phase-weighted"}
    settings = config(**given, stack_options=["power=2", "n_smooth=3"])
    assert settings.stack_options == {"power": 2, "n_smooth": 3}
    toml = tmp_path / "run.toml"
    toml.write_text(template(settings.to_dict()))
    assert Config.resolve({}, toml) == settings


def test_a_chain_replaces_keys_of_the_file(tmp_path):
    toml = tmp_path / "run.toml"
    toml.write_text(
        '[preprocess]\ndetrend = "demean"\nbandpass_hz = [1, 2]\n'
        '[windows]\nwhiten = "band"\nwhiten_hz = [1, 2]\n'
    )
    settings = Config.resolve({**NEEDED, "steps": "OneBit"}, toml)
    assert (settings.detrend, settings.bandpass_hz) == ("linear", None)
    assert settings.whiten_hz == (1, 2)
    banded = Config.resolve({**NEEDED, "bands_hz": "1-2 2-3"}, toml)
    assert (banded.whiten, banded.whiten_hz) == ("band", None)


def test_running_mean_follows_the_band():
    assert config(time_norm="ram", bandpass_hz=(0.1, 1)).ram_window_s == 5
    assert config(time_norm="clip").clip_std == 3


def test_command_line_keeps_only_what_is_given():
    given_ = command_line("--channels", "BHZ,HHZ", "LHZ", "-n", "4", "--strict")
    assert given_ == {"channels": ["BHZ,HHZ", "LHZ"], "processes": "4", "strict": True}
    assert config(**given_).channels == ("BHZ", "HHZ", "LHZ")
    assert config(**given_).processes == 4


def test_unknown_option_is_guessed():
    with pytest.raises(ParameterError, match="--windw-s: did you mean --window-s"):
        command_line("--windw-s", "3")
