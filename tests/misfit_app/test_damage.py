"""Damage of any file of a run, under any command: one line, or the right numbers."""

import itertools
import json
import os
import shutil

import numpy as np
import pytest

import misfit_app
from dispel4py.errors import DataError
from misfit_app.cli import main
from misfit_app.pairs import MeasurePairs
from misfit_app.reporting.report import write_reports
from misfit_app.run_file import VERSION
from misfit_app.synthetic import Scene, write_scene
from seismo_pes.application.files import write_checked
from seismo_pes.measuring.misfits import MeasureMisfits
from tests.draws import chosen

PLACES = {
    "record": "run.json",
    "station": "stations/1/XX.S000.json",
    "lost": "lost/1/XX.S003.json",
    "pairs": "pairs/1/XX.S000.json",
    "lost pairs": "lost_pairs/1/XX.S001.json",
    "kept": "kept/1/XX.S000.npz",
    "sums of pairs": "kept/1/XX.S000.pairs.npz",
    "list of adjoint sources": "kept/1/XX.S000.adjoints.json",
    "adjoint source": "adjoint/1/specfem/XX.S000.BXZ.adj",
    "arrays of adjoint sources": "adjoint/1/arrays/XX.S000.npz",
    "list of stations": "adjoint/1/STATIONS_ADJOINT",
    "ledger": "ledger.csv",
    "stations": "stations.csv",
    "windows": "windows.json",
    "skipped": "skipped.tsv",
}
TABLES = ("ledger", "stations", "windows", "skipped", "list of stations")
BY_JSON = ("station", "lost", "pairs", "lost pairs", "list of adjoint sources")
FAST = ("ledger", "info", "windows", "export", "check")
COMMANDS = (*FAST[:-1], "report")
#: Damaged files with which the report, which takes seconds, is written.
IN_REPORT = chosen(("record", "station", "lost", "kept"), PLACES)


def given(folder, out):
    return {
        "event": str(folder / "quake.xml"),
        "stations": str(folder / "stations"),
        "observed": str(folder / "observed"),
        "synthetic": str(folder / "synthetic"),
        "periods_s": "4-20",
        "window_method": "whole",
        "components": "Z",
        "measures": ["cc_time", "dd_cc"],
        "weights": ["category"],
        "adjoint": ["specfem"],
        "out": str(out),
    }


def fail_for(patch, element, station):
    transform = element.transform

    def fail(self, item):
        if item.station == station:
            raise DataError("the machine that measures it is too hot")
        return transform(self, item)

    patch.setattr(element, "transform", fail)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with a lost station and lost pairs, and the run that ends well."""
    folder = tmp_path_factory.mktemp("scene")
    write_scene(Scene(n_stations=4, noise=0.0, duration_s=120.0), folder)
    with pytest.MonkeyPatch.context() as patch:
        fail_for(patch, MeasureMisfits, "XX.S003")
        fail_for(patch, MeasurePairs, "XX.S001")
        misfit_app.measure(**given(folder, folder / "ended"))
    misfit_app.measure(**given(folder, folder / "whole"))
    write_reports(folder / "ended")
    for name in PLACES.values():
        assert (folder / "ended" / name).is_file(), name
    return folder


@pytest.fixture
def out(folder, tmp_path):
    """A copy of the run, which a test may damage."""
    return shutil.copytree(folder / "ended", tmp_path / "out")


def words_of(command, out):
    words = [command, str(out)]
    if command == "export":
        words += [str(out.parent / "dest"), "--format", "json", "--force"]
    return [*words, "--force"] if command == "report" else words


def resume_words(folder, out):
    words = ["--resume", "--quiet"]
    for name, value in given(folder, out).items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *values]
    return words


def outcome(capsys, command, out):
    """Return the status of a command and what it gives; one line if it fails."""
    capsys.readouterr()
    status = main(words_of(command, out))
    captured = capsys.readouterr()
    if status:
        assert len(captured.err.splitlines()) + (command == "check") <= 2, captured.err
        assert str(out) in captured.err + captured.out
    if command == "export" and not status:
        return status, (out.parent / "dest").read_bytes()
    if command == "report" and not status:
        return status, (out / "report.html").read_bytes()
    return status, captured.out


def files_of(out):
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name not in ("run.json", "report.html")
    }


def flip(content, at):
    content[at] ^= 0x80


def digit(content, at):
    """Exchange the next digit for another one: the file stays readable."""
    places = [k for k in range(len(content)) if chr(content[k]).isdigit()]
    if places:
        at = min(places, key=lambda k: abs(k - at))
        content[at] = ord("1") if content[at] != ord("1") else ord("7")


def zero(content, at):
    content[at : at + 64] = bytes(len(content[at : at + 64]))


def cut(content, at):
    del content[at:]


def exchange(content, at):
    begin = at // 16 * 16
    first, second = content[begin : begin + 16], content[begin + 16 : begin + 32]
    content[begin : begin + 32] = second + first


KINDS = (flip, digit, zero, cut, exchange)


@pytest.mark.parametrize("name", PLACES)
def test_damage_at_any_place_gives_one_line_or_the_right_numbers(
    folder, out, capsys, name
):
    path = out / PLACES[name]
    content = path.read_bytes()
    right = {command: outcome(capsys, command, out) for command in FAST}
    rng = np.random.default_rng(len(content))
    others = itertools.cycle(FAST[:-1])
    for kind in KINDS:
        places = [*rng.integers(0, len(content), 2).tolist(), len(content) - 1]
        for at in chosen(places[1:], places):
            damaged = bytearray(content)
            kind(damaged, at)
            path.write_bytes(damaged)
            if damaged == content:
                continue
            for command in chosen(("check", next(others)), FAST):
                status, shown = outcome(capsys, command, out)
                assert status or shown == right[command][1]
                assert status or command != "check"
    if name in IN_REPORT:
        status, page = outcome(capsys, "report", out)
        assert status or page == (folder / "ended" / "report.html").read_bytes()
    status = main(resume_words(folder, out))
    line = capsys.readouterr().err
    if status:
        assert len(line.splitlines()) == 1
        assert str(path) in line
        assert name not in TABLES
    else:
        assert files_of(out) == files_of(folder / "whole")


@pytest.mark.parametrize("name", [name for name in PLACES if name != "record"])
def test_repair_marks_as_not_done_and_resume_gives_the_same_bytes(
    folder, out, capsys, name
):
    path = out / PLACES[name]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert main(["check", str(out)]) == 1
    assert f"{path}: " in capsys.readouterr().out
    assert main(["check", str(out), "--repair"]) == 0
    assert main(resume_words(folder, out)) == 0
    assert files_of(out) == files_of(folder / "whole")
    assert main(["check", str(out)]) == 0


def test_a_damaged_record_is_not_repaired(out, capsys):
    (out / "run.json").write_bytes((out / "run.json").read_bytes()[:-9])
    assert main(["check", str(out), "--repair"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(out / "run.json") in line
    assert "put back a copy" in line


@pytest.mark.parametrize("name", [*BY_JSON, "kept"])
def test_a_file_of_another_run_or_station_is_refused(folder, out, capsys, name):
    """The names are equal; the other run has another band."""
    path, other = out / PLACES[name], folder / "other"
    if not other.exists():
        with pytest.MonkeyPatch.context() as patch:
            fail_for(patch, MeasureMisfits, "XX.S003")
            fail_for(patch, MeasurePairs, "XX.S001")
            misfit_app.measure(**given(folder, other) | {"periods_s": "5-20"})
    shutil.copy(other / PLACES[name], path)
    assert main(["check", str(out)]) == 1
    assert f"{path}: belongs to another run" in capsys.readouterr().out
    if name in ("station", "lost", "pairs", "lost pairs"):
        assert main(["ledger", str(out)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{path}: belongs to another run" in line
    neighbour = path.with_name(path.name.replace("S00", "S01"))
    shutil.copy(folder / "ended" / PLACES[name], neighbour)
    shutil.copy(folder / "ended" / PLACES[name], path)
    if name != "kept":
        assert main(["check", str(out)]) == 1
        assert f"{neighbour}: is a file of another station" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["record", *BY_JSON])
def test_a_file_of_a_later_version_is_refused_by_name(folder, out, capsys, name):
    path = out / PLACES[name]
    content = json.loads(path.read_text())
    del content["check"]
    write_checked(path, content | {"version": VERSION + 1})
    text = f"{path}: has version {VERSION + 1}"
    for words in (["check", str(out)], resume_words(folder, out)):
        assert main(words) == 1
        captured = capsys.readouterr()
        assert text in captured.out + captured.err
        assert "a later version of the program wrote it" in captured.out + captured.err


@pytest.mark.parametrize("name", ["station", "pairs"])
def test_a_run_that_has_not_ended_is_not_shown_as_if_it_had(folder, out, capsys, name):
    rows = outcome(capsys, "ledger", out)[1].splitlines()
    (out / PLACES[name]).unlink()
    for command in COMMANDS:
        assert main(words_of(command, out)) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "1 of 4 stations are left; --resume continues it" in line
    assert main(["ledger", str(out), "--unfinished"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert 1 < len(shown) < len(rows)
    assert main(["check", str(out)]) == 0
    assert main(resume_words(folder, out)) == 0
    assert files_of(out) == files_of(folder / "whole")


def test_results_without_their_record_are_refused(folder, out, capsys):
    os.unlink(out / "run.json")
    for words in (["ledger", str(out)], ["check", str(out)], resume_words(folder, out)):
        assert main(words) != 0
        assert "run.json" in capsys.readouterr().err
    assert main([w for w in resume_words(folder, out) if w != "--resume"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "from a run without its run.json" in line
