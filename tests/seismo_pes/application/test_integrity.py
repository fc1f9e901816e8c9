"""The check of the files of a run: what it advises, and what it repairs."""

from pathlib import Path

import pytest

from dispel4py.errors import DataError, ParameterError
from seismo_pes.application.integrity import (
    CheckedFile,
    CheckedFiles,
    check_run,
    problem_of,
)
from seismo_pes.application.run_record import RUN_FILE, read_record


def checked(out, problems, repair=None):
    (out / RUN_FILE).touch()
    files = [CheckedFile(out / name, problem) for name, problem in problems.items()]

    def check(folder):
        assert folder == out
        return CheckedFiles(files, f"{len(files)} files", repair)

    return check


def test_intact_files(tmp_path):
    check = checked(tmp_path, {"a": "", "b": ""})
    expected = f"{tmp_path}: 2 files are intact", True
    assert check_run(tmp_path, "app", check, False, "marks it") == expected


def test_damaged_files_are_repaired_if_the_user_says_so(tmp_path):
    check = checked(
        tmp_path,
        {"a": "torn", "b": ""},
        lambda damaged: [f"removed {file.path.name}" for file in damaged],
    )
    line = f"{tmp_path / 'a'}: torn"
    text = f"{line}\napp check {tmp_path} --repair marks it"
    assert check_run(tmp_path, "app", check, False, "marks it") == (text, False)
    expected = f"{line}\nremoved a", True
    assert check_run(tmp_path, "app", check, True, "marks it") == expected


def test_a_damaged_record_is_never_repaired_nor_is_this_advised(tmp_path):
    check = checked(tmp_path, {"a": "torn", RUN_FILE: "torn"})  # repair would raise
    text, is_usable = check_run(tmp_path, "app", check, False, "marks it")
    assert not is_usable
    assert "--repair" not in text
    assert "put back a copy of it, or start the run again with another --out" in text
    with pytest.raises(DataError, match=r"another --out$") as failure:
        check_run(tmp_path, "app", check, True, "marks it")
    assert "a: torn" not in str(failure.value)


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(ParameterError, match=f"no run of app .{RUN_FILE} is not in it"):
        check_run(tmp_path, "app", checked, False, "marks it")


@pytest.mark.parametrize("folder", ["run", "run: the second"])
def test_the_damage_in_words_has_no_path_and_no_advice(tmp_path, folder):
    out = tmp_path / folder
    out.mkdir()
    path = out / RUN_FILE
    path.write_text("{}")
    with pytest.raises(DataError) as failure:
        read_record(out, "app run", 1)
    words = "not the 'app run' of this program, or damaged"
    assert problem_of(path, "app", failure.value) == words
    error = DataError(f"{path}: torn: app check {out} --repair marks it")
    assert problem_of(path, "app", error) == "torn"
    error = PermissionError(13, "Permission denied", str(path))
    assert problem_of(path, "app", error) == "cannot be read (Permission denied)"
    assert problem_of(Path("x"), "app", DataError("y: torn")) == "y: torn"
