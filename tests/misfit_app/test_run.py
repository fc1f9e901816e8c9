"""The run on a synthetic event whose true shifts and amplitudes are known."""

import copy
import errno
import json
import os
import re
import shutil

import h5py
import numpy as np
import pytest
from obspy import Stream, Trace, read, read_inventory

import misfit_app
from dispel4py.errors import DataError, ParameterError
from misfit_app.cli import main
from misfit_app.planning import chosen_events
from misfit_app.synthetic import EVENT_ID, ORIGIN, Scene, scene_inputs, write_scene
from seismo_pes.application.skipped import read_skipped
from seismo_pes.comparing import reading
from seismo_pes.comparing.reading import StationReader, read_pair
from seismo_pes.metadata import deferred
from seismo_pes.reading.formats import solver_text, waveform_files
from seismo_pes.reading.formats.solver_text import read_solver_text
from seismo_pes.writing.asdf import AsdfWriter


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    truths = write_scene(Scene(n_stations=3, noise=0.0, duration_s=200.0), folder)
    return folder, {truth.station: truth for truth in truths}


def options(folder, out, **changes):
    return scene_inputs(folder) | {"periods_s": "4-20", "out": str(out)} | changes


def copied(folder, tmp_path):
    target = tmp_path / "copy"
    shutil.copytree(folder, target)
    return target


def check_truth(rows, truths, n):
    measured = [row for row in rows if row["status"] == "measured"]
    assert len(measured) == len(rows) == n
    for row in measured:
        truth = truths[row["station"]]
        # the samples are rounded to counts, 1e-4 of the amplitude
        assert row["dt_s"] == pytest.approx(truth.dt_s, abs=1e-4)
        assert row["dlna"] == pytest.approx(truth.dlna, abs=1e-4)


@pytest.mark.parametrize("motion", ["displacement", "velocity", "acceleration"])
def test_shifts_and_amplitudes_are_the_true_ones(scene, tmp_path, motion):
    """Rates differ, the first samples differ, horizontals are 1/2 and left-handed."""
    folder, truths = scene
    chosen = options(folder, tmp_path / "out", motion=motion)
    summary = misfit_app.measure(**chosen)
    check_truth(summary.rows, truths, 3 * 3 * 2)
    assert summary.totals.n_bands == summary.totals.n_measured == 9


def test_multi_gives_the_same_bytes_and_resume_too(scene, tmp_path):
    folder, _ = scene
    one, two = tmp_path / "one", tmp_path / "two"
    more = {"adjoint": ["specfem"], "periods_s": "4-10 8-20"}
    misfit_app.measure(**options(folder, one, **more))
    misfit_app.measure(**options(folder, two, **more, mapping="multi", processes=2))
    (two / "stations" / "1" / "XX.S001.json").unlink()
    changes = more | {"resume": True}
    assert misfit_app.measure(**options(folder, two, **changes)).n_kept == 2
    files = [p for p in one.rglob("*") if p.is_file() and p.name != "run.json"]
    assert len(files) > 10
    for path in files:
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()
    with pytest.raises(ParameterError, match="--resume with another corners"):
        misfit_app.measure(**options(folder, two, **changes, corners=2))
    with pytest.raises(ParameterError, match="--resume continues it"):
        misfit_app.measure(**options(folder, two, **more))


def misfit_of(folder, out, station, **more):
    rows = misfit_app.measure(**options(folder, out, **more)).rows
    parts = [json.loads((out / "stations" / "1" / f"{station}.json").read_text())]
    assert rows
    return sum(row["misfit"] for part in parts for row in part["rows"])


def differences(u, delta_s, motion):
    """Return the motion of a displacement that is zero at its ends, as in SPECFEM."""
    before, after = np.pad(u, 1)[:-2], np.pad(u, 1)[2:]
    if motion == "velocity":
        return (after - before) / (2 * delta_s)
    return u if motion == "displacement" else (after - 2 * u + before) / delta_s**2


@pytest.mark.parametrize(
    ("measure", "motion"),
    [
        ("waveform", "velocity"),
        ("cc_time", "velocity"),
        ("mt_time", "velocity"),
        ("waveform", "displacement"),
        ("waveform", "acceleration"),
    ],
)
def test_adjoint_sources_are_gradients(scene, tmp_path, measure, motion):
    """Through filter, rotation, interpolation, taper and change of motion.

    Those of SPECFEM are derivatives by displacement, others by the synthetic as read.
    """
    folder = copied(scene[0], tmp_path)
    station = "XX.S001"
    for other in ("XX.S000", "XX.S002"):
        for path in folder.rglob(f"{other}*"):
            path.unlink()
    for path in (folder / "synthetic").glob("*.semv"):
        path.rename(path.with_suffix(f".sem{motion[0]}"))
    windows = tmp_path / "windows.json"
    windows.write_text(json.dumps([{"start_s": 35.0, "end_s": 130.0}]))
    more = {
        "measures": [measure],
        "motion": "displacement",
        "windows": str(windows),
        "adjoint": ["specfem", "sac", "asdf"],
        "phases": ["none"],
    }
    misfit_app.measure(**options(folder, tmp_path / "out", **more))
    path = folder / "synthetic" / f"{station}.BXE.sem{motion[0]}"
    times, values = np.loadtxt(path).T
    sources = tmp_path / "out" / "adjoint" / "1"
    adjoint = np.loadtxt(sources / "specfem" / f"{station}.BXE.adj")
    np.testing.assert_allclose(adjoint[:, 0], times, rtol=0, atol=1e-9)
    displacement = np.exp(-(((times - 75.0) / 6.0) ** 2)) * np.sin(times)
    displacement *= np.ptp(values)
    change = differences(displacement, 0.08, motion)
    expected = np.sum(adjoint[:, 1] * displacement) * 0.08
    (as_read,) = read(str(sources / "sac" / f"{station}.BXE.adj.sac"))
    words = {"displacement": "DISP", "velocity": "VEL", "acceleration": "ACC"}
    assert as_read.stats.sac.kuser0.strip() == words[motion]
    # SAC has float32
    assert as_read.data @ change * 0.08 == pytest.approx(expected, rel=1e-5)
    with h5py.File(sources / "asdf" / f"{station}.h5") as file:
        dataset = file["AuxiliaryData/AdjointSources/XX_S001_BXE"]
        assert dataset.attrs["motion"] == motion
        np.testing.assert_array_equal(dataset[:].astype(np.float32), as_read.data)
    misfits = []
    step = 1e-3
    for k, sign in enumerate((1, -1)):
        rows = zip(times, values + sign * step * change, strict=True)
        path.write_text("".join(f"{t:.4f} {x:.15e}\n" for t, x in rows))
        out = tmp_path / f"out{k}"
        misfits.append(misfit_of(folder, out, station, **more))
    slope = (misfits[0] - misfits[1]) / (2 * step)
    assert slope == pytest.approx(expected, rel=1e-4)


def test_windows_of_a_run_can_be_edited_and_given(scene, tmp_path):
    folder, _ = scene
    first = misfit_app.measure(**options(folder, tmp_path / "one"))
    windows = json.loads((tmp_path / "one" / "windows.json").read_text())
    assert len(windows) == 9
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(windows))
    second = misfit_app.measure(**options(folder, tmp_path / "two", windows=str(path)))
    assert second.rows == first.rows
    late = {"start_s": 1000.0, "end_s": 1100.0, "component": "Z"}
    short = {"start_s": 60.0, "end_s": 62.0, "component": "T"}
    path.write_text(json.dumps([late, short]))
    third = misfit_app.measure(**options(folder, tmp_path / "six", windows=str(path)))
    reasons = {(r["component"], r["reason"].partition(" (")[0]) for r in third.rows}
    assert ("Z", "window outside the data") in reasons
    assert ("T", "window shorter than the shortest period") in reasons
    assert ("R", "no window") in reasons
    assert third.totals.n_measured == 0
    assert third.totals.n_rejected == third.totals.n_bands == 9


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_given_windows_of_no_trace_are_named_and_equal_ones_count_once(
    scene, tmp_path, mapping
):
    folder, truths = scene
    times = {"start_s": 35, "end_s": 150}
    windows = [
        times,
        times | {"component": None, "station": "XX.S001"},
        times | {"min_period_s": 4},
        times | {"station": "S001"},
        times | {"station": "XX.NONE"},
        times | {"component": "E", "max_period_s": 20.0},
        times | {"event": "1"},
        times | {"min_period_s": 5.0},
    ]
    path = tmp_path / "windows.json"
    path.write_text(json.dumps(windows))
    more = {"windows": str(path), "mapping": mapping, "processes": 2}
    summary = misfit_app.measure(**options(folder, tmp_path / "out", **more))
    check_truth(summary.rows, truths, 3 * 3 * 2)
    end = "that are not in this run"
    assert sorted(entry.reason for entry in summary.skipped) == [
        f"1 window of components {end}: E",
        f"1 window of events {end}: 1",
        f"1 window of period bands {end}: 5-? s",
        f"2 windows of stations {end}: S001, XX.NONE",
    ]


@pytest.mark.parametrize("method", ["stages", "whole"])
def test_other_windows_give_the_same_shifts(scene, tmp_path, method):
    folder, truths = scene
    chosen = options(folder, tmp_path / "out", window_method=method)
    rows = misfit_app.measure(**chosen).rows
    for row in rows:
        if row["status"] == "measured":
            truth = truths[row["station"]]
            assert row["dt_s"] == pytest.approx(truth.dt_s, abs=1e-3)
    measured = {(r["station"], r["component"]) for r in rows if r["value"] is not None}
    # the stages reject the records of one station, whose shift is the largest
    assert len(measured) == (9 if method == "whole" else 6)


def test_data_that_end_early_are_measured_before_their_taper(scene, tmp_path):
    folder = copied(scene[0], tmp_path)
    path = folder / "observed" / "XX.S001.mseed"
    stream = read(str(path))
    end = ORIGIN + 140.0  # the synthetic ends at 195 s
    stream.trim(endtime=end).write(str(path), format="MSEED")
    chosen = options(folder, tmp_path / "out", window_method="whole", taper_s=12.0)
    rows = misfit_app.measure(**chosen).rows
    ends = {row["station"]: row["window_end_s"] for row in rows}
    assert ends["XX.S001"] == pytest.approx(140.0 - 12.0, abs=0.2)
    assert ends["XX.S000"] == pytest.approx(195.0, abs=0.2)


def test_sac_and_absolute_times_are_read_alike(scene, tmp_path):
    folder, truths = copied(scene[0], tmp_path), scene[1]
    for number, path in enumerate(sorted((folder / "synthetic").glob("*.semv"))):
        trace = read_solver_text(path)
        if number % 2:
            trace.stats.starttime = ORIGIN + trace.stats.starttime.timestamp
        trace.data = trace.data.astype(np.float32)
        trace.write(str(path.with_suffix(".sac")), format="SAC")
        path.unlink()
    chosen = options(folder, tmp_path / "out", synthetic_motion="velocity")
    check_truth(misfit_app.measure(**chosen).rows, truths, 18)
    summary = misfit_app.measure(**options(folder, tmp_path / "two"))
    assert set(summary.totals.reasons) == {
        "units: synthetic: the motion is not known: give --synthetic-motion"
    }


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_all_records_may_be_in_one_asdf_file(scene, tmp_path, mapping):
    """As pyatoa writes it: records and synthetics by their tags, and StationXML."""
    folder, truths = scene
    path = tmp_path / "event.h5"
    with AsdfWriter(path) as file:
        for source in sorted((folder / "observed").iterdir()):
            for trace in read(str(source)):
                file.add_waveform(trace, "observed")
        for source in sorted((folder / "stations").iterdir()):
            file.add_inventory(read_inventory(str(source)))
        for source in sorted((folder / "synthetic").iterdir()):
            trace = read_solver_text(source)
            trace.stats.starttime = ORIGIN + trace.stats.starttime.timestamp
            file.add_waveform(trace, "synthetic_m00s00")
    same = dict.fromkeys(("observed", "synthetic", "stations"), str(path))
    more = {"synthetic_motion": "velocity", "mapping": mapping, "processes": 2}
    summary = misfit_app.measure(**options(folder, tmp_path / "out", **same, **more))
    check_truth(summary.rows, truths, 18)


def test_files_of_several_stations_are_read_once(monkeypatch):
    calls = []

    def reader(path, headonly=False):
        calls.append(path)
        headers = [{"network": "XX", "station": code} for code in "ABC"]
        return Stream([Trace(np.zeros(1000), header) for header in headers])

    def read_all():
        calls.clear()
        read_station = StationReader(reader)
        for code in "ABC":
            for path in ("east.mseed", "north.mseed"):
                (trace,) = read_station(path, f"XX.{code}")
                assert trace.stats.station == code
        return len(calls)

    assert read_all() == 2
    # with memory for one of the files, each is read for each station
    monkeypatch.setattr(reading, "MOST_KEPT", 30_000)
    assert read_all() == 6


def rejected(summary):
    return {
        (row["station"], row["component"]): (row["stage"], row["reason"])
        for row in summary.rows
        if row["status"] == "rejected"
    }


def test_damage_is_a_row_and_other_stations_are_measured(scene, tmp_path):
    folder = copied(scene[0], tmp_path)
    observed = folder / "observed"
    (observed / "XX.S000.mseed").write_bytes(b"no waveform at all")
    stream = read(str(observed / "XX.S001.mseed"))
    stream[1].data[:] = 0
    stream.write(str(observed / "XX.S001.mseed"), format="MSEED")
    (folder / "synthetic" / "XX.S002.BXZ.semv").unlink()
    (folder / "synthetic" / "XX.S002.BXE.semv").write_text("no numbers\n")
    summary = misfit_app.measure(**options(folder, tmp_path / "out"))
    lost, rows = rejected(summary), summary.rows
    assert lost["XX.S000", "Z"] == ("pair", "no observed record")
    assert lost["XX.S002", "Z"][0] == "rotate"
    assert lost["XX.S002", "R"][0] == "rotate"
    assert lost["XX.S002", "E"][0] == "read"
    assert "BXE.semv" in lost["XX.S002", "E"][1]
    assert {row["component"] for row in rows} == {"Z", "R", "T", "E"}
    assert any("XX.S000" in entry.what for entry in summary.skipped)
    totals = summary.totals
    assert totals.n_measured + totals.n_rejected == totals.n_bands


def test_without_a_response_a_trace_is_rejected(scene, tmp_path):
    folder = copied(scene[0], tmp_path)
    (folder / "stations" / "XX.S000.xml").unlink()
    text = (folder / "stations" / "XX.S001.xml").read_text()
    (folder / "stations" / "XX.S001.xml").write_text(text.replace("M/S", "PA"))
    summary = misfit_app.measure(**options(folder, tmp_path / "out"))
    lost = rejected(summary)
    assert "no coordinates" in lost["XX.S000", "Z"][1]
    assert "PA" in lost["XX.S001", "Z"][1]
    assert summary.totals.n_measured == 3


def test_nanometres_per_second_are_not_metres_per_second(scene, tmp_path):
    folder = copied(scene[0], tmp_path)
    truths = scene[1]
    for path in (folder / "stations").glob("*.xml"):
        text = path.read_text().replace("M/S", "NM/S")
        gain = "1000000000.0"
        assert gain in text
        path.write_text(text.replace(gain, "1.0"))
    summary = misfit_app.measure(**options(folder, tmp_path / "out"))
    check_truth(summary.rows, truths, 18)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--periods-s", "20-4"], "--periods-s"),
        (["--measures", "cc_tim"], "cc_time"),
        (["--event-id", "smi:none"], "no event has this id"),
        (["--picker", "min_c=0.8"], "min_c"),
        (["--windows", "missing.json"], "missing.json"),
        (["--measure-options", "waveform.normalised=True"], "waveform"),
        (["--observed", "nowhere"], "--observed nowhere"),
        (["--stations", "nowhere"], "--stations nowhere: no such"),
        (["--pair-distance-km", "50"], "no measure compares two stations"),
        (
            ["--measures", "dd_cc", "--pair-reference", "XX.S0"],
            "--pair-reference XX.S0",
        ),
        (["--weights", "azimuth", "--weight-distance-km", "9"], "--weights density"),
        (["--weights", "distance"], "density"),
        (["--category-weights", "T:cc_time=2", "X=1"], "'X' is not of this run"),
        (["--category-weights", "T:5-20=2"], "'5-20' is not of this run"),
        (["--category-weights", "T:R=2"], "two components"),
        (["--category-weights", "T=-1"], "must be 0 or more"),
        (["--phase-groups", "love"], "surface"),
        (["--phases", "Pxy"], "Pxy"),
        (["--earth-model", "mars"], "iasp91"),
        (["--group-shift-periods", "P=2"], "max_shift_periods"),
    ],
)
def test_a_mistake_is_one_line(scene, tmp_path, capsys, words, message):
    given = []
    for name, value in options(scene[0], tmp_path / "out").items():
        flag = f"--{name.replace('_', '-')}"
        if flag not in words:
            given += [flag, value]
    assert main(given + words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_template_is_read_back(scene, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "misfit.toml"]) == 0
    given = ["--config", "misfit.toml", "--quiet", "--event-id", EVENT_ID]
    for name, value in options(scene[0], tmp_path / "out").items():
        given += [f"--{name.replace('_', '-')}", value]
    assert main(given) == 0
    assert main(["ledger", str(tmp_path / "out"), "--totals"]) == 0


def test_several_events_have_folders_of_their_own(scene, tmp_path):
    """Both events have the same file names, and different true shifts."""
    folder, truths = scene
    other = tmp_path / "other"
    size = Scene(n_stations=3, noise=0.0, duration_s=200.0, seed=7)
    scenes = {"2": write_scene(size, other)}
    both = {"1": folder, "2": other}
    joined = tmp_path / "joined"
    for label, source in both.items():
        for side in ("observed", "synthetic", "stations"):
            shutil.copytree(source / side, joined / side / label)
    quake = (other / "quake.xml").read_text().replace("event/1", "event/2")
    (other / "quake2.xml").write_text(quake)
    # both events have the same stations at other places: one inventory each
    chosen = options(
        joined,
        tmp_path / "out",
        event=[str(folder / "quake.xml"), str(other / "quake2.xml")],
        stations=str(joined / "stations" / "{event}"),
        observed=str(joined / "observed" / "{event}"),
        synthetic=str(joined / "synthetic" / "{event}"),
        window_method="whole",
    )
    rows = misfit_app.measure(**chosen, mapping="multi", processes=2).rows
    table = {"1": truths, "2": {truth.station: truth for truth in scenes["2"]}}
    assert {row["event"][-1] for row in rows} == {"1", "2"}
    for label, of_event in table.items():
        mine = [row for row in rows if row["event"].endswith(label)]
        check_truth(mine, of_event, 18)
    shutil.rmtree(joined / "synthetic" / "2")
    partly = misfit_app.measure(**chosen | {"out": str(tmp_path / "partly")})
    check_truth([r for r in partly.rows if r["event"].endswith("1")], truths, 18)
    lost = [row for row in partly.rows if row["event"].endswith("2")]
    assert {row["reason"] for row in lost} == {"no synthetic record"}
    assert len(lost) == 9
    (entry,) = partly.skipped
    assert entry.what == str(joined / "synthetic" / "2")
    shutil.rmtree(joined / "synthetic" / "1")
    with pytest.raises(ParameterError, match="no event has such files"):
        misfit_app.measure(**chosen | {"out": str(tmp_path / "none")})
    ambiguous = chosen | {"synthetic": str(joined / "synthetic")}
    with pytest.raises(ParameterError, match=r"\{event\}"):
        misfit_app.measure(**ambiguous | {"out": str(tmp_path / "no")})


def test_station_metadata_come_from_several_folders(scene, tmp_path):
    folder, truths = copied(scene[0], tmp_path), scene[1]
    apart = tmp_path / "apart"
    apart.mkdir()
    shutil.move(folder / "stations" / "XX.S001.xml", apart)
    both = [str(folder / "stations"), str(apart / "XX.S001.xml")]
    chosen = options(folder, tmp_path / "out", stations=both)
    check_truth(misfit_app.measure(**chosen).rows, truths, 18)


class Crash:
    """Reads stations, and fails on one of them with an error that nobody expects."""

    def __call__(self, files, *more):
        if files.station == "XX.S001":
            raise RuntimeError("the reader fails")
        return read_pair(files, *more)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_a_failed_station_has_rows_and_resume_measures_it(
    scene, tmp_path, monkeypatch, mapping
):
    folder, truths = scene
    more = {"periods_s": "4-20 5-20", "window_method": "whole"}
    chosen = options(folder, tmp_path / "out", on_error="skip", **more)
    with monkeypatch.context() as patch:
        patch.setattr("seismo_pes.comparing.reading.read_pair", Crash())
        summary = misfit_app.measure(**chosen, mapping=mapping, processes=2)
    rows = [row for row in summary.rows if row["station"] == "XX.S001"]
    assert len(rows) == 2  # one for each band
    for row in rows:
        assert (row["status"], row["stage"]) == ("rejected", "read")
        assert row["reason"] == "RuntimeError: the reader fails"
    totals = summary.totals
    assert totals.n_measured + totals.n_rejected == totals.n_bands
    again = misfit_app.measure(**chosen, resume=True)
    assert again.n_kept == 2
    check_truth(again.rows, truths, 3 * 3 * 2 * 2)


def test_a_refused_station_is_not_lost(scene, tmp_path, monkeypatch):
    def refuse(files, *more):
        raise DataError("no such records")

    monkeypatch.setattr("seismo_pes.comparing.reading.read_pair", refuse)
    summary = misfit_app.measure(**options(scene[0], tmp_path / "out"))
    assert {(row["station"], row["reason"]) for row in summary.rows} == {
        (f"XX.S00{k}", "no such records") for k in range(3)
    }


def test_windows_of_groups_of_phases(scene, tmp_path):
    """Z and R have a wave before the surface waves of 3 km/s, T has one after."""
    folder, _ = scene
    chosen = options(folder, tmp_path / "all")
    every = misfit_app.measure(**chosen).rows
    limits = {"max_surface_velocity_km_s": 20.0, "min_surface_velocity_km_s": 1.0}
    kept = {}
    for group in ("P", "S", "surface"):
        more = {"phase_groups": [group], "out": str(tmp_path / group)} | limits
        summary = misfit_app.measure(**chosen | more)
        totals = summary.totals
        assert totals.n_measured + totals.n_rejected == totals.n_bands == 9
        kept[group] = windows_of(summary.rows, "measured")
        other = windows_of(summary.rows, "rejected")
        assert kept[group] | other == windows_of(every, "measured")
        assert not kept[group] & other
    assert set.union(*kept.values()) == windows_of(every, "measured")
    assert not kept["S"]  # surface waves of 20 km/s are before each S wave


def windows_of(rows, status):
    return {
        (row["station"], row["component"], row["window_start_s"])
        for row in rows
        if row["status"] == status and row["window_start_s"] is not None
    }


def test_a_shift_beyond_the_limit_of_its_group_is_rejected(scene, tmp_path):
    """The shifts are 0.3 to 1.3 s, the periods of the waves 6 to 8 s."""
    folder, truths = scene
    limits = dict.fromkeys(("P", "S", "surface"), 0.1)
    chosen = options(folder, tmp_path / "out", group_shift_periods=limits)
    rows = misfit_app.measure(**chosen).rows
    for row in rows:
        period_s = {"Z": 6.0, "R": 7.0, "T": 8.0}[row["component"]]
        parts = abs(truths[row["station"]].dt_s) / period_s
        if abs(parts - 0.1) > 0.02:  # the measured period is near that of the wave
            assert (row["status"] == "measured") == (parts < 0.1), row
    skipped = [row for row in rows if "cycle skip" in row["reason"]]
    assert skipped
    assert all("group" in row["reason"] for row in skipped)


def fail_to_open(monkeypatch, name):
    """Let a file of a solver fail."""
    read_text = solver_text.open_regular

    def fail(path):
        if str(path).endswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read_text(path)

    monkeypatch.setattr(solver_text, "open_regular", fail)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_a_failed_read_is_tried_again(scene, tmp_path, monkeypatch, capsys, mapping):
    folder, _ = scene
    whole, out = tmp_path / "whole", tmp_path / "out"
    misfit_app.measure(**options(folder, whole))
    given = options(folder, out, mapping=mapping, processes=2).items()
    words = [
        word
        for name, value in given
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    name = next((folder / "synthetic").glob("*S001*Z*")).name
    fail_to_open(monkeypatch, name)
    assert main([*words, "--quiet"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "1 input could not be read: --resume tries again" in line
    assert f"{name}: Input/output error" in (out / "ledger.csv").read_text()
    monkeypatch.undo()
    assert main([*words, "--quiet", "--resume"]) == 0
    for path in whole.rglob("*.[cj]s*"):
        if path.name != "run.json":
            assert path.read_bytes() == (out / path.relative_to(whole)).read_bytes()


def fail_at_once(monkeypatch, name):
    """Let every opening of a waveform or of station metadata fail."""
    read_at_once, open_file = waveform_files.read_at_once, deferred.open_regular

    def waveform(path, *more):
        if str(path).endswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read_at_once(path, *more)

    def metadata(path):
        if str(path).endswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return open_file(path)

    monkeypatch.setattr(waveform_files, "read_at_once", waveform)
    monkeypatch.setattr(deferred, "open_regular", metadata)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
@pytest.mark.parametrize("name", ["S001.mseed", "S001.xml"])
def test_a_file_that_fails_before_the_run_is_tried_again(
    scene, tmp_path, monkeypatch, capsys, name, mapping
):
    folder, _ = scene
    whole, out = tmp_path / "whole", tmp_path / "out"
    misfit_app.measure(**options(folder, whole))
    words = ["--quiet", "--mapping", mapping, "-n", "2"]
    for option, value in options(folder, out).items():
        words += [f"--{option.replace('_', '-')}", str(value)]
    with monkeypatch.context() as patch:
        fail_at_once(patch, name)
        assert main(words) == 3
        assert main([*words, "--resume"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "1 input could not be read: --resume tries again" in lines[0]
    rows = [row for row in read_skipped(out) if row[0] == "input"]
    assert [row[1].endswith(name) for row in rows] == [True]
    assert main([*words, "--resume"]) == 0
    assert not read_skipped(out)
    for path in whole.rglob("*.[cj]s*"):
        if path.name != "run.json":
            assert path.read_bytes() == (out / path.relative_to(whole)).read_bytes()


@pytest.mark.parametrize("depth", ["", "9"])
def test_an_event_may_be_in_a_file_twice_but_not_with_two_depths(
    scene, tmp_path, depth
):
    """``depth`` is put before the digits of the depth of the second one."""
    text = (scene[0] / "quake.xml").read_text()
    begin, end = text.index("<event "), text.index("</event>") + len("</event>")
    again = re.sub(r"(<depth>\s*<value>)", rf"\g<1>{depth}", text[begin:end])
    path = tmp_path / "quakes.xml"
    path.write_text(text[:end] + again + text[end:])
    if not depth:
        assert [event.id for event in chosen_events([str(path)], ())[0]] == [EVENT_ID]
        return
    for ids in ((), (EVENT_ID,)):
        with pytest.raises(ParameterError, match="events have th"):
            chosen_events([str(path)], ids)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_a_synthetic_on_another_time_base_is_a_row(scene, tmp_path, mapping):
    """One component is 30 years late; the others are measured."""
    folder = copied(scene[0], tmp_path)
    path = folder / "synthetic" / "XX.S001.BXZ.semv"
    table = np.loadtxt(path)
    table[:, 0] += 1e9
    np.savetxt(path, table, fmt="%.4f %.15e")
    chosen = options(folder, tmp_path / "out", mapping=mapping, processes=2)
    rows = [r for r in misfit_app.measure(**chosen).rows if r["station"] == "XX.S001"]
    lost = [row for row in rows if row["stage"] == "common axis"]
    assert [(row["component"], row["status"]) for row in lost] == [("Z", "rejected")]
    assert lost[0]["reason"] == "observed and synthetic: no common time"
    measured = {row["component"] for row in rows if row["status"] == "measured"}
    assert measured == {"R", "T"}


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_letters_against_the_metadata_are_a_remark(scene, tmp_path, capsys, mapping):
    """The channels called N and E point east and north, and Z of another one down."""
    folder, truths = copied(scene[0], tmp_path), scene[1]
    path = folder / "observed" / "XX.S000.mseed"
    stream = read(str(path))
    letters = {"BHN": "BHE", "BHE": "BHN", "BHZ": "BHZ"}
    for trace in stream:
        trace.stats.channel = letters[trace.stats.channel]
    stream.write(str(path), format="MSEED")
    path = folder / "stations" / "XX.S000.xml"
    text = path.read_text()
    for before, after in (("BHN", "BH?"), ("BHE", "BHN"), ("BH?", "BHE")):
        text = text.replace(f'code="{before}"', f'code="{after}"')
    path.write_text(text)
    path = folder / "observed" / "XX.S001.mseed"
    stream = read(str(path))
    for trace in stream.select(component="Z"):
        trace.data = -trace.data
    stream.write(str(path), format="MSEED")
    path = folder / "stations" / "XX.S001.xml"
    path.write_text(re.sub(r"(<Dip[^>]*>)-90", r"\g<1>90", path.read_text()))
    chosen = options(folder, tmp_path / "out", mapping=mapping, processes=2)
    summary = misfit_app.measure(**chosen)
    check_truth(summary.rows, truths, 18)
    what = [(entry.what, entry.reason.partition(":")[0]) for entry in summary.remarks]
    text = "azimuth {} and dip 0 of the metadata are 90 degrees from the line of the "
    assert sorted(what) == [
        ("XX.S000..BHE", text.format(0) + "letter E"),
        ("XX.S000..BHN", text.format(90) + "letter N"),
    ]
    table = read_skipped(tmp_path / "out")
    assert [row[:2] for row in table] == [["rotate", row[0]] for row in sorted(what)]
    assert main(["check", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_the_metadata_are_those_of_the_time_of_the_synthetic(scene, tmp_path, mapping):
    """Gain and azimuth change in the pad before it; the station moves soon after it."""
    folder, truths = copied(scene[0], tmp_path), scene[1]
    path = folder / "stations" / "XX.S001.xml"
    inventory = read_inventory(str(path))
    (station,) = inventory[0]
    earlier = copy.deepcopy(station.channels)
    for channel in earlier:
        channel.azimuth = (channel.azimuth + 70.0) % 360.0
        channel.response.response_stages[0].stage_gain *= 3.0
        channel.end_date = ORIGIN - 30
    later = copy.deepcopy(station)
    for place in (later, *later.channels):
        place.latitude, place.start_date = -station.latitude, ORIGIN + 210
    for channel in station.channels:
        channel.start_date, channel.end_date = ORIGIN - 30, ORIGIN + 210
    station.end_date = ORIGIN + 210
    station.channels += earlier
    inventory[0].stations = [station, later]
    inventory.write(str(path), format="STATIONXML")
    path = folder / "observed" / "XX.S001.mseed"
    stream = read(str(path))
    for trace in stream:  # most of the record is after the move
        trace.data = np.pad(trace.data, (0, 20_000))
    stream.write(str(path), format="MSEED")
    chosen = options(folder, tmp_path / "out", mapping=mapping, processes=2)
    check_truth(misfit_app.measure(**chosen).rows, truths, 18)
