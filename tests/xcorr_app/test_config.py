import json
import tomllib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispel4py.errors import ParameterError
from xcorr_app.config import TABLES, Config, resolve, template
from xcorr_app.options import Parser, add_arguments, options_of, time_ns

NEEDED = {"stations": "list.txt", "data": "archive", "out": "results"}


def config(**values):
    return Config(**NEEDED, **values)


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


def test_required_options_are_asked_for():
    with pytest.raises(ParameterError, match=r"--out OUT is missing"):
        Config(stations="a", data="b")


def test_precedence_option_file_default(tmp_path):
    toml = tmp_path / "run.toml"
    toml.write_text(
        '[input]\nstations = "file.txt"\ndata = "D"\n'
        '[windows]\nwindow_s = 1800\n[output]\nout = "O"\n[run]\nstrict = true\n'
    )
    made = resolve(command_line("--window-s", "900", "--no-strict"), toml)
    assert made.stations == "file.txt"
    assert made.window_s == made.step_s == 900
    assert made.max_lag_s == 120
    assert made.strict is False


def test_option_sets_aside_what_depends_on_it_in_the_file(tmp_path):
    toml = tmp_path / "run.toml"
    toml.write_text('[windows]\nwhiten = "band"\nwhiten_hz = [0.1, 1.0]\n')
    made = resolve({**NEEDED, "whiten": "none"}, toml)
    assert (made.whiten, made.whiten_hz) == ("none", None)
    assert resolve(NEEDED, toml).whiten_hz == (0.1, 1.0)


def test_template_is_toml_and_says_the_defaults(tmp_path):
    text = template(NEEDED)
    toml = tmp_path / "run.toml"
    toml.write_text(text)
    assert resolve({}, toml) == config()


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
    made = config(
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
    toml.write_text(template(made.to_dict()))
    assert resolve({}, toml) == made


def test_json_round_trip():
    made = config(pre_filt=[1, 2, 3, 4], response="vel", inventory="x.xml")
    assert made.response == "VEL"
    assert Config.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_from_dict_refuses_unknown_keys():
    with pytest.raises(ParameterError, match="did you mean 'window_s'"):
        Config.from_dict({**NEEDED, "windows_s": 1})


@pytest.mark.parametrize(
    ("text", "said"),
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
def test_bad_files_are_one_line(tmp_path, text, said):
    toml = tmp_path / "run.toml"
    toml.write_text(text)
    with pytest.raises(ParameterError, match=said) as error:
        resolve(NEEDED, toml)
    assert "\n" not in str(error.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"nowhere.toml: No such file"):
        resolve(NEEDED, tmp_path / "nowhere.toml")


def test_toml_times_may_be_dates(tmp_path):
    toml = tmp_path / "run.toml"
    toml.write_text("[input]\nstart = 2022-01-02\nend = 2022-01-02T12:00:00\n")
    made = resolve(NEEDED, toml)
    assert made.end_ns - made.start_ns == 12 * 3600 * 10**9


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
    made = config(start=moment.isoformat())
    assert time_ns(made.start) == time_ns(moment.isoformat()) == made.start_ns


@pytest.mark.parametrize("text", ["2022", "2022-13-01", "2023-366", "2022-000", "noon"])
def test_bad_times(text):
    assert "is not a time" in complaint(start=text)


@pytest.mark.parametrize(
    ("values", "said"),
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
    ],
)
def test_mistakes_name_option_value_and_way_out(values, said):
    assert said in complaint(**values)


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
