"""The commands on the results of a run."""

import json
import shutil

import h5py
import numpy as np
import pytest

import misfit_app
from misfit_app.cli import main
from misfit_app.outliers import outliers
from misfit_app.store import read_ledger
from misfit_app.summaries import outlier_text
from misfit_app.synthetic import Scene, scene_inputs, write_scene
from seismo_pes.application.files import write_checked


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    write_scene(Scene(n_stations=2, noise=0.0, duration_s=160.0), folder)
    shared = scene_inputs(folder) | {
        "periods_s": "4-20",
        "window_method": "whole",
        "measures": ["cc_time", "pgv", "psa"],
    }
    first = misfit_app.measure(**shared, out=str(folder / "one"))
    misfit_app.measure(**shared, out=str(folder / "two"), half_duration_s=2.0)
    return folder, first


def printed(capsys, *words):
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_info_has_the_sums_of_the_ledger(runs, capsys):
    folder, summary = runs
    text = printed(capsys, "info", folder / "one")
    lines = [line.split() for line in text.splitlines() if " cc_time " in line]
    misfit = sum(r["misfit"] for r in summary.rows if r["measure"] == "cc_time")
    assert len(lines) == 3
    assert sum(float(line[5]) for line in lines) == pytest.approx(misfit, rel=1e-3)


def test_two_models_are_compared_in_common_windows(runs, capsys):
    folder, _ = runs
    text = printed(capsys, "info", folder / "two", "--compare", folder / "one")
    # 2 stations, 3 components; cc_time, pgv, and psa at three periods
    assert text.startswith("30 measurements in both runs, 0 only")
    same = printed(capsys, "info", folder / "one", "--compare", folder / "one")
    # of each measure, a line for all components and one for each of the three
    assert same.count("+0.0 %") == 3 * 4


def test_two_models_are_compared_by_component_and_band(runs, capsys):
    folder, first = runs
    second = read_ledger(folder / "two")
    text = printed(capsys, "info", folder / "two", "--compare", folder / "one")
    table = {tuple(line.split()[:3]): line.split() for line in text.splitlines()[2:]}
    for component in ("all", "Z", "R", "T"):
        periods = "all" if component == "all" else "4-20"
        _, _, _, n, before, after, change, _ = table["cc_time", component, periods]
        sums = [
            sum(
                row["misfit"]
                for row in rows
                if row["measure"] == "cc_time"
                and component in ("all", row["component"])
            )
            for rows in (first.rows, second)
        ]
        assert int(n) == (6 if component == "all" else 2)
        assert [float(before), float(after)] == pytest.approx(sums, rel=1e-3)
        assert float(change) == pytest.approx(100 * (sums[1] / sums[0] - 1), abs=0.06)


def test_models_without_a_common_window_are_compared(runs, capsys, tmp_path):
    folder, _ = runs
    shutil.copytree(folder / "one", tmp_path / "other")
    for path in (tmp_path / "other" / "stations").rglob("*.json"):
        content = json.loads(path.read_text())
        for row in content["rows"]:
            row["window_start_s"] += 1.0
        del content["check"]
        write_checked(path, content)
    text = printed(capsys, "info", tmp_path / "other", "--compare", folder / "one")
    head, hint = text.splitlines()
    assert head == (
        "0 measurements in both runs, 30 only in the first, 30 only in the second"
    )
    assert "--windows" in hint


def test_exports_have_every_row(runs, capsys, tmp_path):
    folder, summary = runs
    out = folder / "one"
    printed(capsys, "export", out, tmp_path / "l.h5", "--format", "hdf5")
    with h5py.File(tmp_path / "l.h5") as file:
        table = {name: dataset[:] for name, dataset in file["ledger"].items()}
    assert {len(column) for column in table.values()} == {len(summary.rows)}
    values = [row["value"] for row in summary.rows]
    np.testing.assert_array_equal(table["value"], np.array(values, float))
    printed(capsys, "export", out, tmp_path / "g.json", "--format", "geojson")
    features = json.loads((tmp_path / "g.json").read_text())["features"]
    assert len(features) == 2 * 3 * 4
    for feature in features:
        properties = feature["properties"]
        ratio = properties["observed"] / properties["synthetic"]
        assert np.log(ratio) == pytest.approx(properties["value"], rel=1e-12)
    printed(capsys, "export", out, tmp_path / "l.csv")
    assert (tmp_path / "l.csv").read_bytes() == (out / "ledger.csv").read_bytes()
    assert main(["export", str(out), str(tmp_path / "l.csv")]) == 2


def test_scan_lists_events_and_channels(runs, capsys):
    folder, _ = runs
    text = printed(
        capsys, "scan", "--event", folder / "quake.xml", "--observed",
        folder / "observed", "--synthetic", folder / "synthetic",
    )  # fmt: skip
    assert "depth 12 km  magnitude 5.1" in text
    assert text.count("20 Hz") == 6
    assert text.count("12.5 Hz  velocity") == 6


@pytest.mark.parametrize("command", ["info", "windows", "ledger"])
def test_a_folder_without_results_is_one_line(command, tmp_path, capsys):
    assert main([command, str(tmp_path)]) != 0
    error = capsys.readouterr().err
    assert "has no results" in error
    assert error.count("\n") == 1


def row_with(number, **changes):
    names = ("event", "station", "component", "pair", "period_s", "dlna", "value")
    return dict.fromkeys(names) | {
        "status": "measured",
        "station": f"XX.S{number:03d}",
        "component": "Z",
        "measure": "cc_time",
        "min_period_s": 4.0,
        "max_period_s": 20.0,
        "window_start_s": 10.0,
        "window_end_s": 40.0,
        **changes,
    }


def test_an_outlier_is_counted_in_standard_deviations():
    """Shifts of -2 to 2: the median distance from their median 0 is 1."""
    shifts = [-2.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 30.0, 0.5, -0.5]
    rows = [row_with(k, dt_s=shift) for k, shift in enumerate(shifts)]
    rows.append(row_with(99, dt_s=100.0, component="R"))  # alone in its category
    (outlier,) = outliers(rows)
    assert (outlier.row["station"], outlier.number) == ("XX.S008", 30.0)
    assert (outlier.median, outlier.n_members) == (0.0, 11)
    assert outlier.deviations == pytest.approx(30 / 1.4826)
    assert outliers(rows, limit=25) == []
    assert outliers([row_with(k, dt_s=1.0) for k in range(9)]) == []


def test_equal_values_do_not_hide_an_outlier():
    rows = [row_with(k, measure="waveform", dt_s=None, value=1.0) for k in range(9)]
    rows.append(row_with(9, measure="waveform", dt_s=None, value=np.exp(8.0)))
    (outlier,) = outliers(rows)
    assert outlier.quantity == "ln value"
    assert outlier.deviations == pytest.approx(8 / (1.2533 * 0.8))
    text = outlier_text(rows, 4.0)
    assert text.startswith("1 outlier beyond 4 standard deviations")
    assert "XX.S009" in text


def test_several_runs_are_compared_from_the_first_to_the_last(runs, capsys):
    folder, _ = runs
    one, two = folder / "one", folder / "two"
    text = printed(capsys, "info", two, "--compare", one, two, one)
    assert text.startswith("30 measurements in all 4 runs, 0 more in the run 1")
    assert printed(capsys, "info", one, "--outliers", "4").startswith("0 outliers")


def test_a_record_of_the_version_before_is_refused_by_its_number(
    runs, capsys, tmp_path
):
    """Version 1 had no checksums."""
    folder, _ = runs
    out = shutil.copytree(folder / "one", tmp_path / "out")
    record = json.loads((out / "run.json").read_text())
    assert record["version"] == 4
    del record["check"]
    (out / "run.json").write_text(json.dumps(record | {"version": 1}))
    for command in ("report", "ledger", "info"):
        assert main([command, str(out)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line == (
            f"misfit-app: error: {out / 'run.json'}: has version 1 of the format "
            "'misfit-app run'; this program reads version 4: start again in another "
            "folder"
        )
