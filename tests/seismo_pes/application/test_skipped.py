"""The list of skipped data, on the terminal and in the folder of a run."""

from seismo_pes.application.skipped import (
    n_skipped,
    read_skipped,
    skipped_table,
    write_skipped,
)
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS


def test_no_table_without_skipped_data():
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


def test_equal_causes_share_a_row_with_their_times(tmp_path):
    hour = 3600 * NS
    skipped = [
        Skipped("read", "a.mseed", "broken"),
        Skipped("reject", "XX.A..BHZ", "loud", 2, 0, 2 * hour),
        Skipped("reject", "XX.A..BHZ", "loud", 3, 30 * hour, 33 * hour),
        Skipped("reject", "XX.A..BHZ", "loud", 1, 2 * hour, 3 * hour),
    ]
    path = write_skipped(tmp_path, skipped)
    times = (
        "1970-01-01T00:00:00/1970-01-01T03:00:00 "
        "1970-01-02T06:00:00/1970-01-02T09:00:00"
    )
    rows = [
        ["read", "a.mseed", "broken", "1", ""],
        ["reject", "XX.A..BHZ", "loud", "6", times],
    ]
    assert read_skipped(tmp_path) == rows
    assert path.read_text().startswith("stage\twhat\treason\tcount\ttimes\n")
    lines = skipped_table(skipped, width=80).splitlines()
    assert lines[-1].strip() == "XX.A..BHZ: 1970-01-01 to 1970-01-02"


def test_without_a_file_there_are_no_rows(tmp_path):
    assert read_skipped(tmp_path) == []
