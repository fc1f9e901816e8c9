"""Observed records whose time stamps are not those of the header's rate."""

import io
from dataclasses import replace

import numpy as np
import pytest
from obspy import Stream, Trace, read

import misfit_app
from misfit_app.synthetic import Scene, scene_inputs, write_scene
from seismo_pes.application.skipped import read_skipped
from seismo_pes.signal.resample import interpolate_lanczos

HEADER_HZ = 20.0


def recorded(trace, first, n, rate_hz=HEADER_HZ):
    """Return the motion of a trace from a sample on, at a rate that no header has."""
    data = trace.data.astype(np.float64)
    samples = interpolate_lanczos(data, first, HEADER_HZ / rate_hz, n, 40)
    codes = ("network", "station", "location", "channel")
    header = {code: trace.stats[code] for code in codes}
    header |= {"sampling_rate": HEADER_HZ, "mseed": {"dataquality": "D"}}
    start = trace.stats.starttime + first / HEADER_HZ
    return Trace(np.round(samples).astype(np.int32), header | {"starttime": start})


def at_wrong_rate(trace):
    """Return records of 5 s, of a recorder that is 300 ppm too quick."""
    rate_hz = HEADER_HZ * (1 + 300e-6)
    starts = np.arange(0, len(trace) - 200, 100)
    return [recorded(trace, k * HEADER_HZ / rate_hz, 100, rate_hz) for k in starts]


def with_jump(trace):
    """Return two traces; the stamps of the second are right and 0.4 samples later."""
    return [recorded(trace, 0, 3000), recorded(trace, 3000.4, len(trace) - 3002)]


def with_overlap(trace):
    """Return two traces that overlap in silence, with other fractions of a sample."""
    return [recorded(trace, 0, 3000), recorded(trace, 2900.4, len(trace) - 2902)]


@pytest.mark.parametrize(
    ("cut", "remark", "mapping"),
    [
        (at_wrong_rate, "+300.0", "simple"),
        (with_jump, "jump by a part of a sample", "multi"),
        (with_overlap, "", "simple"),
    ],
)
def test_samples_are_measured_at_their_true_times(tmp_path, cut, remark, mapping):
    scene = replace(Scene(), n_stations=1, noise=0.0, duration_s=200.0)
    truths = {truth.station: truth for truth in write_scene(scene, tmp_path)}
    for path in (tmp_path / "observed").glob("*.mseed"):
        content = io.BytesIO()
        for trace in read(path):
            for piece in cut(trace):
                Stream([piece]).write(content, "MSEED", reclen=512, encoding="INT32")
        path.write_bytes(content.getvalue())
    out = tmp_path / "out"
    inputs = scene_inputs(tmp_path) | {"periods_s": "4-20", "out": str(out)}
    summary = misfit_app.measure(**inputs, mapping=mapping, processes=2, quiet=True)
    assert summary.totals.n_measured == 3
    for row in summary.rows:
        assert row["dt_s"] == pytest.approx(truths[row["station"]].dt_s, abs=5e-4)
        assert row["dlna"] == pytest.approx(truths[row["station"]].dlna, abs=5e-4)
    remarks = [row for row in read_skipped(out) if remark in row[2]]
    assert {row[0] for row in remarks} == ({"merge"} if remark else set())
