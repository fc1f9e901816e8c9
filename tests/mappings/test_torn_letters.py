"""Letters of runs that were killed, or whose disk was full, cost no other letters."""

from __future__ import annotations

import pickle
import resource
from pathlib import Path

import pytest

from dispel4py.dead_letters import DeadLetter, append_letter, read_letters
from dispel4py.failure import Failure

FAILURE = Failure("Picky1", 0, 0, "process", "input", "3", "ValueError: 3")
LETTERS = [DeadLetter(FAILURE, pickle.dumps(text)) for text in ("a", "b" * 1000)]


def written(path: Path) -> bytes:
    for letter in LETTERS:
        append_letter(path, letter)
    return path.read_bytes()


@pytest.mark.parametrize("n_lost", [1, 5, 100, 1000, 1200])
def test_letters_after_a_torn_letter_are_read(tmp_path, n_lost) -> None:
    path = tmp_path / "letters"
    content = written(path)
    path.write_bytes(content[:-n_lost] + content)
    assert read_letters(path) == [LETTERS[0], *LETTERS]


def test_the_torn_begin_of_a_letter_costs_no_others(tmp_path) -> None:
    path = tmp_path / "letters"
    content = written(path)
    path.write_bytes(content + b"a dead le" + content)
    assert read_letters(path) == 2 * LETTERS


def test_a_disk_that_takes_a_part_of_a_letter_is_full(tmp_path) -> None:
    path = tmp_path / "letters"
    limit = len(written(path)) + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            append_letter(path, LETTERS[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(path)
    append_letter(path, LETTERS[0])
    assert read_letters(path) == [*LETTERS, LETTERS[0]]
