"""A read that fails is never taken for another format, or for the end of a file."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import obspy
import pytest
from obspy import Trace

from dispel4py.errors import DataError
from seismo_pes.extras import optional
from seismo_pes.reading.formats import waveform_files
from seismo_pes.reading.formats.reading_process import read_in_process
from seismo_pes.regular_file import ReadFailed
from tools.disk_faults.commands import write_asdf, write_metadata
from tools.disk_faults.preloading import preloaded_library

ROOT = Path(__file__).parents[4]
EXAMPLES = Path(obspy.__file__).parent / "io"
FORMATS = {
    "AH": "ah/tests/data/TSG/BRV.TSG.KSM.sE12.resp",
    "ALSEP_PSE": "alsep/tests/data/pse.a12.10.91.mini",
    "ALSEP_WTH": "alsep/tests/data/wth.1.5.mini",
    "ALSEP_WTN": "alsep/tests/data/wtn.6.30.mini",
    "CSS": "css/tests/data/test_css.wfdisc css/tests/data/201101311155.10.be.w "
    "css/tests/data/201101311155.10.le.w",
    "CYBERSHAKE": "cybershake/tests/data/test.grm",
    "DMX": "dmx/tests/data/131114_090600.dmx",
    "GCF": "gcf/tests/data/20160603_1910n.gcf",
    "GSE1": "gse2/tests/data/loc_STAU20031119011659.z",
    "GSE2": "gse2/tests/data/loc_RJOB20050831023349.z",
    "KINEMETRICS_EVT": "kinemetrics/tests/data/BI008_MEMA-04823.evt",
    "KNET": "nied/tests/data/test.knet",
    "PDAS": "pdas/tests/data/p1246001.108",
    "Q": "sh/tests/data/QFILE-TEST.QHD sh/tests/data/QFILE-TEST.QBN",
    "REFTEK130": "reftek/tests/data/221935615_00000000",
    "SACXY": "sac/tests/data/testxy.sac",
    "SEG2": "seg2/tests/data/20180307_031245000.0.seg2",
    "SEGY": "segy/tests/data/example.y_first_trace",
    "SEISAN": "seisan/tests/data/2011-09-06-1311-36S.A1032_001BH_Z",
    "SH_ASC": "sh/tests/data/TEST_090101_0101.ASC",
    "SLIST": "ascii/tests/data/slist_float.ascii",
    "SU": "segy/tests/data/1.su_first_trace",
    "TSPAIR": "ascii/tests/data/tspair_float.ascii",
    "WAV": "wav/tests/data/3cssan.near.8.1.RNON.wav",
    "WIN": "win/tests/data/25112618_ch0000.24bits",
    "Y": "y/tests/data/YAZRSPE.20100119.060433",
}
WRITTEN = ("ASDF", "GZIP", "MSEED", "MSEED3", "SAC", "TAR", "ZIP")
METADATA = {
    "SEED": "xseed/tests/data/AI.ESPZ._.BHE.dataless",
    "RESP": "xseed/tests/data/RESP.BW.FURT..EHZ",
    "SCML": "seiscomp/tests/data/channel_level.sc3ml",
}
NAMES = {
    *(f"{kind} {f}" for kind in ("waveforms", "headers") for f in (*FORMATS, *WRITTEN)),
    *(f"metadata {name}" for name in (*METADATA, "STATIONXML", "ASDF", "SACPZ")),
    *("solver SPECFEM", "solver SES3D"),
}


def write_waveforms(folder):
    for name, files in FORMATS.items():
        place = folder / name
        place.mkdir(parents=True)
        for file in files.split():
            shutil.copy(EXAMPLES / file, place)
    for name in WRITTEN:
        (folder / name).mkdir()
    header = {"network": "XX", "station": "AAA", "channel": "HHZ", "sampling_rate": 5}
    trace = Trace(np.arange(20_000, dtype="i4") % 311, header)
    trace.write(str(folder / "MSEED/day"), "MSEED", reclen=512)
    trace.copy().write(str(folder / "SAC/day"), "SAC")
    write_asdf(trace, folder / "ASDF/day.h5")
    content = (EXAMPLES / FORMATS["GSE2"]).read_bytes()
    (folder / "GZIP/day.gz").write_bytes(gzip.compress(content))
    with zipfile.ZipFile(folder / "ZIP/days.zip", "w") as archive:
        archive.writestr("first", content)
        archive.writestr("second", (folder / "MSEED/day").read_bytes())
    with tarfile.open(folder / "TAR/days.tar", "w") as archive:
        archive.add(folder / "SAC/day")
    records = optional("pymseed").MS3TraceList()
    records.add_data(
        sourceid="FDSN:XX_AAA__H_H_Z", data_samples=trace.data, sample_type="i",
        sample_rate=5.0, starttime=10**18,
    )  # fmt: skip
    records.to_file(str(folder / "MSEED3/day"))


def write_station_files(folder):
    for name, file in METADATA.items():
        (folder / name).mkdir(parents=True)
        shutil.copy(EXAMPLES / file, folder / name)
    write_metadata(folder / "STATIONXML", ["AAA"])
    shutil.copytree(folder / "STATIONXML", folder / "other")
    (folder / "other/AAA.xml").rename(folder.parent / "other.xml")
    (folder / "other").rmdir()
    (folder / "ASDF").mkdir()
    with h5py.File(folder / "ASDF/day.h5", "w") as file:
        file.attrs["file_format"] = b"ASDF"
        text = (folder / "STATIONXML/AAA.xml").read_bytes()
        group = file.create_group("Waveforms/XX.AAA")
        group.create_dataset("StationXML", data=np.frombuffer(text, "i1"))
    (folder / "SACPZ").mkdir()
    (folder / "SACPZ/SAC_PZs_IU_ANMO_BHZ_00").write_text(
        "ZEROS 1\nPOLES 1\n-1.0 0.5\nCONSTANT 2.0\n"
    )


def write_solver_files(folder):
    (folder / "SPECFEM").mkdir(parents=True)
    lines = [f"{0.1 * n:.6e} {n * n:.6e}\n" for n in range(3000)]
    (folder / "SPECFEM/XX.AAA.BXZ.semd").write_text("".join(lines))
    (folder / "SES3D").mkdir()
    head = "theta component seismograms\nnt= 3\ndt= 0.1\n" + "source\n" * 4
    (folder / "SES3D/XX.AAA_.___.x").write_text(head + "1.0\n2.0\n3.0\n")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    if shutil.which("gcc") is None or not sys.platform.startswith("linux"):
        pytest.skip("the library that lets calls fail needs gcc and Linux")
    pytest.importorskip("pymseed")
    folder = tmp_path_factory.mktemp("failing") / "files"
    write_waveforms(folder / "waveforms")
    write_station_files(folder / "metadata")
    write_solver_files(folder / "solver")
    return folder


def problems_of(folder, *choice):
    """Return the problems of each kind of file, found by one process."""
    with preloaded_library() as environment:
        program = Path(__file__).with_name("failing_reads.py")
        done = subprocess.run(
            [sys.executable, str(program), str(folder), *choice],
            cwd=ROOT,
            env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=250,
        )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_a_file_that_cannot_be_looked_at_later_may_be_read(tmp_path, monkeypatch):
    """Its size gives the limits of the reading process."""
    path = tmp_path / "day"
    shutil.copy(EXAMPLES / FORMATS["GSE2"], path)

    def fail(path, *args, **kwargs):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        with pytest.raises(ReadFailed, match=f"{path}: Input/output error"):
            read_in_process(str(path), "GSE2", False, {})
    path.unlink()
    with pytest.raises(ReadFailed, match="No such file"):
        read_in_process(str(path), "GSE2", False, {})
    path.symlink_to(path)
    with pytest.raises(DataError, match="symbolic links") as loop:
        read_in_process(str(path), "GSE2", False, {})
    assert not isinstance(loop.value, ReadFailed)


def test_an_unpacked_file_that_cannot_be_read_is_a_failed_read(tmp_path, monkeypatch):
    path = tmp_path / "day.gz"
    path.write_bytes(gzip.compress((EXAMPLES / FORMATS["GSE2"]).read_bytes()))

    def fail(unpacked, *args):
        raise OSError(errno.EIO, os.strerror(errno.EIO), unpacked)

    monkeypatch.setattr(waveform_files, "read_at_once", fail)
    with pytest.raises(ReadFailed, match=f"^{path}: .*Input/output error"):
        waveform_files.read_file(path)


def test_the_result_is_the_same_or_the_failure_is_reported(files):
    results = problems_of(files)
    assert {name: found for name, found in results.items() if found} == {}
    assert set(results) == NAMES


def test_large_files_are_read_again(files):
    """They are not copied into memory, so obspy takes failures for other formats.

    Its readers of ALSEP also take one for the end of the file, and are left out: the
    tapes of the stations on the moon have some megabytes.
    """
    results = problems_of(files, "large")
    assert {name: found for name, found in results.items() if found} == {}
    kinds = ("waveforms", "headers")
    assert set(results) == {
        name for name in NAMES if name.startswith(kinds) and "ALSEP" not in name
    }
