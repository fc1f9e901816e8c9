"""Adjoint sources of all measures are derivatives by the synthetics as they were read.

It goes through source time function, change of motion, taper, interpolation, rotation,
two bands and two overlapping windows, by all three channels at once.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from misfit_app.config import Config
from misfit_app.planning import run_plan
from misfit_app.synthetic import Scene, write_scene
from seismo_pes.comparing.reading import read_pair
from seismo_pes.measuring.misfits import measure_station
from seismo_pes.signal.misfits import MEASURES

WINDOWS = [{"start_s": 30.0, "end_s": 95.0}, {"start_s": 60.0, "end_s": 130.0}]
STEP = 3e-5
NAMES = [name for name, kind in MEASURES.items() if not kind.is_double]


def smooth_noise(stream, seed, length, size):
    """Return noise for each trace, `size` times its largest amplitude."""
    random = np.random.default_rng(seed)
    parts = []
    for trace in stream:
        white = random.standard_normal(trace.stats.npts)
        noise = np.convolve(white, np.hanning(length), "same")
        parts.append(noise * (size * np.abs(trace.data).max() / np.abs(noise).max()))
    return parts


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """The files, records with noise in the synthetics, and a change of these."""
    folder = tmp_path_factory.mktemp("scene")
    write_scene(Scene(n_stations=2, noise=0.02, duration_s=200.0), folder)
    (folder / "windows.json").write_text(json.dumps(WINDOWS))
    records = read_pair(plan_of(folder, "waveform").tasks[1])
    noise = smooth_noise(records.synthetic, 1, 80, 0.3)
    return folder, moved(records, noise), smooth_noise(records.synthetic, 2, 40, 0.1)


def plan_of(folder, measure):
    config = Config(
        event=(str(folder / "quake.xml"),),
        stations=(str(folder / "stations"),),
        observed=str(folder / "observed"),
        synthetic=str(folder / "synthetic"),
        periods_s=((4.0, 20.0), (5.0, 12.0)),
        out=str(folder / "out"),
        windows=str(folder / "windows.json"),
        half_duration_s=2.0,
        motion="displacement",
        measures=(measure,),
        adjoint=("specfem",),
        phases=("none",),
    )
    return run_plan(config)


def moved(records, changes):
    synthetic = records.synthetic.copy()
    for trace, change in zip(synthetic, changes, strict=True):
        trace.data = trace.data + change
    return replace(records, synthetic=synthetic)


@pytest.mark.parametrize("measure", NAMES)
def test_the_adjoint_source_is_the_derivative_of_the_misfit(scene, measure):
    folder, records, change = scene
    plan = plan_of(folder, measure)
    preprocess = plan.preprocess()
    preprocess.preprocess()

    def measured(scale):
        some = moved(records, [scale * part for part in change])
        return measure_station(preprocess.transform(some), plan.settings)

    def misfit(scale):
        rows = [row for row in measured(scale).rows if row.status == "measured"]
        assert len(rows) >= 9
        return sum(row.misfit for row in rows)

    by_channel = {
        trace.id: part for trace, part in zip(records.synthetic, change, strict=True)
    }
    sources = measured(0.0).adjoints
    assert {source.channel_id for source in sources} == set(by_channel)
    expected = sum(
        source.data @ by_channel[source.channel_id] * source.delta_s
        for source in sources
    )
    slope = (misfit(STEP) - misfit(-STEP)) / (2 * STEP)
    # the largest difference, 1.1e-5, is that of the phase between -pi and pi (tf_phase)
    assert slope == pytest.approx(expected, rel=5e-5)
