import errno
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from obspy import Trace

from dispel4py.errors import DataError
from seismo_pes.application.lock import LOCK_FILE
from seismo_pes.full_disk import DiskFull, is_full, report_full_disk
from seismo_pes.writing import correlation_writer as write
from seismo_pes.writing import disk_output as sink
from xcorr_app import store
from xcorr_app.cli import main


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_every_error_of_a_full_disk_gives_one_line():
    for error in (
        OSError(errno.ENOSPC, "No space left on device", "name"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("Unable to flush (errno = 28, message = 'No space left on device')"),
        RuntimeError("Problems closing file (message = 'No space left on device')"),
    ):
        with pytest.raises(DiskFull) as output, report_full_disk("out", "that stays"):
            raise error
        assert str(output.value) == "out: the disk is full; that stays"
        assert output.value.errno == errno.ENOSPC
        assert isinstance(output.value, DataError)
        assert is_full(output.value)


def test_other_errors_pass():
    with pytest.raises(FileNotFoundError), report_full_disk("out"):
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")
    with pytest.raises(DiskFull, match=r"^inner"), report_full_disk("outer"):
        raise DiskFull("inner")


@pytest.fixture
def words(write_trace, rng, tmp_path):
    for station in ("AAA", "BBB", "CCC"):
        write_trace(station, rng.standard_normal(6000).astype("f4"))
    stations = tmp_path / "stations.txt"
    stations.write_text("XX.*\n")
    return [
        *("--stations", str(stations), "--data", str(tmp_path / "data")),
        *("--out", str(tmp_path / "out"), "--window-s", "60", "--max-lag-s", "5"),
        "--quiet",
    ]


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_the_disk_fills_while_a_run_writes(
    words, tmp_path, monkeypatch, capsys, policy
):
    sizes, pwrite = [], sink.os.pwrite

    def some_room(fd, data, offset):
        sizes.append(len(data))
        # the accounts of three channels, then data and records of two tiles
        return full_disk() if len(sizes) > 7 else pwrite(fd, data, offset)

    monkeypatch.setattr(sink.os, "pwrite", some_room)
    monkeypatch.setattr(
        "xcorr_app.planning.division.block_size", lambda *_: 1
    )  # more tiles
    assert main([*words, "--on-error", policy]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    out = tmp_path / "out"
    assert line == (
        f"xcorr-app: error: {out}: the disk is full; the correlations that were "
        "written before stay readable"
    )
    assert not (out / LOCK_FILE).exists()
    with store.open(out) as results:
        assert 1 <= len(results) < 3
        assert np.isfinite(next(iter(results)).data).all()


def test_the_disk_is_full_when_a_part_is_made(words, monkeypatch, capsys):
    monkeypatch.setattr(write, "create_part", full_disk)
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the disk is full" in line


@pytest.mark.parametrize("name", ["running.session.create_run", "workflow.finalize"])
def test_the_disk_is_full_before_or_after(words, monkeypatch, capsys, name):
    monkeypatch.setattr(f"xcorr_app.{name}", full_disk)
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the disk is full" in line


def test_two_runs_in_one_folder(words, tmp_path, monkeypatch, capsys):
    statuses = []

    def meanwhile(*_, **__):
        statuses.append(main([*words, "--force"]))
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr("xcorr_app.workflow.run_graph", meanwhile)
        assert main(words) == 130
    assert statuses == [2]
    refused, interrupted = capsys.readouterr().err.splitlines()
    assert refused.startswith(f"xcorr-app: error: {tmp_path / 'out'}: another run")
    out = tmp_path / "out"
    assert interrupted == f"xcorr-app: interrupted: {out}: --resume continues it"
    assert main([*words, "--force"]) == 0


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ended")
    rng = np.random.default_rng(1)
    (folder / "data").mkdir()
    for station in ("AAA", "BBB"):
        header = {"network": "XX", "station": station, "channel": "HHZ"}
        trace = Trace(rng.standard_normal(600).astype("f4"), header)
        trace.write(str(folder / "data" / f"{station}.mseed"), "MSEED")
    (folder / "stations.txt").write_text("XX.AAA 45 10\nXX.BBB 45.1 10\n")
    words = ["--stations", str(folder / "stations.txt"), "--out", str(folder / "out")]
    words += ["--data", str(folder / "data"), "--window-s", "60", "--max-lag-s", "9"]
    assert main([*words, "--quiet"]) == 0
    return folder / "out"


@pytest.mark.parametrize(
    ("command", "number"),
    [("plot", errno.EFBIG), ("report", errno.ENOSPC), ("export", errno.ENOSPC)],
)
def test_the_disk_is_full_when_results_are_shown(
    ended, tmp_path, monkeypatch, capsys, command, number
):
    place, words = ended, [command, str(ended)]
    if command == "export":
        place = tmp_path / "dest.npz"
        words += [str(place), "--format", "npz"]
    before, sync = sorted(ended.rglob("*")), os.fsync

    def fail(descriptor):
        # figures of a report are temporary files elsewhere
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(place.parent)):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    with monkeypatch.context() as during:
        during.setattr(os, "fsync", fail)
        assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"xcorr-app: error: {place}")
    assert sorted(ended.rglob("*")) == before
    assert not list(tmp_path.iterdir())


FULL_UNDER_MPI = """
import sys
from seismo_pes.writing import disk_output as sink
pwrite, sizes = sink.os.pwrite, []
def some_room(fd, data, offset):
    sizes.append(len(data))
    if len(sizes) > 2:
        raise OSError(*ERROR)
    return pwrite(fd, data, offset)
sink.os.pwrite = some_room
from xcorr_app.cli import main
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ESTALE])
def test_a_full_or_lost_disk_gives_one_line_under_mpi(words, tmp_path, number):
    pytest.importorskip("mpi4py")
    from dispel4py.mappings.mpi.launch import find_mpiexec

    script = tmp_path / "full.py"
    error = number, os.strerror(number)
    script.write_text(f"ERROR = {error!r}\n{FULL_UNDER_MPI}")
    command = [find_mpiexec(), "-n", "2", sys.executable, str(script), *words]
    done = subprocess.run(
        [*command, "--mapping", "mpi"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    out = tmp_path / "out"
    message = [line for line in done.stderr.splitlines() if "MPI_Abort" not in line]
    (line,) = [line for line in message if line.strip()]
    assert line.startswith(f"error: {out}")
    assert line.endswith(
        "the disk is full; the correlations that were written before stay readable"
        if number == errno.ENOSPC
        else ".h5: Stale file handle"
    )
    with store.open(out) as results:
        assert len(results) < 3
    assert main([*words, "--resume"]) == 0
    with store.open(out) as results:
        assert len(results) == 3


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", ["rename", "remove"])
def test_a_folder_that_is_moved_or_removed_in_a_run(
    words, tmp_path, monkeypatch, capsys, change, when
):
    from xcorr_app import workflow

    out, whole = tmp_path / "out", workflow.run_graph

    def moved(*args, **kwargs):
        if when == "after":
            result = whole(*args, **kwargs)
        if change == "rename":
            out.rename(tmp_path / "elsewhere")
        else:
            shutil.rmtree(out)
        return result if when == "after" else whole(*args, **kwargs)

    with monkeypatch.context() as during:
        during.setattr(workflow, "run_graph", moved)
        assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"xcorr-app: error: {out}: was moved or removed")
    if change == "rename":
        shutil.rmtree(out, ignore_errors=True)
        (tmp_path / "elsewhere").rename(out)
        (out / LOCK_FILE).unlink()  # of this process, which has not ended
        assert main([*words, "--resume"]) == 0
        with store.open(out) as results:
            assert len(results) == 3
