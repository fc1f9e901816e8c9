"""A folder or file that cannot be looked at is never taken for none."""

import builtins
import errno
import json
import os

import pytest
from records import RUN, call, product, write_run

from dispel4py.base import ProducerPE
from dispel4py.cli import main
from dispel4py.provenance import files
from dispel4py.provenance.files import digest_of_file, file_record, listed_files
from dispel4py.provenance.model import Writer, read_records, segments
from dispel4py.provenance.notebook import ProvenanceStore
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from tests.unseen import hide, hide_list


@pytest.fixture
def folder(tmp_path):
    """A run with a product in a file."""
    folder = tmp_path / "records"
    path = write_run(folder)
    target = tmp_path / "0.dat"
    target.write_bytes(b"data")
    writer = Writer(path / "prov-7.jsonl")
    writer.write({"kind": "process", "process": 7, "instances": {"7": ["Write", 0]}})
    written = product("7.-1.-1.0", {"n": 0}, location=str(target))
    written |= {"sha256": digest_of_file(str(target)), "size": 4}
    writer.write(call(7, 10, ["input", "1.1.2.3"], [written]))
    writer.close()
    return folder


def prov(folder, *words):
    return main(["prov", *words, "--provenance", str(folder)])


def hide_open(monkeypatch, path):
    """Let a file not be opened."""
    opened = builtins.open

    def fail(file, *args, **kwargs):
        if str(file) == str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", fail)


def test_a_folder_of_records_that_cannot_be_listed(folder, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        hide_list(patch, folder)
        assert prov(folder, "runs") == 1
    output, errors = capsys.readouterr()
    assert errors == f"dispel4py: error: {folder}: Permission denied\n"
    assert output == ""


UNREAD = "dispel4py: records that could not be read: {}: Permission denied\n"


@pytest.mark.parametrize("words", [["runs"], ["ingest"], ["search", "n = 0", "--json"]])
def test_a_closed_run_is_told_and_the_others_are_read(
    folder, monkeypatch, capsys, words
):
    other = write_run(folder, run="20260102T000000.000-bbbbbb")
    with monkeypatch.context() as patch:
        hide_list(patch, other)
        assert prov(folder, *words) == 3
    output, errors = capsys.readouterr()
    assert errors == UNREAD.format(other)
    assert RUN in output or " 1 runs" in output
    assert prov(folder, "runs") == 0
    assert other.name in capsys.readouterr().out


def test_a_closed_segment_is_read_the_next_time(folder, monkeypatch, capsys):
    segment = folder / RUN / "prov-7.jsonl"
    with monkeypatch.context() as patch:
        hide_open(patch, segment)
        assert prov(folder, "search", "n = 0") == 3
    output, errors = capsys.readouterr()
    assert errors == UNREAD.format(segment)
    assert "Write/0/10" not in output
    assert prov(folder, "search", "n = 0") == 0
    assert "Write/0/10" in capsys.readouterr().out


def test_a_notebook_warns_of_a_closed_run(folder, monkeypatch):
    other = write_run(folder, run="20260102T000000.000-bbbbbb")
    with monkeypatch.context() as patch:
        hide_list(patch, other)
        with pytest.warns(UserWarning, match="bbbbbb: Permission denied"):
            store = ProvenanceStore(folder)
    with store:
        assert list(store.runs().index) == [RUN]


@pytest.mark.parametrize("words", [["runs"], ["errors"], ["runs", "--json"]])
def test_a_folder_of_records_that_cannot_be_looked_at(
    folder, monkeypatch, capsys, words
):
    for more in (["--provenance", str(folder)], [str(folder)]):
        with monkeypatch.context() as patch:
            hide(patch, [folder])
            assert main(["prov", *words, *more]) == 1
        error = capsys.readouterr().err
        assert error == f"dispel4py: error: {folder}: Input/output error\n"


def test_a_file_that_cannot_be_looked_at_is_not_missing(
    folder, tmp_path, monkeypatch, capsys
):
    target = tmp_path / "0.dat"
    with monkeypatch.context() as patch:
        hide(patch, [target])
        assert prov(folder, "check", "n = 0 and has(product.location)", "--json") == 1
        (file,) = json.loads(capsys.readouterr().out)["files"]
        assert file["state"] == "unreadable"
        for words in (["purge", "n = 0"], ["download", "n = 0", "-o", "all.zip"]):
            assert prov(folder, *words) == 1
            error = capsys.readouterr().err
            assert error == f"dispel4py: error: {target}: Input/output error\n"
    assert target.exists()
    assert prov(folder, "check", "n = 0 and has(product.location)") == 0


def test_a_wrong_folder_as_the_last_word(tmp_path, capsys):
    for place, reason in (
        (tmp_path / "none", "there is no folder"),
        (tmp_path, "no records of runs are in"),
    ):
        for words in (["runs"], ["errors", RUN], ["runs", "--json"]):
            assert main(["prov", *words, str(place)]) == 2
            error = capsys.readouterr().err
            assert error.startswith(f"dispel4py: error: {reason} {place}: give the")
            assert error.count("\n") == 1


# ------------------------------------------------------------- records of files


def test_files_that_cannot_be_looked_at_are_listed(tmp_path, monkeypatch):
    data = tmp_path / "[data]"
    data.mkdir()
    paths = [str(data / name) for name in ("a.ms", "b.ms", "c.ms")]
    for path in paths:
        (data / path).touch()
    (data / "inner").mkdir()
    pattern = f"{tmp_path}/[[]data]/?.ms"
    sources = [str(data), pattern, paths[0]]
    for source in sources[:2]:
        assert listed_files([source, "fdsn://IRIS", "none", "none/*"]) == paths
    hide(monkeypatch, paths)
    for source in sources[:2]:
        assert listed_files([source]) == paths
    assert listed_files(paths[:1]) == paths[:1]
    assert file_record(paths[0]) == {"path": paths[0]}
    hide_list(monkeypatch, data)
    assert listed_files([str(data)]) == [str(data)]
    assert listed_files([pattern]) == [str(data)]


def test_the_record_of_a_file_has_its_digest(tmp_path):
    path = tmp_path / "a.ms"
    path.write_bytes(b"data")
    record = file_record(str(path))
    assert record["sha256"] == files.digest_of_file(str(path))
    assert "sha256" not in file_record(str(tmp_path))


class Numbers(ProducerPE):
    def _process(self, inputs):
        self.write("output", 1)


def test_records_are_written_beside_a_file_that_cannot_be_looked_at(
    tmp_path, monkeypatch
):
    graph = WorkflowGraph()
    graph.add(Numbers())
    look = os.stat

    def fail(path, *args, **kwargs):
        if not isinstance(path, int) and os.fspath(path).endswith(".jsonl"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))
        return look(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        run(graph, {"Numbers0": 1}, provenance=tmp_path)
    (path,) = tmp_path.iterdir()
    records = [record for file in segments(path) for record, _ in read_records(file)]
    kinds = [record["kind"] for record in records]
    assert {"run", "process", "call", "end"} <= set(kinds)
