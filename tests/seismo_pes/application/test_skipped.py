"""The list of skipped data, on the terminal and in the folder of a run."""

from seismo_pes.application.skipped import (
    n_skipped,
    read_skipped,
    skipped_table,
    write_skipped,
)
from seismo_pes.items.skipped import Skipped


def test_nothing_skipped_is_no_table():
    assert skipped_table([]) == ""
    assert n_skipped([]) == 0


def test_table_groups_by_stage_and_reason():
    skipped = [
        Skipped("merge", "XX.A..BHZ", "overlap", 3),
        Skipped("read", "x.sac", "torn"),
        Skipped("merge", "XX.B..BHZ", "overlap"),
    ]
    lines = skipped_table(skipped, width=80).splitlines()
    assert lines == [
        "5 skipped or used with a remark:",
        "  merge       4  overlap",
        "                 XX.A..BHZ, XX.B..BHZ",
        "  read        1  torn",
        "                 x.sac",
    ]


def test_rows_of_earlier_starts_are_kept(tmp_path):
    first, second = (Skipped("read", name, "broken") for name in ("a.mseed", "b.mseed"))
    path = write_skipped(tmp_path, [first])
    write_skipped(tmp_path, [first, second], keep=True)
    lines = ["stage\twhat\treason\tcount", "read\ta.mseed\tbroken\t1"]
    assert path.read_text().splitlines() == [*lines, "read\tb.mseed\tbroken\t1"]
    write_skipped(tmp_path, [], keep=True)
    assert len(read_skipped(tmp_path)) == 2
    write_skipped(tmp_path, [first])  # a new run
    assert path.read_text().splitlines() == lines


def test_without_a_file_there_are_no_rows(tmp_path):
    assert read_skipped(tmp_path) == []
