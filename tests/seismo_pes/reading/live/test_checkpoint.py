"""The checkpoint on disk is whole or absent."""

import pytest

from dispel4py.errors import DataError
from seismo_pes.reading.live.checkpoint import read_checkpoint, write_checkpoint


def test_the_last_time_is_read_again(tmp_path) -> None:
    folder = tmp_path / "state"
    assert read_checkpoint(folder) is None
    for needed_ns in (5, 1_700_000_000_123_456_789):
        write_checkpoint(folder, needed_ns)
        assert read_checkpoint(folder) == needed_ns
    assert [path.name for path in folder.iterdir()] == ["checkpoint.json"]


@pytest.mark.parametrize("content", ["", '{"format": "live ', "[]"])
def test_a_damaged_file_is_named(tmp_path, content) -> None:
    write_checkpoint(tmp_path, 5)
    (tmp_path / "checkpoint.json").write_text(content)
    with pytest.raises(DataError, match=r"checkpoint\.json"):
        read_checkpoint(tmp_path)
