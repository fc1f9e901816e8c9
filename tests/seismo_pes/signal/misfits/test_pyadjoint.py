"""In the convention of pyadjoint, misfits equal those of pyadjoint 0.2.3."""

import json
from pathlib import Path

import numpy as np
import pytest

from seismo_pes.signal.misfits import measure, measure_windows, total

VALUES = json.loads(
    Path(__file__).with_name("pyadjoint_values.json").read_text(encoding="utf-8")
)
NAMES = {
    "waveform": "waveform",
    "exponentiated_phase": "exponentiated_phase",
    "cc_traveltime": {"dt": "cc_time", "am": "cc_amplitude"},
    "multitaper": {"dt": "mt_time", "am": "mt_amplitude"},
    "waveform_dd": "dd_waveform",
    "convolution_dd": "convolved",
    "cc_traveltime_dd": "dd_cc",
}
OPTIONS = {"wtr_env": "water_level", "mt_nw": "nw", "num_taper": "n_tapers"}


def record(name):
    t = np.arange(VALUES["n"]) * VALUES["delta_s"]
    x = np.zeros(t.size)
    for amplitude, middle, width, period, phase in VALUES["packets"][name]:
        wave = np.cos(2 * np.pi * (t - middle) / period + phase)
        x += amplitude * np.exp(-(((t - middle) / width) ** 2)) * wave
    return x


def ours(case):
    """Return the name and the options of the measure for a case of pyadjoint."""
    given = dict(case["options"])
    name = NAMES[case["type"]]
    kind = given.pop("measure_type", "dt")
    name = name if isinstance(name, str) else name[kind]
    options = {}
    if not given.pop("use_cc_error", True):
        options = {"weighting": "fixed"}
    options |= {OPTIONS[key]: value for key, value in given.items()}
    if name.startswith("mt_"):
        periods = VALUES["periods"]
        options["min_period_s"] = periods["min_period"]
        options["max_period_s"] = periods["max_period"]
    return name, options


@pytest.mark.parametrize(
    "case", VALUES["cases"], ids=lambda c: f"{c['type']}-{c['observed']}"
)
def test_values_of_pyadjoint(case):
    name, options = ours(case)
    records = record(case["observed"]), record("synthetic"), VALUES["delta_s"]
    windows = [tuple(window) for window in case["windows"]]
    if case["type"].endswith("_dd"):
        row = measure(
            name,
            *records,
            window_s=windows[0],
            other=(record("observed_2"), record("synthetic_2")),
            other_window_s=tuple(VALUES["other_windows"][0]),
            convention="pyadjoint",
            **options,
        )
        value = row.misfit
        assert row.convention == "pyadjoint"
    else:
        rows = measure_windows(
            {name: options}, *records, windows, convention="pyadjoint"
        )
        sums = total(rows)
        assert sums.n_rejected == 0
        value = sums.misfit
    assert value == pytest.approx(case["misfit"], rel=1e-9)
    assert value > 0
