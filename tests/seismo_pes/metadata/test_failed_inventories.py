"""Metadata in a file that cannot be read are not missing: the data wait for them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime, read_inventory

from dispel4py.base import IterativePE
from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.metadata import inventory as inventories
from seismo_pes.preprocessing.epochs import SplitEpochs
from seismo_pes.preprocessing.orientation import Orient
from seismo_pes.preprocessing.response import RemoveResponse

START = UTCDateTime(2010, 1, 1)


class Records(GenericPE):
    """Emits a record of a channel of each of two stations."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs):
        for name in ("RJOB", "RMOA"):
            header = {"network": "BW", "station": name, "channel": "EHZ"}
            header |= {"sampling_rate": 20.0, "starttime": START}
            data = np.random.default_rng(1).standard_normal(2000)
            self.write("output", Stream([Trace(data, header)]))


class Pass(IterativePE):
    def _process(self, data):
        return data


def elements(folder):
    there = (47.737167, 12.795714)  # both stations have the metadata of RJOB
    places = {"BW.RJOB..EHZ": there, "BW.RMOA..EHZ": there}
    return {
        "response": RemoveResponse(folder),
        "orient": Orient(folder),
        "epochs": SplitEpochs(folder),
        "places": SplitEpochs(folder, False, False, places),
    }


@pytest.fixture
def folder(tmp_path):
    """A folder with the metadata of two stations."""
    whole = read_inventory()
    for name in ("RJOB", "RMOA"):
        path = tmp_path / "inventory" / name / "station.xml"
        path.parent.mkdir(parents=True)
        station = whole.select(station="RJOB", channel="EHZ")
        for network in station:
            for place in network:
                place.code = name
        station.write(str(path), "STATIONXML")
        whole = read_inventory()
    return tmp_path / "inventory"


def workflow(pe):
    graph, kept, skipped = WorkflowGraph(), Pass(), Pass()
    graph.connect(Records(), "output", pe, "input")
    graph.connect(pe, "output", kept, "input")
    graph.connect(pe, "skipped", skipped, "input")
    return graph, kept, skipped


def outcome(pe, mapping):
    graph, kept, skipped = workflow(pe)
    result = run(graph, None, mapping, 4)
    stations = {t.stats.station for s in result.output(kept.id) for t in s}
    return stations, result.output(skipped.id)


@pytest.fixture
def fail(monkeypatch):
    """Let the readings of a station fail, at the file or at its folder."""

    def break_(kind):
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        read, scan = inventories._read, os.scandir

        def failing_read(path):
            if "RMOA" in str(path):
                raise error
            return read(path)

        def failing_scan(path):
            if Path(path).name == "RMOA":
                raise OSError(*error.args, path)
            return scan(path)

        if kind == "file":
            monkeypatch.setattr(inventories, "_read", failing_read)
        else:
            monkeypatch.setattr(os, "scandir", failing_scan)

    return break_


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("mapping", ["simple", "multi"])
@pytest.mark.parametrize("name", ["response", "orient", "epochs", "places"])
def test_a_failed_read_is_not_a_lack_of_metadata(
    folder, fail, caplog, name, mapping, kind
):
    both, nothing = outcome(elements(folder)[name], mapping)
    assert (both, nothing) == ({"RJOB", "RMOA"}, [])
    fail(kind)
    stations, (entry,) = outcome(elements(folder)[name], mapping)
    assert stations == {"RJOB"}
    assert (entry.stage, entry.what) == ("input", "BW.RMOA..EHZ")
    place = folder / "RMOA" / ("station.xml" if kind == "file" else "")
    assert entry.reason.startswith(f"{place}: ")
    assert entry.reason.endswith(os.strerror(errno.EIO))
    if mapping == "simple":
        assert f"{place}: not used: " in caplog.text


@pytest.mark.parametrize("name", ["response", "orient"])
def test_a_channel_without_metadata_is_no_failed_read(folder, name):
    (folder / "RMOA" / "station.xml").unlink()
    stations, (entry,) = outcome(elements(folder)[name], "simple")
    assert stations == {"RJOB"}
    assert entry.stage == name


def test_a_later_epoch_may_be_in_the_file_that_was_not_read(folder, fail):
    """The station is known from another file, but not at the time of its data."""
    known = read_inventory(str(folder / "RJOB" / "station.xml"))
    for station in known[0]:
        station.code = "RMOA"
        for channel in station:
            channel.end_date = START + 50
    known.write(str(folder / "early.xml"), "STATIONXML")
    fail("file")
    _, (entry,) = outcome(elements(folder)["epochs"], "simple")
    assert entry.stage == "input"
    _, (entry,) = outcome(elements(folder)["response"], "simple")
    assert entry.stage == "input"


def test_an_unreadable_asdf_file_is_listed(folder, monkeypatch):
    """That a file cannot be opened does not mean that it has no metadata."""
    path = folder / "waves.h5"
    path.touch()

    def failing(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(inventories, "open_regular", failing)
    monkeypatch.setattr(inventories, "is_asdf", lambda path: path.suffix == ".h5")
    monkeypatch.setattr(inventories, "read_asdf_inventory", failing)
    _, (entry,) = inventories.read_inventory(folder)
    assert (entry.what, entry.stage) == (str(path), "input")
