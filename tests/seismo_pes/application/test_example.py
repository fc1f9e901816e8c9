"""The parts of applications, used by a small one from command line to folder."""

import json

import pytest

from dispel4py.errors import ParameterError
from seismo_pes.application.lock import RunLock
from seismo_pes.application.options import options_of
from seismo_pes.application.toml_file import write_toml
from tests.seismo_pes.application.example import TABLES, Settings, main, settings


@pytest.fixture
def words(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.txt").write_text("1 3 2")
    (data / "b.txt").write_text("1 x")
    return ["--data", str(data), "--out", str(tmp_path / "out")]


def one_line(capsys):
    error = capsys.readouterr().err
    assert error.startswith("peaks: error: ")
    assert error.count("\n") == 1
    return error


def test_a_run_leaves_results_skipped_data_and_its_record(words, tmp_path, capsys):
    assert main(words) == 0
    out = tmp_path / "out"
    assert (out / "a.peak").read_text() == "3.0"
    assert "b.txt" in (out / "skipped.tsv").read_text()
    assert "1 skipped" in capsys.readouterr().out
    record = json.loads((out / "run.json").read_text())
    assert record["config"]["kind"] == "both"
    assert not (out / "run.lock").exists()


def test_a_run_is_continued_with_equal_options_only(words, tmp_path, capsys):
    assert main(words) == 0
    (tmp_path / "data" / "b.txt").write_text("4")
    assert main([*words, "--resume"]) == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [session["how"] for session in record["sessions"]] == ["start", "resume"]
    assert (tmp_path / "out" / "b.peak").exists()
    capsys.readouterr()
    assert main([*words, "--resume", "--clip", "2"]) == 2
    assert "--resume with --clip 2.0, but" in one_line(capsys)
    assert main(words) == 2
    assert "--resume continues them" in one_line(capsys)


def test_there_must_be_a_run_to_continue(words, capsys):
    assert main([*words, "--resume"]) == 2
    assert "no run was started in" in one_line(capsys)


def test_one_run_at_a_time_writes_to_a_folder(words, tmp_path, capsys):
    with RunLock(tmp_path / "out") as lock:
        lock.take()
        assert main(words) == 2
    assert "another run writes to it" in one_line(capsys)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--smooth-s", "2"], "--smooth-s has no effect without --clip"),
        (["--clip", "0"], "--clip 0: must be above 0"),
        (["--kind", "negative"], "'negative' is not one of both, positive"),
        (["--clp", "1"], "unknown option --clp: did you mean --clip?"),
        (["--config", "nowhere.toml"], "nowhere.toml: No such file"),
    ],
)
def test_a_mistake_gives_one_line(words, more, message, capsys):
    assert main([*words, *more]) == 2
    assert message in one_line(capsys)


def test_interrupts_and_failures_have_statuses(words, monkeypatch, capsys):
    name = "tests.seismo_pes.application.example.run"
    for error, status in ((KeyboardInterrupt("x"), 130), (OSError(5, "bad", "f"), 1)):

        def fails(config, error=error):
            raise error

        monkeypatch.setattr(name, fails)
        assert main(words) == status


def test_file_command_line_and_python_agree(words, tmp_path):
    path = tmp_path / "peaks.toml"
    path.write_text(write_toml(Settings, TABLES, {"clip": 2.0, "data": "D"}))
    config = settings(["--config", str(path), "--out", "O", "--kind", "positive"])
    assert config == Settings(data="D", out="O", clip=2, kind="positive", smooth_s=0.5)
    assert "# smooth_s = 0.5" in path.read_text()
    assert "# smoothing (default: 0.5 s)" in path.read_text()
    with pytest.raises(ParameterError, match="--data TEXT is missing"):
        Settings(out="O")


def test_the_file_of_init_has_all_options(words, tmp_path):
    path = tmp_path / "peaks.toml"
    assert main(["init", str(path)]) == 0
    assert settings(["--config", str(path), *words]) == settings(words)


def test_the_help_names_each_option_with_unit_and_default(capsys):
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"--{name.replace('_', '-')}" in text for name in options_of(Settings))
    assert "clip at this level (m/s)" in text
    assert "smoothing (default: 0.5 s)" in text
