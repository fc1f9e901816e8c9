"""The demonstration finds the true numbers."""

import csv
import json

import numpy as np
import pytest

from misfit_app.cli import main
from misfit_app.demo import Fit, measured_and_true
from misfit_app.synthetic import StationTruth


def row(station, component, dt_s, dlna, measure):
    return {
        "station": station,
        "component": component,
        "status": "measured",
        "measure": measure,
        "dt_s": dt_s,
        "dlna": dlna,
    }


TRUTHS = [
    StationTruth("XX.A", 0.0, 0.0, 1.0, 0.2, 0),
    StationTruth("XX.B", 0.0, 0.0, -1.0, -0.2, 0),
]
ROWS = [
    row("XX.A", "Z", 1.001, None, "cc_time"),
    row("XX.B", "Z", -1.003, None, "cc_time"),
    row("XX.B", "T", -1.002, None, "cc_time"),
    row("XX.A", "Z", None, 0.21, "cc_amplitude"),
    row("XX.A", "Z", 5.0, 5.0, "tf_phase"),
    {"status": "rejected", "measure": "cc_time"},
]


def test_the_fit_has_median_and_largest_differences():
    fit = Fit.of(ROWS, TRUTHS)
    assert fit.n_windows == 3
    np.testing.assert_allclose(fit.dt_s, (0.002, 0.003), rtol=1e-9)
    np.testing.assert_allclose(fit.dlna, (0.01, 0.01), rtol=1e-9)
    assert "median difference 2.00 ms, largest 3.00 ms" in str(fit)


def test_values_stand_beside_the_truth_of_their_station():
    pairs = measured_and_true(ROWS, TRUTHS, "dt_s")
    assert [list(values) for values in pairs["Z"]] == [[1.001, -1.003], [1.0, -1.0]]
    assert [list(values) for values in pairs["T"]] == [[-1.002], [-1.0]]


def test_the_fit_of_nothing_is_not_a_number():
    fit = Fit.of([], TRUTHS)
    assert fit.n_windows == 0
    assert np.isnan(fit.dt_s).all()


def test_the_demo_measures_the_true_shifts_and_amplitudes(tmp_path, capsys):
    out = tmp_path / "demo"
    words = ["demo", "--out", str(out), "--stations", "1", "--quiet"]
    words += ["--noise", "0", "--mapping", "simple"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "Measured and true values in 3 windows" in text
    truth = {t["station"]: t for t in json.loads((out / "truth.json").read_text())}
    with open(out / "results" / "ledger.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["component"] for row in rows} == set("ZRT")
    for line in rows:
        assert line["status"] == "measured"
        # the samples are rounded to counts, 1e-4 of the amplitude
        if line["measure"] == "cc_time":
            true = truth[line["station"]]["dt_s"]
            assert float(line["dt_s"]) == pytest.approx(true, abs=1e-3)
        if line["measure"] == "cc_amplitude":
            true = truth[line["station"]]["dlna"]
            assert float(line["dlna"]) == pytest.approx(true, abs=1e-3)
    assert (out / "measured_and_true.png").stat().st_size > 10_000
    assert "Map: Time shift" in (out / "results" / "report.html").read_text()
    assert main(words) == 2
    assert "choose another --out" in capsys.readouterr().err
