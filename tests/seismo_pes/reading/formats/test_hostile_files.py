"""Files that crash or block their readers, or are not regular, cost only themselves."""

from __future__ import annotations

import gzip
import os
import pickle
import shutil
import sys
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import obspy
import pytest
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.items.skipped import FAILED_READ
from seismo_pes.reading.archives import scan_pool
from seismo_pes.reading.archives.scan_pool import scan_many
from seismo_pes.reading.formats import reading_process, waveform_files
from seismo_pes.reading.formats.mseed2 import sound_records
from seismo_pes.reading.formats.waveform_files import read_file
from seismo_pes.regular_file import ReadFailed

GSE2 = Path(obspy.__file__).parent / "io/gse2/tests/data/loc_RJOB20050831023349.z"


def waveform(folder, file_format="MSEED", **options):
    data = np.arange(50_000, dtype=np.int32) % 311
    trace = Trace(data, {"station": "AAA", "sampling_rate": 20.0})
    path = folder / f"data.{file_format}"
    trace.write(str(path), file_format, **options)
    return path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sigbus.mseed", r"record \d has no room for the samples of its header"),
        ("sigsegv.gse2", "its reader crashed .SIGSEGV."),
        ("endless.dmx", "its reader (does not finish|needs too much memory)"),
    ],
)
def test_a_reader_that_crashes_costs_one_file(shared_data, monkeypatch, name, reason):
    monkeypatch.setattr(reading_process, "LIMIT_S", 1.0)
    path = shared_data / "hostile" / name
    with pytest.raises(DataError, match=reason) as caught:
        read_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(read_file(GSE2)[0]) == 12000


def test_another_process_gives_the_same_traces():
    wanted = obspy.read(str(GSE2))
    (trace,) = read_file(GSE2)
    assert np.array_equal(trace.data, wanted[0].data)
    assert trace.stats.starttime == wanted[0].stats.starttime
    assert trace.stats._format == "GSE2"
    assert not len(read_file(GSE2, headonly=True)[0].data)


def test_warnings_and_reasons_come_from_the_other_process(
    tmp_path, caplog, monkeypatch
):
    text = tmp_path / "text"
    text.write_text("not a waveform\n" * 100)
    with pytest.raises(DataError, match="text: not a waveform format that obspy"):
        read_file(text)

    def read(*request):
        warnings.warn("an odd header", stacklevel=1)
        return Stream([Trace(np.zeros(3))])

    monkeypatch.setattr(reading_process, "read_as_any", read)
    answer = reading_process._answer(str(GSE2), "", False, {})
    process = SimpleNamespace(read=lambda request: answer)
    monkeypatch.setattr(reading_process, "_process", lambda: process)
    assert len(read_file(GSE2)) == 1
    assert "loc_RJOB20050831023349.z: an odd header" in caplog.text


def test_a_forked_process_gets_a_reader_of_its_own():
    read_file(GSE2)
    first = reading_process._process()
    child = os.fork()
    if child == 0:
        ok = reading_process._process() is not first and len(read_file(GSE2)) == 1
        reading_process._process().close()
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(read_file(GSE2)) == 1


# -- miniSEED is decoded here, if its headers agree ------------------------------------


@pytest.mark.parametrize("encoding", ["INT16", "INT32", "STEIM1", "STEIM2"])
@pytest.mark.parametrize("byteorder", [">", "<"])
@pytest.mark.parametrize("length", [256, 512, 4096])
def test_sound_files_are_sound(tmp_path, encoding, byteorder, length):
    data = np.arange(5000) % 311
    trace = Trace(data.astype(np.int16 if encoding == "INT16" else np.int32))
    path = tmp_path / "sound"
    trace.write(
        str(path), "MSEED", encoding=encoding, byteorder=byteorder, reclen=length
    )
    assert sound_records(path.read_bytes()) is not None


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_sound_floats_are_sound(tmp_path, kind):
    path = tmp_path / "sound"
    Trace(np.arange(5000).astype(kind)).write(str(path), "MSEED")
    assert sound_records(path.read_bytes()) is not None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (512 + 30, b"\x7f\xff"),  # more samples than the record has room for
        (512 + 44, b"\xff\xff"),  # data that begin after the record
        (512 + 44, b"\x00\x10"),  # data that begin in the header
        (512 + 52, b"\x1e"),  # an encoding that few decoders know
        (512 + 54, b"\x0c"),  # another length of the record
        (512 + 46, b"\x00\x00"),  # no blockette
        (512 + 6, b"X"),  # no record
    ],
)
def test_headers_that_contradict_each_other_are_not_sound(tmp_path, place, value):
    content = bytearray(waveform(tmp_path, reclen=512).read_bytes())
    assert sound_records(bytes(content)) is not None
    content[place : place + len(value)] = value
    assert sound_records(bytes(content)) is None


@pytest.mark.parametrize("mixed", [False, True])
def test_a_record_without_room_is_found_wherever_it_is(tmp_path, mixed):
    content = bytearray(waveform(tmp_path, reclen=512).read_bytes())
    if mixed:
        content += waveform(tmp_path, reclen=4096).read_bytes()
    path = tmp_path / "data"
    path.write_bytes(content)
    whole = read_file(path)
    assert sum(len(trace) for trace in whole) == (100_000 if mixed else 50_000)
    content[4 * 512 + 30 : 4 * 512 + 32] = b"\x7f\xff"
    path.write_bytes(content)
    with pytest.raises(DataError, match="record 5 has no room for the samples"):
        read_file(path)


# -- what is not a file ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"), [("/dev/zero", "a device"), ("pipe", "a named pipe")]
)
def test_devices_and_pipes_are_refused_at_once(tmp_path, name, kind):
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    with pytest.raises(DataError, match=f"{path}: is {kind}, not a file"):
        read_file(path)
    for few in (True, False):
        with pytest.raises(DataError, match=f"{path}: is {kind}, not a file"):
            read_file(path, start_ns=0, end_ns=10, few=few)


def test_a_large_file_of_nothing_is_refused(tmp_path):
    path = waveform(tmp_path)
    os.truncate(path, 10 << 30)
    with pytest.raises(DataError, match="of its 10737418240 bytes are on the disk"):
        read_file(path)


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(waveform_files, "MAX_UNPACKED", 1 << 20)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(2 << 20)))
    with pytest.raises(DataError, match="when unpacked"):
        read_file(bomb)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(2 << 20))
    with pytest.raises(DataError, match="when unpacked"):
        read_file(archive)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("file_format", ["", "PICKLE"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_pickle_is_never_loaded(tmp_path, file_format, packed):
    trap, path = tmp_path / "trap", tmp_path / ("data.gz" if packed else "data")
    content = pickle.dumps(Touch(trap))
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError):
        read_file(path, file_format)
    with pytest.raises(DataError):
        read_file(path, file_format, headonly=True)
    assert not trap.exists()


def test_sac_needs_no_other_process(tmp_path, monkeypatch):
    monkeypatch.setattr(reading_process, "_own", None)
    path = waveform(tmp_path, "SAC")
    assert read_file(path)[0].stats.starttime == UTCDateTime(0)
    assert reading_process._own is None


# -- slow, idle and endless readers ----------------------------------------------------


def slow_reader(monkeypatch, code):
    """Let the reading process do something else before it reads a file."""
    program = (
        "import time; from seismo_pes.reading.formats import reading_process as r\n"
        f"read = r.read_as_any\ndef slow(*request):\n    {code}\n"
        "    return read(*request)\nr.read_as_any = slow; r.serve()"
    )
    monkeypatch.setattr(reading_process, "PROGRAM", program)
    monkeypatch.setattr(reading_process, "_own", None)
    monkeypatch.setattr(reading_process, "LOOK_S", 0.1)
    monkeypatch.setattr(reading_process, "IDLE_S", 0.5)


def test_a_reader_that_gets_no_data_ends_as_a_failed_read(monkeypatch):
    """Perhaps the file system hangs: later the file may be read."""
    slow_reader(monkeypatch, "time.sleep(60)")
    with pytest.raises(ReadFailed, match="got no data for"):
        read_file(GSE2)
    monkeypatch.undo()
    assert len(read_file(GSE2)) == 1


@pytest.mark.parametrize(
    "code",
    [
        "[(open('/proc/self/stat').read(), time.sleep(0.05)) for _ in range(20)]",
        "end = time.process_time() + 0.8\n    while time.process_time() < end: pass",
    ],
    ids=["reads slowly", "computes"],
)
def test_a_slow_reader_is_waited_for(monkeypatch, caplog, code):
    slow_reader(monkeypatch, code)
    monkeypatch.setattr(reading_process, "REPORT_S", 0.3)
    assert len(read_file(GSE2)) == 1
    assert f"{GSE2}: is being read for " in caplog.text


def test_a_reader_that_is_suspended_with_this_process_is_not_idle(monkeypatch):
    patience = reading_process._Patience(os.getpid(), "name")
    monkeypatch.setattr(reading_process, "_work_of", lambda pid: ("0", "0", "0"))
    times = iter([0.0, 5000.0, 5001.0])
    monkeypatch.setattr(
        reading_process, "time", SimpleNamespace(monotonic=lambda: next(times))
    )
    for _ in range(3):
        patience.look()


def test_a_file_whose_reader_has_died_is_not_read_again(shared_data, tmp_path):
    path = tmp_path / "copy.gse2"
    content = (shared_data / "hostile" / "sigsegv.gse2").read_bytes()
    path.write_bytes(content)
    with pytest.raises(DataError, match="its reader crashed"):
        read_file(path)
    started = reading_process._process()._process
    with pytest.raises(DataError, match="its reader crashed"):
        read_file(path)
    assert reading_process._process()._process is started is None
    path.write_bytes(GSE2.read_bytes())  # it is mended
    assert len(read_file(path)) == 1


def test_modules_in_the_working_folder_never_run(tmp_path, monkeypatch):
    """Not by the reader, and not by a scan in other processes."""
    have_run = tmp_path / "have_run"
    have_run.mkdir()
    (tmp_path / "below").mkdir()
    for name in ("obspy", "numpy", "bisect", "below/obspy", "below/bisect"):
        code = f"open({str(have_run / Path(name).name)!r}, 'w')\nimport absent"
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setattr(sys, "path", ["below", *sys.path])
    shutil.copy(GSE2, tmp_path / "data.gse2")
    monkeypatch.chdir(tmp_path)
    reading_process._process().close()  # it starts again
    assert len(read_file("data.gse2")[0]) == 12000
    ((_, (entries, skipped)),) = scan_many(["data.gse2"], processes=2)
    assert (len(entries), skipped) == (1, [])
    assert list(have_run.iterdir()) == []


def test_a_reader_that_does_not_start_is_no_damage(monkeypatch):
    reading_process._process().close()  # it starts again
    with monkeypatch.context() as patch:
        patch.setattr(reading_process, "PROGRAM", "raise SystemExit(3)")
        with pytest.raises(ReadFailed, match="does not start: exit status 3"):
            read_file(GSE2)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/absent")
        with pytest.raises(ReadFailed, match=r"does not start: .*No such file"):
            read_file(GSE2)
    assert len(read_file(GSE2)[0]) == 12000


def test_a_scanning_process_that_does_not_start_is_no_damage(monkeypatch):
    monkeypatch.setattr(scan_pool, "PROGRAM", "raise SystemExit(3)")
    ((_, (entries, (skipped,))),) = scan_many([str(GSE2)], processes=2)
    assert (entries, skipped.stage) == ([], FAILED_READ)
    assert "does not start: exit status 3" in skipped.reason
