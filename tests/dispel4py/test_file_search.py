"""Files are found as by the glob module; folders that cannot be listed are reported."""

from __future__ import annotations

import contextlib
import errno
import glob
import os

import pytest

from dispel4py.file_search import (
    files_below,
    files_named,
    matching_files,
    matching_paths,
)
from dispel4py.files import list_folder


def never(error):
    raise error


@pytest.fixture
def tree(tmp_path):
    names = ("a.ms", "b.sac", "[c].ms", ".hidden", "x/a.ms", "x/y/b.ms", "x/.z/c.ms")
    for name in (*names, "2024/XX/AAA/day.1", "2024/YY/BBB/day.2", "x/a{1}"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


PATTERNS = (
    *("*", "*.ms", "[[]c].ms", "a.ms", "x/*", "*/*", "*/*/*/day.?", "x/.*/*", ".*"),
    *("20[0-9]4/**/day.*", "**/*.ms", "**", "**/y/*", "x/a{1}"),
    *("none*", "none/*", "a.ms/*"),
)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("begin", ["here", "absolute"])
def test_the_same_paths_as_glob(tree, pattern, begin, monkeypatch):
    monkeypatch.chdir(tree)
    text = pattern if begin == "here" else f"{tree}/{pattern}"
    expected = glob.glob(text, recursive=True)
    if pattern == "**":  # glob also returns the folders
        expected = [path for path in expected if os.path.isfile(path)]
    paths = [str(path) for path in matching_paths(text, never)]
    assert sorted(paths) == sorted(expected)
    assert len(paths) == len(set(paths))


def test_links_are_followed_once_and_those_to_themselves_are_skipped(tree):
    for name in ("loop", "again", "x/loop"):
        (tree / name).symlink_to(tree)
    (tree / "self.ms").symlink_to(tree / "self.ms")
    (tree / "broken.ms").symlink_to(tree / "gone")
    (tree / "linked").symlink_to(tree / "x")
    (tree / "2024" / "AAA.ms").symlink_to(tree / "a.ms")
    # 40 levels of three links each are more paths than a search could visit
    shown = sum(not path.name.startswith(".") for path in tree.rglob("*.*"))
    found = list(files_below(tree, never))
    assert len({path.resolve() for path in found}) == len(found) - 1 > 6
    assert len(found) < shown
    matches = [p for p in matching_paths(f"{tree}/**/*.ms", never) if p.is_file()]
    assert {path.resolve() for path in matches} == {
        path.resolve() for path in found if path.suffix == ".ms"
    }


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_folder_that_cannot_be_listed_is_reported(tree, monkeypatch, number):
    scan, closed = os.scandir, str(tree / "x")

    def fail(path):
        if str(path) == closed:
            raise OSError(number, os.strerror(number), path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", fail)
    searches = [
        lambda report: files_below(tree, report),
        lambda report: matching_paths(f"{tree}/**/*.ms", report),
        lambda report: matching_paths(f"{tree}/*/*.ms", report),
    ]
    for search in searches:
        errors = []
        assert "a.ms" not in [p.name for p in search(errors.append) if p.parent != tree]
        assert [(e.filename, e.errno) for e in errors] == [(closed, number)]
    with pytest.raises(OSError, match=os.strerror(number)):
        files_named(tree / "x", "*.ms")


def test_a_file_that_cannot_be_looked_at_is_reported(tree, monkeypatch):
    """A folder may be listed by users who may not open its files."""
    look = os.stat

    def fail(path, *args, **kwargs):
        if str(path).endswith("b.sac"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", fail)
    errors = []
    assert "b.sac" not in [path.name for path in files_below(tree, errors.append)]
    assert [error.filename for error in errors] == [str(tree / "b.sac")]


class Entry:
    """An entry of a folder; the system cannot tell whether it is a folder."""

    def __init__(self, entry):
        self.name = entry.name

    def is_dir(self):
        raise OSError(errno.EIO, os.strerror(errno.EIO), self.name)


@pytest.fixture
def unknown(tree, monkeypatch):
    """Links whose kind `os.scandir` cannot tell, to a folder and to a file."""
    (tree / "linked").symlink_to(tree / "x")
    (tree / "link.ms").symlink_to(tree / "a.ms")
    scan = os.scandir

    @contextlib.contextmanager
    def scandir(path):
        with scan(path) as entries:
            yield [Entry(e) if e.name.startswith("link") else e for e in entries]

    monkeypatch.setattr(os, "scandir", scandir)
    return tree


def test_entries_of_unknown_kind_are_looked_at_again(unknown):
    folders, files = list_folder(str(unknown))
    assert {"linked", "link.ms"} == set(folders).intersection(files)
    (unknown / "x").rename(unknown / ".x")  # visited by its link only
    (unknown / "linked").unlink()
    (unknown / "linked").symlink_to(unknown / ".x")
    found = [str(path.relative_to(unknown)) for path in files_below(unknown, never)]
    assert {"link.ms", "linked/a.ms", "linked/y/b.ms"} <= set(found)
    assert len(found) == len(set(found))
    assert sorted(map(str, matching_files(f"{unknown}/link*", never))) == [
        f"{unknown}/link.ms"
    ]
    assert len(list(matching_paths(f"{unknown}/link*", never))) == 2
    assert list(matching_paths(f"{unknown}/linked/a*", never)) == [
        unknown / "linked/a.ms", unknown / "linked/a{1}",
    ]  # fmt: skip


def test_entries_that_stay_unknown_are_reported_once(unknown, monkeypatch):
    look = os.stat

    def fail(path, *args, **kwargs):
        if os.path.basename(path).startswith("link"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return look(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", fail)
    errors = []
    assert unknown / "a.ms" in list(files_below(unknown, errors.append))
    assert [error.filename for error in errors] == [
        str(unknown / "link.ms"), str(unknown / "linked"),
    ]  # fmt: skip


@pytest.mark.parametrize("search", [matching_paths, matching_files])
@pytest.mark.parametrize("pattern", ["a.ms", "[a].ms"])
def test_a_path_that_cannot_be_looked_at_is_not_taken_for_none(
    tree, monkeypatch, search, pattern
):
    def fail(path, *args, **kwargs):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(os, "lstat", fail)
    errors = []
    assert list(search(f"{tree}/{pattern}", errors.append)) == []
    assert [error.filename for error in errors] == [str(tree / "a.ms")]


def test_files_of_no_folder(tree):
    assert files_named(tree / "none", "*") == []
    assert [path.name for path in files_named(tree, "*.ms")] == ["[c].ms", "a.ms"]
