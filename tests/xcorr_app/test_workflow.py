"""The whole run, from files to correlations: textbook formulas and real data."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import obspy
import pytest
from obspy import UTCDateTime

from tests.draws import chosen
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store

PLAIN = [
    *("--detrend", "none", "--window-detrend", "demean", "--time-norm", "none"),
    *("--whiten", "none", "--normalize", "energy"),
]
KANSAS = [*PLAIN, "--window-s", "3600", "--step-s", "3600", "--max-lag-s", "100"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., store.Store]]:
    """Run the command in this process; return its results, open until the test ends."""
    opened = []

    def run_command(data: Path | str, stations: str, *options: str) -> store.Store:
        listing = tmp_path / "stations.txt"
        listing.write_text(stations)
        words = ["--stations", str(listing), "--data", str(data), "--quiet"]
        assert cli.main([*words, "--out", str(tmp_path / "out"), *options]) == 0
        opened.append(store.open(tmp_path / "out"))
        return opened[-1]

    yield run_command
    for results in opened:
        results.close()


def by_station(results: store.Store) -> dict[tuple[str, str], object]:
    return {(c.first.split(".")[1], c.second.split(".")[1]): c for c in results}


def textbook(
    a: np.ndarray, b: np.ndarray, length: int, max_lag: int
) -> tuple[np.ndarray, int]:
    """Return the mean over windows of the energy-normalised correlation."""
    total, n = np.zeros(2 * max_lag + 1), 0
    for k in range(0, len(a) - length + 1, length):
        x, y = (s[k : k + length] - s[k : k + length].mean() for s in (a, b))
        energy = np.sqrt((x @ x) * (y @ y))
        if energy == 0:
            continue
        full = np.correlate(y, x, "full")
        middle = length - 1
        total += full[middle - max_lag : middle + max_lag + 1] / energy
        n += 1
    return total / n, n


# -- real data ---------------------------------------------------------------------

# windows, lag of the peak, its value, value at zero lag: float64, computed elsewhere
KANSAS_KNOWN = {
    ("A7K2", "B4Q8"): (164, 1.0, 0.288038, 0.271281),
    ("A7K2", "C9M3"): (165, 98.0, -0.046383, 0.018683),
    ("A7K2", "D2X6"): (168, -5.0, 0.306228, 0.298265),
    ("B4Q8", "C9M3"): (164, -3.0, 0.213228, 0.085059),
    ("B4Q8", "D2X6"): (164, -5.0, 0.378737, 0.368238),
    ("C9M3", "D2X6"): (165, -1.0, 0.194294, 0.131284),
}


def test_kansas_equals_the_reference(run, tmp_path: Path, shared_data: Path) -> None:
    result = by_station(
        run(shared_data / "kansas4", "KS *", "--channels", "LHZ", *KANSAS)
    )
    assert set(result) == set(KANSAS_KNOWN)
    for pair, (n, lag_s, peak, zero) in KANSAS_KNOWN.items():
        c = result[pair]
        assert c.n_windows == n
        at = np.abs(c.data).argmax()
        assert c.lags_s[at] == lag_s
        # the reference has six decimals; float32 adds about 1e-7
        assert c.data[at] == pytest.approx(peak, abs=2e-6)
        assert c.data[len(c.data) // 2] == pytest.approx(zero, abs=2e-6)


def test_kansas_equals_the_textbook_at_every_lag(
    run, tmp_path: Path, shared_data: Path
) -> None:
    folder = shared_data / "kansas4"
    options = ["--channels", "LHZ", *KANSAS, "--dtype", "float64"]
    result = by_station(run(folder, "KS A7K2\nKS B4Q8", *options))
    a, b = (
        np.concatenate(
            [
                obspy.read(str(path))[0].data.astype(float)
                for path in sorted((folder / station / "2022").glob("*.Z.sac"))
            ]
        )
        for station in ("A7K2", "B4Q8")
    )
    expected, n = textbook(a, b, 3600, 100)
    c = result["A7K2", "B4Q8"]
    assert c.n_windows == n
    np.testing.assert_allclose(c.data, expected, rtol=0, atol=1e-12)


def test_kansas_arrivals_after_whitening(
    run, tmp_path: Path, shared_data: Path
) -> None:
    options = ["--bandpass-hz", "0.08", "0.4", "--time-norm", "onebit"]
    options += ["--whiten", "band", "--whiten-hz", "0.08", "0.4"]
    folder = shared_data / "kansas4"
    results = run(folder, "KS *", "--channels", "LHZ", *KANSAS, *options)
    assert len(results) == 6
    for c in results:
        for side in (c.lags_s, -c.lags_s):
            arrival = np.abs(c.data[(side >= 2) & (side <= 7)]).max()
            assert arrival / c.data[side > 50].std() > 7


def test_day_137_does_not_enter_after_any_processing(
    run, tmp_path: Path, shared_data: Path
) -> None:
    """Filters reach into hours of zeros, but these hours are still not used."""
    options = ["--bandpass-hz", "0.08", "0.4", "--time-norm", "onebit"]
    results = run(
        *(shared_data / "kansas4", "KS *", "--channels", "LHZ"),
        *("--window-s", "3600", "--max-lag-s", "100", *options),
    )
    result = by_station(results)
    for pair, (n, *_) in KANSAS_KNOWN.items():
        assert result[pair].n_windows == n


def test_california_starts_between_samples(
    run, tmp_path: Path, shared_data: Path
) -> None:
    """Both begin 0.78 sample after midnight, 2 microseconds apart."""
    folder = shared_data / "ci_cca_hec"
    results = run(
        *(folder / "*.ms", "CI CCA\nCI HEC", *PLAIN, "--channels", "BHN"),
        *("--inventory", str(folder / "CI_*.xml")),
        *("--window-s", "3600", "--max-lag-s", "200"),
    )
    (c,) = results
    assert c.n_windows == 24
    assert c.distance_km == pytest.approx(157.644, abs=1e-3)
    lag_s, value = c.peak()
    assert (lag_s, value) == (-48.875, pytest.approx(-0.036741, abs=2e-6))
    assert c.data[len(c.data) // 2] == pytest.approx(-0.003990, abs=2e-6)
    # no remark, because both records have the same fraction of a sample
    assert (tmp_path / "out" / "skipped.tsv").read_text().count("\n") <= 1


def test_california_with_the_response_removed(
    run, tmp_path: Path, shared_data: Path
) -> None:
    """One window of six hours, with the response removed by obspy."""
    folder, n = shared_data / "ci_cca_hec", 6 * 3600 * 40
    traces = []
    (tmp_path / "data").mkdir()
    for station in ("CCA", "HEC"):
        (trace,) = obspy.read(str(folder / f"CI{station}__BHN___2022002.ms"))
        trace.data = trace.data[:n].copy()
        trace.write(str(tmp_path / "data" / f"{station}.ms"), "MSEED")
        traces.append(trace)
    results = run(
        *(tmp_path / "data", "CI CCA\nCI HEC", *PLAIN, "--channels", "BHN"),
        *("--inventory", str(folder / "CI_*.xml"), "--response", "VEL"),
        *("--pre-filt", "0.01", "0.02", "8", "10", "--dtype", "float64"),
        *("--window-s", "21600", "--max-lag-s", "100"),
    )
    inventory = obspy.read_inventory(str(folder / "CI_CCA.xml"))
    inventory += obspy.read_inventory(str(folder / "CI_HEC.xml"))
    removed = []
    for trace in traces:
        trace.data = trace.data.astype(float)
        trace.remove_response(
            *(inventory, "VEL", 60.0, (0.01, 0.02, 8, 10)), zero_mean=False, taper=False
        )
        removed.append(trace.data - trace.data.mean())
    a, b = removed
    n_fft = 2 * len(a)
    full = np.fft.irfft(np.conj(np.fft.rfft(a, n_fft)) * np.fft.rfft(b, n_fft))
    expected = np.concatenate([full[-4000:], full[:4001]]) / np.sqrt((a @ a) * (b @ b))
    (c,) = results
    scale = np.abs(expected).max()
    # obspy evaluates the response at each frequency, we between nodes: 1e-8 of it
    np.testing.assert_allclose(c.data, expected, rtol=0, atol=1e-5 * scale)


# -- definitions -------------------------------------------------------------------

SHORT = ["--window-s", "60", "--max-lag-s", "10"]


def test_a_positive_lag_means_the_second_is_reached_later(
    run, tmp_path: Path, write_trace, rng
) -> None:
    x = rng.standard_normal(6100)
    write_trace("AAA", x[25:6025])
    write_trace("BBB", x[:6000])  # the same, 2.5 s later
    (c,) = run(tmp_path / "data", "XX *", *PLAIN, *SHORT)
    assert c.peak()[0] == 2.5
    assert c.n_windows == 10


def test_correlation_is_linear_not_circular(run, tmp_path: Path, write_trace) -> None:
    """A pulse near the end of one window and one near the start of the other."""
    a, b = np.zeros(600), np.zeros(600)
    a[590], b[5] = 1.0, 1.0
    write_trace("AAA", a)
    write_trace("BBB", b)
    options = ["--normalize", "none", "--window-detrend", "none", "--detrend", "none"]
    (c,) = run(tmp_path / "data", "XX *", *SHORT, *options)
    assert np.abs(c.data).max() < 1e-6  # circular, it would be 1 at 1.5 s


def test_result_is_the_textbook_mean(run, tmp_path: Path, write_trace, rng) -> None:
    a, b = rng.standard_normal((2, 6000))
    write_trace("AAA", a)
    write_trace("BBB", b)
    (c,) = run(tmp_path / "data", "XX *", *PLAIN, *SHORT)
    expected, n = textbook(a, b, 600, 100)
    assert c.n_windows == n == 10
    # float32: ten windows of 600 samples of order one
    np.testing.assert_allclose(c.data, expected, rtol=0, atol=1e-6)


def test_windows_not_wholly_covered_do_not_enter(
    run, tmp_path: Path, write_trace, rng
) -> None:
    a, b = rng.standard_normal((2, 6000))
    write_trace("AAA", a)
    write_trace("BBB", b[:1490])  # a gap from 149 s to 151 s
    write_trace("BBB", b[1510:], DAY + 151)
    (c,) = run(tmp_path / "data", "XX *", *PLAIN, *SHORT)
    keep = np.r_[0:1200, 1800:6000]
    expected, n = textbook(a[keep], b[keep], 600, 100)
    assert c.n_windows == n == 9
    np.testing.assert_allclose(c.data, expected, rtol=0, atol=1e-6)


def test_windows_lie_on_the_grid_from_midnight(
    run, tmp_path: Path, write_trace, rng
) -> None:
    """Records that begin at 00:00:20 fill windows from 00:01:00 on."""
    a, b = rng.standard_normal((2, 6000))
    write_trace("AAA", a[200:], DAY + 20)
    write_trace("BBB", b)
    (c,) = run(tmp_path / "data", "XX *", *PLAIN, *SHORT)
    expected, n = textbook(a[600:], b[600:], 600, 100)
    assert c.n_windows == n == 9
    assert c.start_ns == (DAY + 60).ns
    np.testing.assert_allclose(c.data, expected, rtol=0, atol=1e-6)


def test_overlapping_windows_cross_midnight(
    run, tmp_path: Path, write_trace, rng
) -> None:
    """Days are read one by one, yet no window between them is lost."""
    a, b = rng.standard_normal((2, 2 * 864))
    for half in (0, 1):
        for station, x in (("AAA", a), ("BBB", b)):
            write_trace(
                *(station, x[864 * half : 864 * half + 864], DAY + 86400 * half),
                rate_hz=0.01,
            )
    options = ["--window-s", "7200", "--step-s", "3600", "--max-lag-s", "1000"]
    (c,) = run(tmp_path / "data", "XX *", *PLAIN, *options)
    total, n = np.zeros(21), 0
    for k in range(0, len(a) - 72 + 1, 36):
        first, _ = textbook(a[k : k + 72], b[k : k + 72], 72, 10)
        total, n = total + first, n + 1
    assert c.n_windows == n == 47
    np.testing.assert_allclose(c.data, total / n, rtol=0, atol=1e-6)


def test_traces_less_than_half_a_sample_apart_keep_their_fraction(
    run, tmp_path: Path, write_trace, rng
) -> None:
    x = rng.standard_normal(6000)
    late_s = {"AAA": 0.0, "BBB": 0.04, "CCC": -0.04}
    for station, seconds in late_s.items():
        write_trace(station, x, DAY + seconds)
    results = by_station(run(tmp_path / "data", "XX *", *PLAIN, *SHORT))
    for (first, second), c in results.items():
        assert c.n_windows == 10
        # white noise: a sinc at the true lag; its autocorrelation adds about 0.02
        expected = np.sinc((c.lags_s - late_s[second] + late_s[first]) * 10.0)
        np.testing.assert_allclose(c.data, expected, rtol=0, atol=0.05)


def test_day_stacks_and_autocorrelations(run, tmp_path: Path, write_trace, rng) -> None:
    a, b = rng.standard_normal((2, 2, 1200))
    for k in (0, 1):
        write_trace("AAA", a[k], DAY + 86400 * k)
        write_trace("BBB", b[k], DAY + 86400 * k)
    options = [*PLAIN, *SHORT, "--substack", "day", "--autocorrelations"]
    results = run(tmp_path / "data", "XX *", *options)
    assert results.stacks == ("2024-03-01", "2024-03-02", "all")
    assert len(results) == 3
    for k, day in enumerate(results.stacks[:2]):
        expected, n = textbook(a[k], b[k], 600, 100)
        c = results.get("XX.AAA", "XX.BBB", stack=day)
        assert c.n_windows == n == 2
        np.testing.assert_allclose(c.data, expected, rtol=0, atol=1e-6)
    expected, _ = textbook(a.ravel(), b.ravel(), 600, 100)
    c = results.get("XX.AAA", "XX.BBB")
    assert c.n_windows == 4
    np.testing.assert_allclose(c.data, expected, rtol=0, atol=1e-6)
    assert results.get("XX.AAA", "XX.AAA").peak() == (0.0, pytest.approx(1, abs=1e-6))


def test_resampled_records_keep_their_lag(
    run, tmp_path: Path, write_trace, rng
) -> None:
    """Records that begin at different samples of the old rate, filtered to the new."""
    x = np.convolve(rng.standard_normal(60_000), np.hanning(80), "same")
    write_trace("AAA", x[3:50_003], DAY + 0.03, rate_hz=100.0)
    write_trace("BBB", x[0:50_000], DAY + 0.60, rate_hz=100.0)  # 0.6 s later
    options = ["--sampling-rate-hz", "5", "--window-s", "60", "--max-lag-s", "5"]
    (c,) = run(tmp_path / "data", "XX *", *PLAIN, *options)
    assert c.peak()[0] == pytest.approx(0.6, abs=1e-9)
    assert c.peak()[1] > 0.98  # the band above 2 Hz is cut off at its edges


# -- bad data ----------------------------------------------------------------------


def test_bad_data_is_skipped_and_listed(
    run, tmp_path: Path, write_trace, rng, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = rng.standard_normal((2, 6000))
    write_trace("AAA", a)
    write_trace("BBB", b)
    write_trace("SLOW", b[:3000], rate_hz=5.0)
    write_trace("LATE", b, DAY + 0.033)
    data = tmp_path / "data"
    (data / "broken.mseed").write_bytes(b"not a waveform at all")
    (data / "empty.mseed").touch()
    half = write_trace("HALF", b).read_bytes()
    (data / f"HALF.HHZ.{DAY.ns}.mseed").write_bytes(half[: len(half) // 2 + 100])
    listing = tmp_path / "stations.txt"
    listing.write_text(
        "XX AAA 10.0 20.0\nXX BBB 0 0\nXX SLOW\nXX LATE\nXX HALF\nXX NONE\n"
    )
    words = ["--stations", str(listing), "--data", str(data), *PLAIN, *SHORT]
    assert cli.main([*words, "--out", str(tmp_path / "out")]) == 0
    table = capsys.readouterr().out
    listed = (tmp_path / "out" / "skipped.tsv").read_text()
    for word in ("broken.mseed", "empty.mseed", "SLOW", "LATE", "XX.NONE", "BBB"):
        assert word in listed
    assert "skipped" in table
    with store.open(tmp_path / "out") as results:
        result = by_station(results)
    assert ("AAA", "BBB") in result
    assert not any("SLOW" in pair for pair in result)
    assert np.isnan(result["AAA", "BBB"].distance_km)
    assert result["AAA", "LATE"].n_windows == 10
    expected, _ = textbook(a, b, 600, 100)
    np.testing.assert_allclose(result["AAA", "BBB"].data, expected, rtol=0, atol=1e-6)
    strict = [*words, "--out", str(tmp_path / "strict"), "--strict"]
    assert cli.main(strict) == 1


@pytest.mark.parametrize(
    ("stations", "options", "names"),
    [
        ("XX ZZZ", [], ["ZZZ"]),
        ("XX AAA", ["--channels", "BHE"], ["BHE", "XX.AAA..HHZ"]),
        ("XX AAA", ["--bandpass-hz", "1", "6"], ["--bandpass-hz", "5 Hz"]),
        ("XX AAA", ["--window-s", "7000"], ["--window-s"]),
        ("XX AAA", ["--start", "2025-01-01"], ["XX.AAA"]),
    ],
)
def test_impossible_jobs_give_one_line(
    run, tmp_path: Path, write_trace, rng, capsys, stations, options, names
) -> None:
    write_trace("AAA", rng.standard_normal(6000))
    listing = tmp_path / "stations.txt"
    listing.write_text(stations)
    words = ["--stations", str(listing), "--data", str(tmp_path / "data")]
    words += ["--out", str(tmp_path / "out"), *options]
    assert cli.main(words) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    for name in names:
        assert name in complaint
    assert not (tmp_path / "out").exists()


# -- mappings ----------------------------------------------------------------------


def check_equal(plain: store.Store, results: store.Store) -> None:
    """Assert that two runs have equal pairs, windows and correlations."""
    assert results.stacks == plain.stacks == ("2024-03-01", "2024-03-02", "all")
    for stack in plain.stacks:
        for first, second in zip(
            plain.correlations(stack=stack),
            results.correlations(stack=stack),
            strict=True,
        ):
            assert first.id == second.id
            assert first.n_windows == second.n_windows == (6 if stack == "all" else 3)
            np.testing.assert_allclose(first.data, second.data, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """A folder with five stations and two days, and its results under simple."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "data").mkdir()
    rng = np.random.default_rng(7)
    for station in ("AAA", "BBB", "CCC", "DDD", "EEE"):
        for day in range(2):
            header = {"network": "XX", "station": station, "channel": "HHZ"}
            header |= {"sampling_rate": 10.0, "starttime": DAY + 86400 * day}
            trace = obspy.Trace(rng.standard_normal(1800), header)
            trace.write(str(folder / "data" / f"{station}.{day}.mseed"), "MSEED")
    (folder / "stations.txt").write_text("XX *")
    assert cli.main(network_words(folder, "simple")) == 0
    return folder


def network_words(folder: Path, out: str) -> list[str]:
    words = ["--stations", str(folder / "stations.txt"), "--out", str(folder / out)]
    words += ["--data", str(folder / "data"), *SHORT, "--quiet", "--substack", "day"]
    words += ["--bandpass-hz", "0.5", "2", "--time-norm", "onebit"]
    return [*words, "--whiten", "band", "--whiten-hz", "0.5", "2"]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_multi_equals_simple(network: Path, n: int) -> None:
    out = f"multi-{n}"
    words = [*network_words(network, out), "--mapping", "multi", "-n", str(n)]
    assert cli.main(words) == 0
    with store.open(network / "simple") as plain, store.open(network / out) as result:
        check_equal(plain, result)


@pytest.mark.parametrize(
    ("n", "start"),
    chosen(
        [(2, "mpiexec -n N"), (3, "--mapping mpi -n N")],
        itertools.product([1, 2, 5], ["mpiexec -n N", "--mapping mpi -n N"]),
    ),
)
def test_mpi_equals_simple(network: Path, n: int, start: str) -> None:
    """Started by the user's mpiexec, or by the command itself."""
    pytest.importorskip("mpi4py")
    out = f"{start.split()[0]}-{n}"
    command = [sys.executable, "-m", "xcorr_app", *network_words(network, out)]
    if start.startswith("mpiexec"):
        from dispel4py.mappings.mpi.launch import find_mpiexec

        command = [find_mpiexec(), "-n", str(n), *command, "--mapping", "mpi"]
    else:
        command += ["--mapping", "mpi", "-n", str(n)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    with store.open(network / "simple") as plain, store.open(network / out) as result:
        check_equal(plain, result)


def test_times_of_the_run_can_be_chosen(run, tmp_path: Path, write_trace, rng) -> None:
    for station in ("AAA", "BBB"):
        write_trace(station, rng.standard_normal(6000))
    options = ["--start", "2024-03-01T00:01:30", "--end", "2024-03-01T00:05:00"]
    (c,) = run(tmp_path / "data", "XX *", *SHORT, *options)
    assert c.n_windows == 3
    assert c.start_ns == UTCDateTime(2024, 3, 1, 0, 1, 30).ns
    assert c.end_ns == UTCDateTime(2024, 3, 1, 0, 4, 30).ns
