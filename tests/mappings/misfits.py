"""Misfits of a synthetic event under two mappings."""

from __future__ import annotations

from pathlib import Path


def assert_same(folder: Path, mapping: str) -> None:
    """Assert that a mapping gives the results of ``simple``, byte by byte."""
    # not above: the processes of many tests import this module
    import misfit_app
    from misfit_app.synthetic import Scene, scene_inputs, write_scene

    scene = folder / "scene"
    write_scene(Scene(n_stations=2, noise=0.0, duration_s=200.0), scene)
    inputs = scene_inputs(scene) | {"periods_s": "4-20"}
    here, there = folder / "here", folder / "there"
    n_rows = len(misfit_app.measure(**inputs, out=str(here)).rows)
    more = {"mapping": mapping, "processes": 2}
    assert len(misfit_app.measure(**inputs, **more, out=str(there)).rows) == n_rows > 0
    for path in here.rglob("*.[cj]s*"):  # CSV and JSON
        if path.name != "run.json":
            assert path.read_bytes() == (there / path.relative_to(here)).read_bytes()
