import dataclasses
import json

import numpy as np
import pytest
from scipy.special import j0

from dispel4py.errors import ParameterError
from xcorr_app import synthetic
from xcorr_app.demo import arrival_lag_s
from xcorr_app.synthetic import Network

SMALL = Network(n_stations=5, hours=2, diameter_km=60)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    assert synthetic.make_archive(SMALL, folder)
    return folder


def correlate(a, b, rate_hz, band_hz, window_s=600, max_lag_s=40):
    """Correlate directly: linear correlation, mean of the spectra over windows."""
    n = round(window_s * rate_hz)
    frequency = np.fft.rfftfreq(2 * n, 1 / rate_hz)
    inside = (frequency > band_hz[0]) & (frequency < band_hz[1])
    total = np.zeros(len(frequency), complex)
    for first in range(0, len(a) - n + 1, n):
        window_a, window_b = a[first : first + n], b[first : first + n]
        spectrum_a = np.fft.rfft(window_a - window_a.mean(), 2 * n)
        spectrum_b = np.fft.rfft(window_b - window_b.mean(), 2 * n)
        total += np.conj(spectrum_a) * spectrum_b
    series = np.fft.irfft(total * inside, 2 * n)
    lag = round(max_lag_s * rate_hz)
    return np.concatenate([series[-lag:], series[: lag + 1]])


def test_directions_sum_to_the_bessel_function():
    # two stations at every distance up to the diameter, highest frequency
    distance_km = np.linspace(0, SMALL.diameter_km, 201)
    x = np.stack([distance_km * np.sin(0.3), distance_km * np.cos(0.3)], axis=1)
    delays = synthetic.delays_s(x, SMALL.n_directions_needed, 3.0)
    summed = np.exp(2j * np.pi * SMALL.band_hz[1] * delays).mean(axis=1)
    exact = j0(2 * np.pi * SMALL.band_hz[1] * distance_km / 3.0)
    np.testing.assert_allclose(summed, exact, atol=1e-6)


def test_too_few_directions_are_refused():
    with pytest.raises(ParameterError, match=r"245 are needed"):
        Network(n_directions=200)


def test_spectra_have_the_covariance_of_the_medium():
    # many draws of one frequency: coherence of two stations is J0(kd)
    positions = np.array([[0.0, 0.0], [9.0, 0.0]])
    delays = synthetic.delays_s(positions, 90, 3.0)
    frequency = 0.5 + 1e-9 * np.arange(40000)
    rng = np.random.default_rng(1)
    a, b = synthetic.common_spectra(delays, frequency, np.ones(40000), rng)
    coherence = np.mean(np.conj(a) * b) / np.mean(abs(a) ** 2)
    # five standard deviations of the mean of 40000 independent draws
    assert abs(coherence - j0(2 * np.pi * 0.5 * 3)) < 5 / np.sqrt(40000)
    assert np.mean(abs(a) ** 2) == pytest.approx(2, abs=5 * 2 / np.sqrt(40000))


def test_correlations_of_the_archive_arrive_at_the_true_lag(archive):
    from obspy import read

    truth = json.loads((archive / "truth.json").read_text())
    stream = read(str(archive / "archive/2022/XX/*/BHZ.D/*"))
    series = {trace.id: trace.data for trace in stream}
    errors = []
    for pair in truth["pairs"]:
        a, b = (series[name] for name in pair["pair"].split("_"))
        lags = correlate(a, b, 20.0, SMALL.band_hz)
        lag_s = arrival_lag_s(lags, 20.0, pair["distance_km"])
        errors.append((lag_s - pair["lag_s"]) * 20)
    assert len(errors) == 10
    # Two hours at 0.35 Hz bandwidth leave noise of 1/sqrt(2BT) = 0.014 around
    # arrivals of 0.05 to 0.1, halved in power by the mean of both sides: 0.1 to 0.2
    # rad of phase, or 1 to 2 samples at 0.3 Hz, as standard deviation of one pair.
    assert np.sqrt(np.mean(np.square(errors))) < 2
    assert abs(np.mean(errors)) < 2 * 2 / np.sqrt(10)


def test_archive_is_sds_with_steim2(archive):
    from obspy import read
    from obspy.clients.filesystem.sds import Client

    client = Client(str(archive / "archive"))
    assert len(client.get_all_nslc()) == 5
    path = next((archive / "archive").rglob("*.152"))
    assert path.name == f"XX.{path.parts[-3]}.00.BHZ.D.2022.152"
    (trace,) = read(str(path))
    assert trace.stats.mseed.encoding == "STEIM2"
    assert trace.data.dtype == np.int32
    assert trace.stats.npts == 144000
    assert str(trace.stats.starttime) == "2022-06-01T00:00:00.000000Z"


def test_two_days_are_two_files_without_a_gap(tmp_path):
    from obspy import read

    network = Network(n_stations=2, hours=1, rate_hz=4, start="2022-06-01")
    whole = np.rint(dict(synthetic.traces(network))["XX.S01.00.BHZ"])
    days = np.concatenate([whole] * 25)  # long enough for a second day
    synthetic._write_days(tmp_path, "XX.S01.00.BHZ", days, network)
    merged = read(str(tmp_path / "*/*/*/*/*")).merge()
    assert len(list(tmp_path.rglob("*.D.*"))) == 2
    np.testing.assert_array_equal(merged[0].data, days)


def test_stationxml_has_the_response_that_was_applied(archive):
    from obspy import read_inventory

    inventory = read_inventory(str(archive / "stations.xml"))
    frequency = np.array([0.01, 0.1, 1.0, 5.0])
    channel = inventory.select(station="S03")[0][0][0]
    response = channel.response.get_evalresp_response_for_frequencies(frequency, "VEL")
    # evalresp rounds the normalisation factor of the file to single precision
    np.testing.assert_allclose(response, synthetic.instrument(frequency), rtol=1e-5)


def test_true_distances_agree_with_coordinates_and_plane(archive):
    truth = json.loads((archive / "truth.json").read_text())
    x = synthetic.positions_km(SMALL)
    plane = [np.linalg.norm(x[i] - x[j]) for j in range(5) for i in range(j)]
    sphere = [pair["distance_km"] for pair in truth["pairs"]]
    # curvature of the Earth over 100 km, and coordinates rounded to 0.1 m
    np.testing.assert_allclose(sphere, plane, rtol=3e-5)
    assert truth["pairs"][0]["pair"] == "XX.S01.00.BHZ_XX.S02.00.BHZ"


def test_equal_seeds_give_equal_bytes(archive, tmp_path):
    synthetic.make_archive(SMALL, tmp_path)
    for path in archive.rglob("*"):
        if path.is_file() and path.suffix != ".xml":  # which has the date
            again = tmp_path / path.relative_to(archive)
            assert path.read_bytes() == again.read_bytes()


def test_archive_is_made_once(archive):
    assert not synthetic.make_archive(SMALL, archive)
    with pytest.raises(ParameterError, match="other parameters"):
        synthetic.make_archive(dataclasses.replace(SMALL, seed=1), archive)
