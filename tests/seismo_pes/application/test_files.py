"""Folders are removed whole, or the error is told."""

from __future__ import annotations

import errno
import os

import pytest

from seismo_pes.application.files import remove_folder


def test_a_folder_is_removed_with_its_content_and_of_a_link_only_the_link(tmp_path):
    folder, link = tmp_path / "folder", tmp_path / "link"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").touch()
    link.symlink_to(folder)
    remove_folder(link)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert (folder / "inner" / "file").exists()
    remove_folder(folder)
    remove_folder(folder)
    assert not folder.exists()


@pytest.mark.parametrize("call", ["unlink", "rmdir", "lstat"])
def test_what_stays_is_told_with_its_path(tmp_path, monkeypatch, call):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()

    def fail(path, *args, **kwargs):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)) as told:
            remove_folder(folder)
    assert told.value.errno == errno.EIO
    assert str(told.value.filename) == str(folder)
