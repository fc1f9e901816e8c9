"""Reading arrays of a part file."""

import os
from pathlib import Path

import numpy as np
import pytest

from seismo_pes.writing.part_records import read_array


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file of Linux")
def test_a_failed_read_is_no_short_file():
    """Nothing can be read at the begin of the memory; fromfile returns no values."""
    path = Path("/proc/self/mem")
    with (
        open(path, "rb") as file,
        pytest.raises(OSError, match="Input/output") as raised,
    ):
        read_array(path, file, np.float32, 3)
    assert raised.value.filename == str(path)


def test_an_array_ends_with_its_file(tmp_path):
    path = tmp_path / "values"
    path.write_bytes(np.arange(3, dtype="<f4").tobytes() + b"\0\0")
    with open(path, "rb") as file:
        assert read_array(path, file, "<f4", 2).tolist() == [0, 1]
        assert read_array(path, file, "<f4", 9).tolist() == [2]
        assert read_array(path, file, "<f4", 9).tolist() == []
