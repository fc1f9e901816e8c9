"""Declared options: conversion, conditions, fill-in values, checks, precedence."""

import json
from dataclasses import dataclass

import pytest

from dispel4py.errors import ParameterError
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import Needs, When, default_text, option, options_of
from seismo_pes.application.toml_file import write_toml


def below_window(value, label, config):
    if value >= config.window_s:
        raise ParameterError(f"{label} {value:g}: must be below the window")


@dataclass(frozen=True, kw_only=True)
class Windows(Configuration):
    window_s: float = option("w", "number", "length", 60.0, unit="s", above=0)
    step_s: float = option("w", "number", "step", unit="s", fill=lambda c: c.window_s)
    lag_s: float = option("w", "number", "lag", 10.0, unit="s", check=below_window)


@dataclass(frozen=True, kw_only=True)
class Settings(Windows):
    """The options of the class itself stand before those of its base."""

    kind: str = option(
        "k",
        "choice",
        "kind",
        "plain",
        choices=("plain", "white", "chain"),
        needs=(Needs((When("band"),), "needs a band: add --band", ("white",)),),
    )
    band: tuple[float, float] = option("k", "band", "band", unit="Hz")
    level: float = option(
        "k", "number", "level", fill=0.01, only_with=When("kind", "white")
    )
    corners: int = option("k", "count", "order", 4, replaced_by="chain")
    chain: str = option("k", "chain", "steps")
    fresh: bool = option("k", "flag", "new", False, excludes=("again",))
    again: bool = option("k", "flag", "old", False)


def complaint(**values):
    with pytest.raises(ParameterError) as error:
        Settings(**values)
    return str(error.value)


@dataclass(frozen=True, kw_only=True)
class Bands(Configuration):
    bands: tuple[tuple[float, float], ...] = option("b", "bands", "bands", unit="s")


@pytest.mark.parametrize(
    "value", ["4-20", ["4-20"], [(4, 20)], [[4.0, 20]], (4, 20), [4, 20.0]]
)
def test_one_band_is_a_text_a_list_or_two_numbers(value):
    assert Bands(bands=value).bands == ((4.0, 20.0),)


def test_two_numbers_that_are_no_band_are_refused():
    with pytest.raises(ParameterError, match="LO < HI"):
        Bands(bands=(20, 4))
    with pytest.raises(ParameterError, match="4 is not a band"):
        Bands(bands=(4, 20, 30))


def test_values_that_follow_from_others_are_filled_in():
    assert Settings(window_s="90").step_s == 90
    assert Settings(window_s=90, step_s=30).step_s == 30
    assert Settings(kind="white", band="1 2").level == 0.01
    assert Settings().level is None  # without effect, without value


def test_none_is_an_option_that_is_not_given():
    assert Settings(window_s=None, corners=None) == Settings()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"level": 0.01}, "--level has no effect with --kind plain: add --kind white"),
        ({"kind": "white"}, "--kind white needs a band: add --band"),
        ({"band": (2, 1)}, "--band 2 1: must be 0 < LO < HI, in Hz"),
        (
            {"chain": "A", "corners": 2},
            "--chain replaces --corners: ",
        ),
        ({"fresh": True, "again": True}, "--fresh and --again: give one of them"),
        ({"lag_s": 60}, "--lag-s 60: must be below the window"),
        ({"window_s": 0}, "--window-s 0: must be above 0"),
    ],
)
def test_conditions_name_option_and_way_out(values, message):
    assert message in complaint(**values)


def test_dictionaries_and_json_give_equal_settings():
    settings = Settings(kind="white", band=(0.5, 1), chain=["A()", "B()"])
    assert Settings.from_dict(settings.to_dict()) == settings
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    with pytest.raises(ParameterError, match="did you mean 'kind'"):
        Settings.from_dict({"knd": "plain"})


def test_own_options_come_first_then_those_of_the_bases():
    first, *_, last = options_of(Settings)
    assert (first, last) == ("kind", "lag_s")


def test_a_given_option_sets_aside_keys_that_lose_their_effect(tmp_path):
    path = tmp_path / "x.toml"
    tables = {"w": "Windows", "k": "Kind"}
    path.write_text(write_toml(Settings, tables, {"kind": "white", "band": [1, 2]}))
    text = path.read_text().replace("# level =", "level =")
    path.write_text(text)
    assert Settings.resolve({}, path).level == 0.01
    assert Settings.resolve({"kind": "plain"}, path).level is None
    assert Settings.resolve({"chain": "A"}, path).corners == 4


def test_defaults_in_words():
    words = {
        name: default_text(opt, getattr(Settings(), name))
        for name, opt in options_of(Settings).items()
    }
    assert words["window_s"] == "60 s"
    assert words["level"] == "0.01"
    assert words["corners"] == "4"
    assert words["band"] == words["fresh"] == ""
