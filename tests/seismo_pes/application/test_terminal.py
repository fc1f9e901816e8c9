"""The processes of a launcher, and the failures of a run that went on."""

import pytest

from dispel4py.errors import ParameterError
from dispel4py.failure import Failure
from dispel4py.mappings import Place
from seismo_pes.application import terminal
from seismo_pes.application.terminal import report_failed_steps, use_mapping_here


@pytest.mark.parametrize("given", [{}, {"mapping": "multi"}])
def test_without_a_launcher_the_options_stay(given):
    before = dict(given)
    use_mapping_here(given)
    assert given == before


def test_the_processes_of_a_launcher_use_its_mapping(monkeypatch):
    monkeypatch.setattr(terminal, "place", lambda: Place("mpi", 1, 4))
    for given in ({}, {"mapping": "MPI"}):
        use_mapping_here(given)
        assert given == {"mapping": "mpi"}
    with pytest.raises(ParameterError, match="--mapping multi: 4 processes were"):
        use_mapping_here({"mapping": "multi"})


def failure(cause):
    return Failure("Read", 0, 0, "process", "input", "item", cause)


def test_failed_steps_are_reported_one_by_one(capsys):
    failures = [failure("ValueError: bad"), failure("KeyError: 'x'")]
    assert report_failed_steps("app", failures) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("app: failed: ")
    assert "ValueError: bad" in first
    assert "KeyError" in second


def test_a_failure_of_the_disk_ends_the_report(capsys):
    full = failure("DiskFull: out/a.h5: No space left on device")
    assert report_failed_steps("app", [full, failure("ValueError: bad")]) == 1
    line = "app: error: out/a.h5: No space left on device\n"
    assert capsys.readouterr().err == line


def test_a_run_without_failed_steps(capsys):
    assert report_failed_steps("app", []) == 0
    assert capsys.readouterr().err == ""
