"""For every option, extreme numbers are refused with one line."""

from __future__ import annotations

import numpy as np
import pytest

from dispel4py.errors import ParameterError
from seismo_pes.application.options import options_of
from seismo_pes.application.values import LIMITS, convert
from seismo_pes.signal.normalize import running_absolute_mean
from seismo_pes.signal.spikes import despike
from xcorr_app import cli
from xcorr_app.config import Config

NUMBERS = {
    name: option
    for name, option in options_of(Config).items()
    if option.kind in ("number", "count", "numbers", "band", "range", "bands")
}


def written(option, number):
    if option.kind in ("number", "count"):
        return number
    if option.kind == "bands":
        return [[1e-3, number]]
    n = 2 if isinstance(option.placeholder, str) else len(option.placeholder)
    return [1e-3] * (n - 1) + [number]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("number", [2e18, 1e300, -1e300, float("nan"), float("inf")])
def test_extremes_are_refused(name, number):
    option = NUMBERS[name]
    if abs(number) <= LIMITS.get(option.unit, LIMITS[""])[1]:
        pytest.fail("the number is not an extreme one")
    with pytest.raises(ParameterError) as caught:
        convert(option, written(option, number), f"--{name}")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"--{name}")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--window-s", "1e18", "must be at most 3.2e+09 s"),
        ("--memory-gb", "1e300", "must be at most 1e+06 GB"),
        ("--sampling-rate-hz", "1e12", "must be at most 1e+07 Hz"),
        ("--max-lag-s", "1e-200", "must be at least 1e-09 s"),
    ],
)
def test_the_command_names_option_and_limit(option, value, message, capsys):
    words = ["--stations", "x", "--data", "y", "--out", "z", option, value]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert option in error
    assert message in error


def test_windows_longer_than_the_record_are_those_of_the_whole_record():
    x = np.random.default_rng(1).standard_normal(100)
    whole = running_absolute_mean(x, 100)
    assert np.array_equal(running_absolute_mean(x, 10**12), whole)
    assert np.allclose(whole, x / np.abs(x).mean())
    x[50] = 1e4
    assert abs(despike(x, 10**12, 5.0)[50]) < 10
