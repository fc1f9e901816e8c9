"""Slow modules are imported before workers are forked, and only if a run needs them."""

import subprocess
import sys

import pytest

from misfit_app.synthetic import Scene, write_scene

PROGRAM = """
import sys
import misfit_app
from misfit_app import workflow

build, before = workflow.build_graph, set()

def build_and_note(plan):
    graph = build(plan)
    before.update(sys.modules)
    return graph

workflow.build_graph = build_and_note
misfit_app.measure(
    event="quake.xml", stations="stations", observed="observed",
    synthetic="synthetic", periods_s="4-20", window_method="whole", components="Z",
    measures=[sys.argv[1]], response=sys.argv[2], out="out",
)
slow = {"scipy.signal", "scipy.interpolate", "obspy.signal"}
print(*sorted(slow & before))
print(*sorted(slow & sys.modules.keys() - before))
"""


@pytest.mark.parametrize(
    ("measure", "response", "imports"),
    [
        ("cc_time", "none", ""),
        ("cc_time", "remove", "obspy.signal scipy.interpolate scipy.signal"),
        ("mt_time", "none", "scipy.interpolate scipy.signal"),
    ],
)
def test_workers_that_are_forked_share_slow_modules(
    tmp_path, measure, response, imports
):
    write_scene(Scene(n_stations=1, noise=0.0, duration_s=120.0), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, measure, response],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [imports, ""]
