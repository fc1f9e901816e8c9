"""The example of 2015 on a small scale: its data, the kernel, a whole case."""

import json

import numpy as np
import obspy
import pytest
import scipy.fft

from benchmarks.command_cost import CommandFailed, measure
from benchmarks.headline import __main__ as command
from benchmarks.headline import kernel, reference
from benchmarks.headline.case import Case, disk_gb_s, hour, run_case
from benchmarks.planewave import make_archive, peak_lag, records
from seismo_pes.signal.correlate import correlate_direct


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("headline")


@pytest.fixture(scope="module")
def place(folder):
    return make_archive(hour(6), folder, processes=1)


def test_the_wave_arrives_at_the_true_lag(place):
    codes = hour(6).codes()
    truth = json.loads((place / "truth.json").read_text())["arrivals_s"]
    traces = reference.preprocess(place, codes)
    for i, j in [(0, 1), (2, 5)]:
        correlation = correlate_direct(traces[i], traces[j], 5000)
        lag_s = peak_lag(correlation) / reference.RATE_HZ
        true_s = truth[codes[j]] - truth[codes[i]]
        assert abs(lag_s - true_s) < 0.5 / reference.RATE_HZ


def test_the_data_are_like_those_of_an_archive(place):
    (path,) = (place / "archive").glob("2015/XA/S0003/BHZ.D/XA.S0003..BHZ.D.2015.096")
    (trace,) = obspy.read(path)
    assert trace.stats.mseed.encoding == "STEIM2"
    assert trace.stats.npts == 144_000
    assert trace.data.dtype == np.int32
    inventory = obspy.read_inventory(place / "stations.xml")
    response = inventory.get_response(trace.id, trace.stats.starttime)
    amplitude = abs(
        response.get_evalresp_response_for_frequencies([1.0], output="VEL")[0]
    )
    gain = hour(6).gains()[3] * 1500.0 * 2**24 / 40
    # the last filter of the digitiser has ripples of a few per mille
    assert amplitude == pytest.approx(gain, rel=0.01)


def test_existing_data_are_not_changed(folder, place):
    (path,) = (place / "archive").glob("*/*/S0000/*/*")
    before = path.stat().st_mtime_ns
    assert make_archive(hour(6), folder, processes=1) == place
    assert path.stat().st_mtime_ns == before
    again = records(hour(6), [0])["S0000"]
    np.testing.assert_array_equal(again, obspy.read(path)[0].data)


def test_the_kernel_computes_every_pair_once(tmp_path):
    traces = np.random.default_rng(1).standard_normal((5, 700)).astype("f4")
    computed = {}
    for k in range(2):
        path = tmp_path / f"rows-{k}.bin"
        kernel.correlate(traces, 30, k, 2, path)
        rows = np.fromfile(path, "f4").reshape(-1, 61)
        pairs = [(i, j) for i in kernel._rows(5, k, 2) for j in range(i + 1, 5)]
        computed |= dict(zip(pairs, rows, strict=True))
    assert sorted(computed) == [(i, j) for i in range(5) for j in range(i + 1, 5)]
    for (i, j), row in computed.items():
        true = correlate_direct(traces[i], traces[j], 30)
        assert np.abs(row - true).max() < 1e-5 * np.abs(true).max()
    assert scipy.fft.next_fast_len(14_400 + 5_000, real=True) == 19_440


def test_both_processes_of_the_kernel_have_equally_many_pairs():
    n_pairs = [sum(999 - i for i in kernel._rows(1000, k, 2)) for k in range(2)]
    assert sum(n_pairs) == 499_500
    assert abs(n_pairs[0] - n_pairs[1]) < 1000


def test_a_case_gives_all_figures_and_agrees(folder, place, capsys):
    figures = run_case(
        Case(6, "lean", "simple"), folder, n_checked=4, disk_bytes=32 << 20
    )
    assert figures["n_pairs"] == 15
    assert figures["largest_difference"] < 1e-6
    assert figures["largest_lag_error_samples"] < 0.5
    assert figures["peak_mb"] > 50
    assert figures["wall_s"] > 0
    assert figures["user_s"] > 0
    assert not (folder / "out").exists()
    command.show([figures])
    assert "x kernel" in capsys.readouterr().out
    goals = dict(command.verdicts(figures))
    assert goals["lag of the wave correct to half a sample"]
    json.dumps(figures)


def test_the_error_of_a_failed_command_has_its_output():
    with pytest.raises(CommandFailed, match="No such file"):
        measure(["ls", "/nowhere/at/all"])


def test_too_little_space_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="are needed"):
        command.check_space(1_000_000, "original", tmp_path)
    assert disk_gb_s(tmp_path, 32 << 20) > 0
    assert not list(tmp_path.iterdir())
