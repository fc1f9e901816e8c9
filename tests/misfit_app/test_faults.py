"""Hostile files, files that cannot be read, and a lost folder: misfit-app goes on, or
ends with one line."""

from __future__ import annotations

import errno
import os
import shutil
from types import SimpleNamespace

import pytest

from misfit_app import workflow
from misfit_app.cli import main
from misfit_app.failed_reads import remove_outdated
from misfit_app.input_files import files_of
from misfit_app.planning import event_labels
from misfit_app.store import pairs_path, read_ledger, station_path
from misfit_app.synthetic import Scene, write_scene
from seismo_pes import regular_file
from seismo_pes.application.skipped import read_skipped
from seismo_pes.items.comparison import StationFiles
from seismo_pes.items.events import Event
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.reading.formats import reading_process
from tests.unseen import hide

HOSTILE = ("sigbus.mseed", "sigsegv.gse2", "endless.dmx")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    write_scene(Scene(n_stations=2, noise=0.0, duration_s=120.0), folder)
    return folder


@pytest.fixture
def given(scene, tmp_path):
    """Return the words of a run on a copy of the scene."""
    folder = shutil.copytree(scene, tmp_path / "scene")
    return {
        "--event": str(folder / "quake.xml"),
        "--stations": str(folder / "stations"),
        "--observed": str(folder / "observed"),
        "--synthetic": str(folder / "synthetic"),
        "--periods-s": "4-20",
        "--out": str(tmp_path / "out"),
    }


def words(given, *more):
    return [word for pair in given.items() for word in pair] + ["--quiet", *more]


def one_line(capsys):
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_folder_that_cannot_be_looked_at_is_not_taken_for_none(scene, monkeypatch):
    observed = str(scene / "observed")
    look = os.stat

    def fail(path, *args, **kwargs):
        if str(path) == observed:
            raise OSError(errno.EIO, os.strerror(errno.EIO), observed)
        return look(path, *args, **kwargs)

    skipped: list[Skipped] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        assert files_of(observed, "--observed", skipped) == []
    assert [(entry.stage, entry.what) for entry in skipped] == [(FAILED_READ, observed)]
    assert len(files_of(observed, "--observed", [])) == 2


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_hostile_files_cost_only_themselves(
    given, shared_data, tmp_path, monkeypatch, mapping
):
    monkeypatch.setattr(reading_process, "LIMIT_S", 1.0)
    # a file that does not end is found before the run, under any mapping
    names = HOSTILE if mapping == "simple" else HOSTILE[:2]
    sides = {"observed": names, "synthetic": HOSTILE[1:2], "stations": names}
    for side, names in sides.items():
        for name in names:
            shutil.copy(shared_data / "hostile" / name, tmp_path / "scene" / side)
        os.mkfifo(tmp_path / "scene" / side / "pipe.xml")
        (tmp_path / "scene" / side / "zero.mseed").symlink_to("/dev/zero")
        (tmp_path / "scene" / side / "loop").symlink_to(tmp_path / "scene" / side)
    text = tmp_path / "scene" / "synthetic" / "XX.S001.BXZ.semv"
    shutil.copy(shared_data / "hostile" / "sigsegv.gse2", text)
    assert main(words(given, "--mapping", mapping, "-n", "2")) == 0
    rows = read_ledger(given["--out"])
    assert {r["component"] for r in rows if r["status"] == "measured"} == {*"ZRT"}
    assert "Z" not in {
        row["component"]
        for row in rows
        if row["station"] == "XX.S001" and row["status"] == "measured"
    }
    # the headers of the file of GSE2 can be read
    assert any("its reader crashed (SIGSEGV)" in row["reason"] for row in rows)
    skipped = {"/".join(row[1].split("/")[-2:]) for row in read_skipped(given["--out"])}
    assert skipped == {
        *(f"observed/{name}" for name in (*names[2:], "pipe.xml", "zero.mseed")),
        *("synthetic/pipe.xml", "synthetic/zero.mseed", "stations/pipe.xml"),
    }
    assert not [row for row in read_skipped(given["--out"]) if row[0] == "input"]


@pytest.mark.parametrize("option", ["--event", "--windows", "--config", "--stations"])
@pytest.mark.parametrize("name", [*HOSTILE, "pipe", "/dev/zero"])
def test_a_hostile_file_in_place_of_an_input_is_one_line(
    given, shared_data, tmp_path, monkeypatch, capsys, option, name
):
    monkeypatch.setattr(reading_process, "LIMIT_S", 1.0)
    path = shared_data / "hostile" / name  # an absolute name stays as it is
    if name == "pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)
    assert main(words(given | {option: str(path)})) == 2
    assert str(path) in one_line(capsys)


@pytest.mark.parametrize("option", ["--event", "--windows", "--config"])
def test_an_input_that_cannot_be_read_is_one_line(
    given, tmp_path, monkeypatch, capsys, option
):
    path = tmp_path / "input"
    shutil.copy(given["--event"], path)
    opened = os.open

    def fail(name, *more, **how):
        if str(name) == str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        return opened(name, *more, **how)

    monkeypatch.setattr(regular_file.os, "open", fail)
    assert main(words(given | {option: str(path)})) == 2
    line = one_line(capsys)
    assert line.endswith("Input/output error")
    assert line.count(str(path)) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("side", ["observed", "synthetic", "stations"])
def test_a_folder_that_cannot_be_listed_is_searched_again(
    given, tmp_path, monkeypatch, capsys, side
):
    assert main(words(given | {"--out": str(tmp_path / "whole")})) == 0
    closed = str(tmp_path / "scene" / side / "below")
    os.mkdir(closed)
    for path in (tmp_path / "scene" / side).glob("*S001*"):
        path.rename(tmp_path / "scene" / side / "below" / path.name)
    scan = os.scandir

    def fail(path):
        if str(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", fail)
        for more in ([], ["--resume"]):
            assert main(words(given, *more)) == 3
            assert "1 input could not be read" in one_line(capsys)
        if side != "stations":
            assert main(["scan", f"--{side}", given[f"--{side}"]]) == 3
            assert "the same command tries again" in one_line(capsys)
    assert main(words(given, "--resume")) == 0
    assert not read_skipped(given["--out"])
    for name in ("ledger.csv", "stations.csv", "windows.json"):
        whole, again = (tmp_path / out / name for out in ("whole", "out"))
        assert whole.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("how", [[], ["--resume"]])
def test_results_that_cannot_be_looked_at_are_not_taken_for_none(
    given, tmp_path, monkeypatch, capsys, how
):
    assert main(words(given)) == 0
    out = tmp_path / "out"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with monkeypatch.context() as patch:
        hide(patch, [out / "run.json", out / "stations"])
        assert main(words(given, *how)) == 1
    line = f"misfit-app: error: {out / 'run.json'}: Input/output error"
    assert one_line(capsys).startswith(line)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_outdated_pairs_that_cannot_be_removed_end_the_run(tmp_path, monkeypatch):
    """Those of other stations with this one would stay, and count."""
    event = Event("smi:a/1", 0, 0.0, 0.0)
    task = StationFiles(event, "XX.AAA", ("a.mseed",), ())
    plan = SimpleNamespace(out=tmp_path, skipped=(), events=[event], tasks=[task])
    (label,) = event_labels([event]).values()
    pairs = pairs_path(tmp_path, label, "XX.BBB")
    measured = station_path(tmp_path, label, "XX.AAA")
    for path in (pairs, measured):
        path.parent.mkdir(parents=True)
        path.touch()

    def fail(path, *args, **kwargs):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", fail)
        with pytest.raises(OSError, match=str(pairs.parent)):
            remove_outdated(plan, [(FAILED_READ, "a.mseed", "")])
    assert measured.exists()  # else it would be forgotten that the pairs are outdated
    remove_outdated(plan, [(FAILED_READ, "a.mseed", "")])
    assert not pairs.exists()
    assert not measured.exists()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", ["rename", "remove"])
def test_a_folder_that_is_moved_or_removed_in_a_run(
    given, tmp_path, monkeypatch, capsys, change, when
):
    out, whole = tmp_path / "out", workflow.run_graph

    def move():
        if change == "rename":
            out.rename(tmp_path / "elsewhere")
        else:
            shutil.rmtree(out)

    def moved(*args, **kwargs):
        if when == "before":
            move()
        result = whole(*args, **kwargs)
        if when == "after":
            move()
        return result

    with monkeypatch.context() as during:
        during.setattr(workflow, "run_graph", moved)
        assert main(words(given)) == 1
    assert one_line(capsys).startswith(
        f"misfit-app: error: {out}: was moved or removed"
    )
    if change == "rename":
        shutil.rmtree(out, ignore_errors=True)
        (tmp_path / "elsewhere").rename(out)
        (out / "run.lock").unlink()  # of this process, which has not ended
        assert main(words(given, "--resume")) == 0
        assert {row["status"] for row in read_ledger(out)} == {"measured"}
