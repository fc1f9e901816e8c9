"""Arrays in a temporary file: errors of the disk name its folder."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from seismo_pes.gathering.spool import Spool


@pytest.mark.parametrize("call", ["preadv", "ftruncate"])
def test_a_failure_names_the_folder(call, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    spool = Spool(tmp_path)
    slot = spool.put(np.arange(10.0))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="Input/output error") as caught:
            (spool.get if call == "preadv" else spool.release)(slot)
    assert caught.value.filename == str(tmp_path)
    spool.close()
