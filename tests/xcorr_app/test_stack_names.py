"""Names of stacks: periods, bands, order in time."""

from types import SimpleNamespace

import pytest

from dispel4py.errors import ParameterError
from xcorr_app.results.stack_names import (
    band_hz,
    band_name,
    bands_of,
    full_name,
    over_time,
    unit_of,
)

NAMES = [
    f"{period}@{band}"
    for period in ("2022-05-18", "2022-05-17", "2022-05-17T06", "all", "all.std")
    for band in ("1-2Hz", "0.05-0.1Hz", "0.1-0.5Hz")
]
BANDED = SimpleNamespace(stacks=NAMES)
PLAIN = SimpleNamespace(stacks=["2022-05-17", "all"])


def test_units():
    forms = {
        "2022-05-17T00:00:00~432000s": "moving",
        "2022-05-17": "day",
        "2022-05-17T06": "hour",
        "2022-05-17T06:30:00": "window",
        "all": "",
        "all.std": "",
    }
    assert {name: unit_of(f"{name}@0.1-1Hz") for name in forms} == forms


def test_bands_stand_in_their_order():
    assert bands_of(NAMES) == ["0.05-0.1Hz", "0.1-0.5Hz", "1-2Hz"]
    assert bands_of(PLAIN.stacks) == []
    for band in ((0.05, 0.1), (1.0, 2.0), (1e-5, 3e-4)):
        assert band_hz(f"all@{band_name(*band)}") == band


@pytest.mark.parametrize(
    ("store", "stack", "band", "expected"),
    [
        (PLAIN, None, None, None),
        (PLAIN, "2022-05-17", None, "2022-05-17"),
        (BANDED, None, None, "all@0.05-0.1Hz"),
        (BANDED, None, (1.0, 2.0), "all@1-2Hz"),
        (BANDED, "2022-05-17", (1.0, 2.0), "2022-05-17@1-2Hz"),
        (BANDED, "all@1-2Hz", (1.0, 2.0), "all@1-2Hz"),
        (BANDED, "all@1-2Hz", None, "all@1-2Hz"),
    ],
)
def test_full_names(store, stack, band, expected):
    assert full_name(store, stack, band) == expected


def test_unknown_bands_are_refused():
    with pytest.raises(ParameterError, match=r"--band 3 4: there is 0.05-0.1Hz, 0.1"):
        full_name(BANDED, None, (3.0, 4.0))
    with pytest.raises(ParameterError, match="one band only"):
        full_name(PLAIN, None, (3.0, 4.0))
    with pytest.raises(ParameterError, match="is not in --band"):
        full_name(BANDED, "all@1-2Hz", (0.1, 0.5))


def test_series_are_of_one_unit_and_band():
    days = ["2022-05-17@1-2Hz", "2022-05-18@1-2Hz"]
    assert over_time(NAMES, "all@1-2Hz") == days
    assert over_time(NAMES, "all@1-2Hz", "hour") == ["2022-05-17T06@1-2Hz"]
    assert over_time(NAMES, "all") == []
    assert over_time(["all"], "all") == []
