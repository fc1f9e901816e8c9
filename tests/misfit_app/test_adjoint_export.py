"""Adjoint sources that a run writes, and that are exported from its results later."""

import re
import shutil

import h5py
import numpy as np
import pytest

import misfit_app
from misfit_app.cli import main
from misfit_app.synthetic import Scene, write_scene


def options(folder, out, **changes):
    return {
        "event": str(folder / "quake.xml"),
        "stations": str(folder / "stations"),
        "observed": str(folder / "observed"),
        "synthetic": str(folder / "synthetic"),
        "periods_s": "4-20",
        "window_method": "whole",
        "measures": ["waveform"],
        "out": str(out),
    } | changes


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three stations; one lacks a synthetic, one all. The records are not kept."""
    folder = tmp_path_factory.mktemp("scene")
    truths = write_scene(Scene(n_stations=3, noise=0.0, duration_s=130.0), folder)
    for path in (folder / "stations").glob("*.xml"):
        text = path.read_text()
        for name, number in (("Elevation", "250.0"), ("Depth", "4.0")):
            text = re.sub(rf"(<{name}[^>]*>)0\.0", rf"\g<1>{number}", text)
        path.write_text(text)
    for name in ("XX.S001.BXN", "XX.S002.BXE", "XX.S002.BXN", "XX.S002.BXZ"):
        (folder / "synthetic" / f"{name}.semv").unlink()
    formats = ["specfem", "sac", "asdf"]
    more = {"adjoint": formats, "mapping": "multi", "processes": 2}
    misfit_app.measure(**options(folder, folder / "out", **more))
    for name in ("observed", "synthetic"):
        shutil.move(folder / name, folder / f"moved_{name}")
    return folder, truths


@pytest.mark.parametrize("kind", ["specfem", "sac"])
def test_the_exported_files_are_those_of_the_run(run, tmp_path, kind):
    out = run[0] / "out"
    dest = tmp_path / "dest"
    assert main(["export", str(out), str(dest), "--format", kind]) == 0
    folders = dest / "1" / kind, out / "adjoint" / "1" / kind
    ours, theirs = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in folders
    )
    assert ours == theirs
    assert len(ours) == (6 if kind == "specfem" else 5)
    lists = [folder / "STATIONS_ADJOINT" for folder in (dest / "1", out / "adjoint/1")]
    assert lists[0].read_bytes() == lists[1].read_bytes()


def test_asdf_is_exported_to_one_file(run, tmp_path):
    out, dest = run[0] / "out", tmp_path / "dest"
    assert main(["export", str(out), str(dest), "--format", "asdf"]) == 0
    with h5py.File(dest / "1" / "adjoint.h5") as file:
        exported = dict(file["AuxiliaryData/AdjointSources"])
        assert len(exported) == 5
        for path in (out / "adjoint" / "1" / "asdf").glob("*.h5"):
            with h5py.File(path) as single:
                for name, data in single["AuxiliaryData/AdjointSources"].items():
                    np.testing.assert_array_equal(exported.pop(name)[:], data[:])
        assert not exported


def test_specfem_gets_the_places_and_all_three_channels(run):
    """It stops if a station of its list lacks one of the three files."""
    folder, truths = run
    adjoint = folder / "out" / "adjoint" / "1"
    text = (adjoint / "STATIONS_ADJOINT").read_text()
    lines = [line.split() for line in text.splitlines()]
    for (code, network, *numbers), truth in zip(lines, truths[:2], strict=True):
        assert f"{network}.{code}" == truth.station
        place = truth.latitude, truth.longitude, 250.0, 4.0
        assert [float(n) for n in numbers] == pytest.approx(place, abs=1e-6)
        for letter in "ENZ":
            path = adjoint / "specfem" / f"{truth.station}.BX{letter}.adj"
            table = np.loadtxt(path)
            assert table[0, 0] == -5.0
            # without N there is only Z
            is_zero = truth.station == "XX.S001" and letter != "Z"
            assert table[:, 1].any() == (not is_zero)


def test_cartesian_channels_keep_their_names(run, tmp_path):
    """X is east and Y is north; SPECFEM wants the files under these names."""
    folder = tmp_path / "scene"
    for name in ("observed", "synthetic", "stations"):
        source = run[0] / (f"moved_{name}" if name != "stations" else name)
        (folder / name).mkdir(parents=True)
        for path in source.glob("XX.S000*"):
            target = path.name.replace("BXE", "BXX").replace("BXN", "BXY")
            shutil.copy(path, folder / name / target)
    shutil.copy(run[0] / "quake.xml", folder)
    out = tmp_path / "out"
    rows = misfit_app.measure(**options(folder, out, adjoint=["specfem"])).rows
    assert [row["status"] for row in rows] == ["measured"] * 3
    for letter, cartesian in ("EX", "NY", "ZZ"):
        ours = out / "adjoint" / "1" / "specfem" / f"XX.S000.BX{cartesian}.adj"
        other = run[0] / "out" / "adjoint/1/specfem" / f"XX.S000.BX{letter}.adj"
        assert ours.read_bytes() == other.read_bytes()


def test_a_run_without_adjoint_sources_has_none_to_export(run, tmp_path, capsys):
    folder = tmp_path / "scene"
    shutil.copytree(run[0] / "moved_observed", folder / "observed")
    shutil.copytree(run[0] / "moved_synthetic", folder / "synthetic")
    shutil.copytree(run[0] / "stations", folder / "stations")
    shutil.copy(run[0] / "quake.xml", folder)
    out = tmp_path / "out"
    misfit_app.measure(**options(folder, out, components="Z"))
    words = ["export", str(out), str(tmp_path / "dest"), "--format", "specfem"]
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "--adjoint" in line
    assert not (tmp_path / "dest").exists()
    words[1] = str(run[0] / "out")
    assert main(words) == 0
    assert main(words) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
