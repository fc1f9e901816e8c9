"""Files are found as by the glob module; folders that cannot be listed are reported."""

from __future__ import annotations

import errno
import glob
import os

import pytest

from seismo_pes.file_search import files_below, files_named, matching_paths


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


def test_files_of_no_folder(tree):
    assert files_named(tree / "none", "*") == []
    assert [path.name for path in files_named(tree, "*.ms")] == ["[c].ms", "a.ms"]
