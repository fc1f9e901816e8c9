"""What both applications do in the same way, with the kit."""

import logging
from contextlib import contextmanager

import pytest

import misfit_app.cli
import xcorr_app.cli
from dispel4py.errors import ParameterError

APPLICATIONS = [xcorr_app.cli, misfit_app.cli]


@pytest.mark.parametrize(
    ("cli", "words"),
    [
        (xcorr_app.cli, ["--capture", "x.toml"]),
        (xcorr_app.cli, ["live", "--capture", "x.toml"]),
        (misfit_app.cli, ["--capture", "x.toml"]),
        (misfit_app.cli, ["verce", "--capture", "x.toml"]),
    ],
)
def test_a_mistake_that_one_process_of_a_launcher_finds_ends_all(
    monkeypatch, cli, words
):
    """A file may be missing on one host only: the others would wait for ever."""
    seen = []

    @contextmanager
    def membership(program):
        try:
            yield
        except ParameterError as error:
            seen.append(error)
            raise

    monkeypatch.setattr(cli, "membership", membership)
    assert cli.main(words) == 2
    assert len(seen) == 1


XCORR = ["--stations", "s.txt", "--data", "d", "--out", "o"]
MISFIT = ["--event", "e", "--stations", "s", "--observed", "a", "--synthetic", "b"]
MISFIT += ["--periods-s", "10-20", "--out", "o"]


@pytest.mark.parametrize("more", [[], ["--slurm"]])
@pytest.mark.parametrize(
    ("cli", "planning", "words"),
    [
        (xcorr_app.cli, "xcorr_app.workflow.run", XCORR),
        (misfit_app.cli, "misfit_app.planning.run_plan", MISFIT),
    ],
)
def test_messages_of_the_plan_have_the_level_and_the_form_of_all(
    cli, planning, words, more, monkeypatch, capsys
):
    def plans(*_):
        logging.getLogger("planning").warning("a file\x1b[2J")
        raise ParameterError("no data")

    place = f"{cli.__name__}.write_job" if more else planning
    monkeypatch.setattr(place, plans)
    mistake = f"{cli.PROG}: error: no data\n"
    assert cli.main([*words, *more, "--log-level", "error"]) == 2
    assert capsys.readouterr().err == mistake
    assert cli.main([*words, *more]) == 2
    assert capsys.readouterr().err == f"WARNING planning: a file\\x1b[2J\n{mistake}"


@pytest.mark.parametrize("cli", APPLICATIONS)
def test_a_command_line_without_words_says_what_a_run_needs(cli, capsys):
    assert cli.main([]) == 2
    words = capsys.readouterr().err
    assert words.startswith(f"{cli.PROG}: error: nothing to do: give --")
    assert "--out OUT, or see" in words


@pytest.mark.parametrize("cli", APPLICATIONS)
def test_an_unknown_command_names_a_similar_one(cli, capsys):
    assert cli.main(["repotr", "OUT"]) == 2
    line = capsys.readouterr().err
    start = f"{cli.PROG}: error: no command 'repotr': did you mean 'report'?"
    assert line.startswith(start)
    assert line.endswith(f"; see {cli.PROG} --help\n")


@pytest.mark.parametrize("cli", APPLICATIONS)
def test_the_file_of_parameters_is_one_that_a_run_reads(cli, tmp_path, capsys):
    path = tmp_path / "parameters.toml"
    assert cli.main(["init", str(path)]) == 0
    done = f"Wrote {path}. Edit it, then: {cli.PROG} --config {path}\n"
    assert capsys.readouterr().out == done
    assert cli.main(["init", "-"]) == 0
    assert capsys.readouterr().out == path.read_text()
    assert cli.main(["init", str(path)]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert cli.main(["--config", str(path)]) == 2
    assert "is missing" in capsys.readouterr().err


@pytest.mark.parametrize("cli", APPLICATIONS)
def test_the_run_of_a_demonstration_gets_the_processes_that_it_has(cli):
    """A number of processes that nobody gave is no reason for a warning."""
    options = cli.commands.OPTIONS["demo"]
    assert options().words_of_run == ["--mapping", "multi", "-n", "2"]
    alone = options(mapping="Simple", quiet=True)
    assert alone.words_of_run == ["--mapping", "simple", "--quiet"]
    given = options(mapping="simple", processes=3)
    assert given.words_of_run == ["--mapping", "simple", "-n", "3"]
