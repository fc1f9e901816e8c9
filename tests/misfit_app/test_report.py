"""Figures of stations, and the page of each event, from a run on a synthetic event."""

import base64
import re
import shutil
from dataclasses import replace

import pytest

import misfit_app
from misfit_app.bound_files import read_bound, write_bound
from misfit_app.cli import main
from misfit_app.config import Config
from misfit_app.ledger import totals
from misfit_app.planning import run_plan
from misfit_app.reporting.report import write_reports
from misfit_app.reporting.station_figures import station_figures
from misfit_app.run_file import read_run
from misfit_app.store import station_path
from misfit_app.synthetic import Scene, write_scene
from seismo_pes.comparing.reading import read_pair
from seismo_pes.measuring.misfits import measure_station

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Three stations; the horizontals of one, and the synthetics of another, lack."""
    folder = tmp_path_factory.mktemp("scene")
    write_scene(Scene(n_stations=3, noise=0.0, duration_s=200.0), folder)
    (folder / "synthetic" / "XX.S001.BXE.semv").unlink()
    for path in (folder / "synthetic").glob("XX.S002.*"):
        path.unlink()
    return folder


def options(scene, out, **changes):
    return {
        "event": str(scene / "quake.xml"),
        "stations": str(scene / "stations"),
        "observed": str(scene / "observed"),
        "synthetic": str(scene / "synthetic"),
        "periods_s": "4-20",
        "out": str(out),
        **changes,
    }


def measured(scene, out, **changes):
    return misfit_app.measure(**options(scene, out, **changes))


@pytest.fixture(scope="module")
def drawn(scene, tmp_path_factory):
    out = tmp_path_factory.mktemp("drawn") / "out"
    names = ["cc_time", "tf_envelope"]
    return measured(scene, out, figures=True, measures=names)


def test_each_station_has_its_figures(drawn):
    names = sorted(path.name for path in (drawn.out / "figures" / "1").iterdir())
    maps = [f"XX.S000_4-20s_{component}_tf.png" for component in "RTZ"]
    assert names == [
        "XX.S000_4-20s.png",
        *maps,
        "XX.S001_4-20s.png",
        "XX.S001_4-20s_Z_tf.png",
        "XX.S002_4-20s.png",  # its components are rejected: the figure has the reasons
    ]


def test_windows_without_a_measurement_are_drawn(scene, tmp_path):
    """All windows are before the S waves or after surface waves of 20 km/s."""
    limits = {"max_surface_velocity_km_s": 20.0, "min_surface_velocity_km_s": 1.0}
    chosen = options(scene, tmp_path / "out", figures=True, phase_groups=["S"])
    config = Config.from_dict(chosen | limits)
    plan = run_plan(config)
    preprocess = plan.preprocess()
    preprocess.preprocess()
    compared = preprocess.transform(read_pair(plan.tasks[0]))
    station = measure_station(compared, plan.settings)
    ((_, figure),) = station_figures(station, plan.settings)
    assert {row.status for row in station.rows} == {"rejected"}
    starts = {r.component: r.window_s[0] for r in station.rows if r.window_s}
    for axes in figure.axes:
        (window,) = axes.patches
        start_s = starts[axes.get_ylabel()[0]]
        assert window.get_x() == pytest.approx(start_s, abs=1e-6)
    legend = figure.axes[0].get_legend().get_texts()
    assert [text.get_text() for text in legend][2:] == ["rejected window"]


def test_the_page_has_all_totals_and_pictures(drawn, capsys):
    assert main(["report", str(drawn.out)]) == 0
    path = drawn.out / "report.html"
    assert capsys.readouterr().out.strip() == str(path)
    page = path.read_text(encoding="utf-8")
    counts = totals(drawn.rows)
    assert counts.n_rejected
    text = (
        f"{counts.n_bands} = {counts.n_measured} measured + {counts.n_rejected} "
        "rejected"
    )
    assert text in page
    for reason in counts.reasons:
        assert reason.partition(": ")[2].split(" (")[0] in page
    assert "2024-03-01T12:00:00" in page
    assert "12 km" in page
    for title in ("Map: Time shift, 4 to 20 s", "Histogram: Correlation coefficient"):
        assert f"<h2>{title}</h2>" in page
    assert "Not drawn" not in page
    # the page opens offline: everything is inside
    assert not re.search(r'(src|href)="(?!data:)', page)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert all(base64.b64decode(picture).startswith(PNG) for picture in pictures)
    n_of_stations = len(list((drawn.out / "figures" / "1").iterdir()))
    assert page.count("<img") == page.count("<h2>Map") + page.count("<h2>Histogram") + (
        n_of_stations
    )
    assert '"periods_s"' not in page
    assert "periods_s" in page
    assert "numpy" in page


def test_a_run_without_figures_has_a_page_that_is_replaced_on_demand(
    scene, tmp_path, capsys
):
    summary = measured(scene, tmp_path / "out")
    (path,) = write_reports(summary.out)
    assert "--figures" in path.read_text(encoding="utf-8")
    assert not (summary.out / "figures").exists()
    assert main(["report", str(summary.out)]) == 2
    assert "exists already; --force replaces it" in capsys.readouterr().err
    assert main(["report", str(summary.out), "--force"]) == 0


def test_a_run_without_any_value_has_a_page(scene, tmp_path):
    # all shifts are larger
    picker = {"max_shift_s": 1e-3}
    summary = measured(scene, tmp_path / "out", picker=picker, figures=True)
    assert summary.totals.n_measured == 0
    (path,) = write_reports(summary.out)
    page = path.read_text(encoding="utf-8")
    assert "Nothing was measured." in page
    assert f"0 measured + {summary.totals.n_rejected} rejected" in page


def test_figures_are_the_same_under_multi(scene, drawn, tmp_path):
    other = measured(
        scene,
        tmp_path / "out",
        figures=True,
        measures=["cc_time"],
        mapping="multi",
        processes=2,
    )
    for path in (drawn.out / "figures" / "1").glob("*s.png"):
        copy = other.out / "figures" / "1" / path.name
        assert copy.read_bytes() == path.read_bytes()


def test_each_of_several_events_has_a_page_of_its_own(drawn, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(drawn.out / "stations", out / "stations")
    run = read_run(drawn.out)
    second = {**run.events["1"], "event": "smi:local/<second>"}
    second["origin"] = second["origin"] | {"depth_m": None, "magnitude": None}
    replace(run, events={**run.events, "second": second}).write(out)
    for name in second["stations"]:
        content = read_bound(out, station_path(out, "1", name), run.results)
        content |= {"event": second["event"], "origin": second["origin"]}
        write_bound(out, station_path(out, "second", name), run.results, content)
    paths = write_reports(out)
    assert [path.name for path in paths] == ["report_1.html", "report_second.html"]
    first, second = (path.read_text(encoding="utf-8") for path in paths)
    assert "smi:local/&lt;second&gt;" in second
    assert "smi:local" not in first
    assert second.count("<td>unknown</td>") == 2


def test_response_spectra_are_shown_for_each_period(scene, tmp_path):
    periods = [0.5, 2.0]
    summary = measured(scene, tmp_path / "out", measures=["psa"], psa_periods_s=periods)
    (path,) = write_reports(summary.out)
    page = path.read_text(encoding="utf-8")
    for name in ("psa 0.5 s", "psa 2 s"):
        assert f"<h2>Map: Misfit {name}</h2>" in page
        assert f"<h2>Histogram: Values of {name}</h2>" in page


def test_a_folder_without_results_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert "has no results of misfit-app" in capsys.readouterr().err
