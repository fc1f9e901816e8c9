"""The files of provenance: ids, torn lines, a full disk, a file that grows."""

from __future__ import annotations

import os
import resource
import signal

import pytest

from dispel4py.provenance import model


def test_run_ids_sort_by_time_and_differ():
    ids = [model.make_run_id(t) for t in (0.0, 0.5, 1.0, 86400.0)]
    assert ids == sorted(ids)
    assert model.make_run_id(5.0) != model.make_run_id(5.0)


@pytest.mark.parametrize(
    "text", ["R", "R/Double1/0", "R/Double1/0/17", "R/Double1/0/17/out/put/2"]
)
def test_an_id_is_its_parts(text):
    assert str(model.parse_id(text)) == text


@pytest.mark.parametrize(
    "text", ["", "R/pe", "R/pe/x", "R/pe/0/1/output", "R/pe/0/1//0", "R//0"]
)
def test_other_texts_are_no_ids(text):
    with pytest.raises(ValueError, match="is not the id of"):
        model.parse_id(text)


def written(path, n=3):
    writer = model.Writer(path)
    for k in range(n):
        writer.write({"kind": "call", "n": k})
    writer.close()
    return writer


def numbers(path, offset=0):
    return [record and record["n"] for record, _ in model.read_records(path, offset)]


def test_records_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "new" / "prov-0.jsonl"
    assert written(path).n_written == 3
    assert numbers(path) == [0, 1, 2]


def test_a_torn_last_line_is_left_until_it_is_complete(tmp_path):
    path = tmp_path / "prov-0.jsonl"
    written(path, 2)
    with open(path, "ab") as file:
        file.write(b'{"kind":"call",')
    *_, (last, end) = model.read_records(path)
    assert last == {"kind": "call", "n": 1}
    assert numbers(path, end) == []
    with open(path, "ab") as file:
        file.write(b'"n":2}\n')
    assert numbers(path, end) == [2]


def test_lines_that_are_no_records_are_counted_and_skipped(tmp_path):
    path = tmp_path / "prov-0.jsonl"
    path.write_bytes(b'{"n":0}\n{"n":\n[1]\n\xff\xfe\n\n{"n":1}\n')
    assert numbers(path) == [0, None, None, None, 1]


def test_a_full_disk_is_told_once_and_later_records_are_whole(tmp_path, caplog):
    path = tmp_path / "prov-0.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = model.Writer(path)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        for k in range(20):
            writer.write({"kind": "call", "n": k})
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        writer.write({"kind": "call", "n": 20})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
        writer.close()
    found = numbers(path)
    assert found[: writer.n_written - 1] == list(range(writer.n_written - 1))
    assert found[-1] == 20
    assert found.count(None) == 1
    assert writer.n_written + writer.n_lost == 21
    assert len([r for r in caplog.records if "cannot be written" in r.message]) == 1


def test_a_folder_that_cannot_be_made_loses_all_records(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert written(tmp_path / "file" / "prov-0.jsonl").n_lost == 3
    assert len(caplog.records) == 1


def test_two_writers_never_share_a_file(tmp_path):
    written(tmp_path / "prov-0.jsonl")
    assert written(tmp_path / "prov-0.jsonl").n_lost == 3
    assert numbers(tmp_path / "prov-0.jsonl") == [0, 1, 2]


def test_the_segment_of_the_calling_process_is_first(tmp_path):
    for name in ("prov-0.jsonl", "prov-run.jsonl", model.segment_name(0, 1)):
        written(tmp_path / "B" / name)
    written(tmp_path / "A" / "prov-0.jsonl")
    os.mkdir(tmp_path / "empty")
    assert model.run_folders(tmp_path) == [tmp_path / "A", tmp_path / "B"]
    names = [path.name for path in model.segments(tmp_path / "B")]
    assert names == ["prov-run.jsonl", "prov-0.1.jsonl", "prov-0.jsonl"]
