import logging
import os
import re
import signal
import subprocess
import sys
import types
from contextlib import nullcontext
from pathlib import Path

import pytest

from dispel4py.errors import DataError, ParameterError, RunError
from dispel4py.mappings.mpi import MPI
from dispel4py.terminal import Terminated, unwind_at_sigterm
from seismo_pes.application.options import options_of
from seismo_pes.items.skipped import Skipped
from xcorr_app import cli
from xcorr_app.config import Config
from xcorr_app.running.summary import RunSummary

RUN = ["--stations", "list.txt", "--data", "archive", "--out"]


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def quiet_logging():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def workflow(monkeypatch):
    """Replace the workflow: store the configurations, return the given answers."""
    fake = types.ModuleType("xcorr_app.workflow")
    fake.configs, fake.skipped, fake.raises = [], [], None

    def run(config, progress=None):
        fake.configs.append(config)
        if fake.raises is not None:
            raise fake.raises
        return RunSummary(2, 1, 1, 24, 0.5, Path(config.out), fake.skipped)

    fake.run = run
    monkeypatch.setitem(sys.modules, "xcorr_app.workflow", fake)
    monkeypatch.setattr("xcorr_app.workflow", fake, raising=False)
    return fake


def one_line(capsys):
    error = capsys.readouterr().err
    assert error.startswith("xcorr-app: ")
    assert error.count("\n") == 1
    return error


def test_run_is_the_default_command(workflow, out, capsys):
    assert cli.main([*RUN, str(out), "--window-s", "900"]) == 0
    assert cli.main(["run", *RUN, str(out), "--window-s", "900"]) == 0
    first, second = workflow.configs
    assert first == second
    assert first.window_s == 900
    assert "1 pairs of 2 channels, 24 windows stacked" in capsys.readouterr().out


def test_options_outrank_the_file(workflow, out, tmp_path):
    toml = tmp_path / "x.toml"
    toml.write_text(
        f'[output]\nout = "{out}"\n[windows]\nwindow_s = 600\nstep_s = 60\n'
    )
    assert cli.main(["--config", str(toml), *RUN[:-1], "--window-s", "900"]) == 0
    assert workflow.configs[0].window_s == 900
    assert workflow.configs[0].step_s == 60


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to do"),
        (["inf", "OUT"], "did you mean 'info'"),
        (["--stations", "a"], "--data ARCHIVE is missing"),
        (["--windw-s", "3"], "unknown option --windw-s: did you mean --window-s?"),
        (["--window-s", "x", *RUN, "o"], "--window-s: 'x' is not a number"),
        (["--bandpass-hz", "1", *RUN, "o"], "--bandpass-hz: expected 2 arguments"),
        (["--start", "noon", *RUN, "o"], "--start: 'noon' is not a time"),
        (["--detrend", "line", *RUN, "o"], "is not one of none, demean, linear"),
        (["--config", "nowhere.toml"], "nowhere.toml: No such file"),
        ([*RUN, "o", "stray"], "'stray' is not expected here"),
        (["export", "o", "d", "--format", "mp3"], "--format mp3: not one of npz, sac"),
        (["demo", "--stations", "many"], "--stations: 'many' is not a whole number"),
        (["demo", "--stations", "1"], "--stations 1: must be 2 to 99"),
        (["demo", "--hours", "0"], "--hours 0: must be above 0"),
        (["plot", "o", "--velocity", "c"], "--velocity: 'c' is not a number"),
        (["plot", "o", "--kind", "maps"], "--kind maps: did you mean 'map'"),
        (["plot", "o", "--kind", "time"], "--kind time needs a pair"),
        (["plot", "o", "--kind", "map", "--pair", "a", "b"], "leave --pair out"),
        (["scan", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["scan", "--data", "x", "--start", "noon"], "--start: 'noon' is not a time"),
        (["scan", "--data", "x", "--start", "2024-2-1"], "is not a time"),
        (["info"], "the following arguments are required: OUT"),
        (["info", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_give_one_line_and_exit_2(words, message, capsys):
    assert cli.main(words) == 2
    assert message in one_line(capsys)


def test_failures_exit_1(workflow, out, capsys):
    why = types.SimpleNamespace(
        summary="Merge failed on A: torn", cause="torn", traceback=""
    )
    for problem in (DataError("bad.mseed: torn"), RunError([why])):
        workflow.raises = problem
        assert cli.main([*RUN, str(out)]) == 1
        assert "torn" in one_line(capsys)
    workflow.raises = PermissionError(13, "Permission denied", "/root/out")
    assert cli.main([*RUN, str(out)]) == 1
    assert "/root/out: Permission denied" in one_line(capsys)


def test_mistake_found_by_the_run_exits_2(workflow, out, capsys):
    workflow.raises = ParameterError("--data archive: no file of any station")
    assert cli.main([*RUN, str(out)]) == 2
    assert "no file of any station" in one_line(capsys)


def test_interrupt_exits_130(workflow, out, capsys):
    workflow.raises = KeyboardInterrupt()
    assert cli.main([*RUN, str(out)]) == 130
    assert one_line(capsys) == "xcorr-app: interrupted\n"


def test_termination_exits_143(workflow, out, capsys):
    workflow.raises = Terminated()
    assert cli.main([*RUN, str(out)]) == 143
    assert one_line(capsys) == "xcorr-app: terminated\n"


def test_sigterm_unwinds_as_an_interrupt_does():
    with unwind_at_sigterm(), pytest.raises(Terminated):
        signal.raise_signal(signal.SIGTERM)


def test_mpi_is_started_by_the_command_itself(workflow, out, monkeypatch):
    started = []
    monkeypatch.setattr(
        "dispel4py.mappings.mpi.launch.launch",
        lambda n, words: started.append((n, words)),
    )
    words = [*RUN, str(out), "--mapping", "mpi", "-n", "3"]
    cli.main(words)
    assert started == [(3, [sys.executable, "-P", "-m", "xcorr_app", "run", *words])]
    assert not workflow.configs


def test_under_an_mpi_launcher_the_mapping_is_mpi(workflow, out, monkeypatch, capsys):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setattr(MPI, "membership", nullcontext)  # there is no launcher
    assert cli.main([*RUN, str(out)]) == 0
    assert workflow.configs[0].mapping == "mpi"
    assert cli.main([*RUN, str(out), "--mapping", "multi"]) == 2
    assert "each would do the whole run" in one_line(capsys)
    monkeypatch.setenv("PMI_RANK", "1")
    assert cli.main([*RUN, str(out), "--mapping", "multi"]) == 2
    assert capsys.readouterr().err == ""


def test_internal_errors_keep_their_traceback(workflow, out):
    workflow.raises = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cli.main([*RUN, str(out)])


def test_skipped_data_are_reported_and_stored(workflow, out, capsys):
    workflow.skipped = [
        Skipped("read", f"day{i}.sac", "not a file\tthat ObsPy reads") for i in range(5)
    ]
    assert cli.main([*RUN, str(out)]) == 0
    text = capsys.readouterr().out
    assert "5 skipped" in text
    assert "day0.sac, day1.sac, day2.sac and 2 more" in text
    rows = (out / "skipped.tsv").read_text().splitlines()
    assert rows[0] == "stage\twhat\treason\tcount\ttimes"
    assert rows[1] == "read\tday0.sac\tnot a file that ObsPy reads\t1\t"
    assert len(rows) == 6
    assert cli.main([*RUN, str(out), "--strict"]) == 1
    assert "--strict, and 5 skipped" in one_line(capsys)


def test_quiet_commands_print_nothing(workflow, out, capsys):
    workflow.skipped = [Skipped("read", "a", "b")]
    assert cli.main([*RUN, str(out), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_summary_has_the_number_of_possible_pairs(out):
    assert (
        "1 pairs (of 3 possible) of"
        in RunSummary(3, 1, 1, 24, 0.5, out, n_possible=3).headline()
    )
    assert "3 pairs of" in RunSummary(3, 3, 3, 24, 0.5, out, n_possible=3).headline()


def test_init_writes_a_file_that_works(workflow, out, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init"]) == 0
    assert cli.main(["--config", "xcorr-app.toml", *RUN, str(out)]) == 0
    plain = Config(stations="list.txt", data="archive", out=str(out))
    assert workflow.configs == [plain]
    capsys.readouterr()
    assert cli.main(["init"]) == 2
    assert "--force replaces it" in one_line(capsys)
    assert cli.main(["init", "--force"]) == 0


def test_init_to_standard_output(tmp_path, capsys):
    assert cli.main(["init", "-"]) == 0
    path = tmp_path / "x.toml"
    path.write_text(capsys.readouterr().out)
    given = {"stations": "a", "data": "b", "out": "c"}
    assert Config.resolve(given, path) == Config(**given)


def test_a_continued_run_has_its_options(workflow, out, monkeypatch, capsys):
    earlier = Config(
        stations="a", data="b", out=str(out), window_s=900, force=True, end="2022-01-05"
    )
    stored = types.SimpleNamespace(config=earlier.to_dict(), division={})
    monkeypatch.setattr("xcorr_app.running.resume.read_run", lambda _: stored)
    words = ["--out", str(out), "--resume"]
    assert cli.main(words) == 2
    assert "no run was started in" in one_line(capsys)
    (out / "run.json").touch()
    assert cli.main([*words, "-n", "3"]) == 0
    (result,) = workflow.configs
    assert (result.stations, result.window_s, result.processes) == ("a", 900, 3)
    assert (result.resume, result.force) == (True, False)
    assert result.end == earlier.end
    longer = ["--out", str(out), "--update", "--stations", "longer"]
    assert cli.main(longer) == 0
    assert workflow.configs[1].stations == "longer"
    assert workflow.configs[1].end is None  # any signal


@pytest.mark.parametrize("command", ["", *sorted(cli.COMMANDS)])
def test_help(command, capsys):
    assert cli.main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: xcorr-app")
    assert all(len(line) <= 80 for line in text.splitlines())


def test_help_names_every_option_and_command(capsys):
    cli.main(["--help"])
    text = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert f"\n  {name} " in text
    cli.main(["--help-all"])
    every = capsys.readouterr().out
    for name, option in options_of(Config).items():
        for output, here in ((every, True), (text, not option.rare)):
            spelled = f"--{name.replace('_', '-')}"
            assert bool(re.search(rf"{spelled}[ ,\n]", output)) == here, name


def test_help_loads_nothing_heavy():
    # a tenth of a second, as long as this holds
    loaded = (
        "import sys, xcorr_app.cli as c; c.main(['--help']); "
        "print({'numpy', 'obspy', 'scipy', 'rich', 'h5py'} & set(sys.modules))"
    )
    run = [sys.executable, "-c", loaded]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_closed_pipe_is_no_error():
    # the reader closes before anything is written
    read_end, write_end = os.pipe()
    os.close(read_end)
    run = [sys.executable, "-m", "xcorr_app", "init", "-"]
    done = subprocess.run(run, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert done.stderr == b""
    assert done.returncode == 141
