"""A file does not exist only if the operating system says that there is none."""

import errno
import os

import pytest

from dispel4py.files import exists, is_file, is_folder, list_folder
from tests.unseen import hide

NONE = (False, False, False)
QUESTIONS = (exists, is_file, is_folder)


def answers(path):
    return tuple(ask(path) for ask in QUESTIONS)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, target in (
        *(("to-file", "file"), ("to-inner", "inner")),
        *(("broken", "gone"), ("loop", "again"), ("again", "loop")),
    ):
        (tmp_path / name).symlink_to(target)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("inner", (True, False, True)),
        ("file", (True, True, False)),
        ("pipe", (True, False, False)),
        ("to-file", (True, True, False)),
        ("to-inner", (True, False, True)),
        ("none", NONE),
        ("none/below", NONE),
        ("file/below", NONE),
        ("broken", NONE),
        ("loop", NONE),
        ("n" * 300, NONE),
        ("null\0", NONE),
        ("\ud800", NONE),  # no name of a file
    ],
)
def test_the_kinds(folder, name, expected):
    assert answers(folder / name) == expected
    assert answers(str(folder / name)) == expected


def test_no_path(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert answers("") == NONE
    assert list_folder("") == list_folder(folder) == list_folder(".")


@pytest.mark.parametrize("name", ["file", "inner"])
@pytest.mark.parametrize(
    "number", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ENFILE]
)
def test_a_failed_look_is_no_answer(folder, monkeypatch, name, number):
    hide(monkeypatch, [folder / name], number)
    for ask in QUESTIONS:
        with pytest.raises(OSError, match=os.strerror(number)) as failure:
            ask(folder / name)
        assert failure.value.filename == str(folder / name)


def test_the_names_in_a_folder(folder):
    expected = ["inner", "to-inner"], ["again", "broken", "file", "loop", "pipe"]
    expected[1].append("to-file")
    assert list_folder(folder) == expected
    for name in ("none", "file", "loop", "null\0", "n" * 300):
        assert list_folder(folder / name) == ([], [])


def test_a_folder_that_cannot_be_listed(folder, monkeypatch):
    def fail(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        list_folder(folder)
