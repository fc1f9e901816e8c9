import json
import shlex
import types

import numpy as np
import pytest
from scipy.special import j0

from xcorr_app import cli, demo, synthetic
from xcorr_app.config import Config
from xcorr_app.demo import arrival_lag_s
from xcorr_app.synthetic import Network

SMALL = Network(n_stations=5, hours=2, diameter_km=60)


@pytest.mark.parametrize("distance_km", [15.0, 33.3, 60.0, 99.0])
def test_expected_correlation_arrives_at_distance_over_velocity(distance_km):
    rate_hz, n = 20.0, 16384
    frequency = np.fft.rfftfreq(n, 1 / rate_hz)
    power = synthetic.amplitude(frequency, SMALL.band_hz) ** 2
    expected = np.fft.irfft(power * j0(2 * np.pi * frequency * distance_km / 3.0))
    expected = np.roll(expected, 2000)[:4001]
    lag_s = arrival_lag_s(expected, rate_hz, distance_km)
    # 0.1 sample: the next term of the Bessel function's phase, 1/(8 k d)
    assert abs(lag_s - distance_km / 3.0) * rate_hz < 0.1


def test_phase_is_ahead_of_the_arrival_by_an_eighth_of_a_period():
    # therefore the largest value of a correlation is not at distance over velocity
    rate_hz, n, distance_km = 20.0, 16384, 60.0
    frequency = np.fft.rfftfreq(n, 1 / rate_hz)
    power = synthetic.amplitude(frequency, SMALL.band_hz) ** 2
    expected = np.fft.irfft(power * j0(2 * np.pi * frequency * distance_km / 3.0))
    early_s = distance_km / 3.0 - np.argmax(expected[: n // 2]) / rate_hz
    assert 0.25 < early_s < 0.6  # 1/(8 f) for 0.2 to 0.5 Hz


def test_beyond_the_largest_lag_nothing_is_measured():
    assert np.isnan(arrival_lag_s(np.ones(101), 20.0, 60.0))


class ExpectedResults:
    """Correlations of infinitely long records: the Bessel function of each distance."""

    sampling_rate_hz = 20.0
    channels = np.array([("XX.A..BHZ",), ("XX.B..BHZ",)], dtype=[("id", "U20")])

    def __init__(self, truth, velocity_km_s):
        self.distance_km = {
            pair["pair"]: pair["distance_km"] for pair in truth["pairs"]
        }
        self.velocity_km_s = velocity_km_s

    def get(self, first, second):
        distance_km = self.distance_km[f"{first}_{second}"]
        frequency = np.fft.rfftfreq(16384, 1 / 20)
        power = synthetic.amplitude(frequency, SMALL.band_hz) ** 2
        kd = 2 * np.pi * frequency * distance_km / self.velocity_km_s
        data = np.roll(np.fft.irfft(power * j0(kd)), 1200)[:2401]
        return types.SimpleNamespace(data=data)


@pytest.mark.parametrize("velocity_km_s", [2.9, 3.0])
def test_fit_gives_the_velocity_of_the_medium(tmp_path, velocity_km_s):
    truth = synthetic.true_lags(SMALL)
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    fit = demo.measure(ExpectedResults(truth, velocity_km_s), path)
    assert fit.n_pairs == 10
    # 0.1 sample of the shortest lag, about 4 s
    assert fit.velocity_km_s == pytest.approx(velocity_km_s, rel=2e-3)
    error_s = np.median([p["distance_km"] for p in truth["pairs"]]) * (
        1 / velocity_km_s - 1 / 3
    )
    assert fit.median_samples == pytest.approx(20 * error_s, abs=1)
    assert "10 pairs" in str(fit)


def test_command_line_of_the_demonstration_is_valid(tmp_path):
    words = demo.run_words(SMALL, tmp_path, ["--mapping", "multi", "-n", "2"])
    given = vars(cli.run_parser().parse(words))
    config = Config.resolve(given, given.pop("config"))
    assert config.mapping == "multi"
    assert config.processes == 2
    assert config.bandpass_hz == SMALL.band_hz


def test_next_steps_are_commands(tmp_path):
    steps = demo.next_steps(ExpectedResults({"pairs": []}, 3), tmp_path)
    assert all(step[0] in cli.COMMANDS for step in steps)


def test_demonstration_from_end_to_end(tmp_path, capsys):
    words = ["demo", "--out", str(tmp_path), "--stations", "4", "--hours", "0.5"]
    words += ["--mapping", "simple", "--quiet"]
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    picture = tmp_path / "record_section.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"Figure: {picture}" in text
    assert "6 pairs" in text
    command = next(line for line in text.splitlines() if line.startswith("$ "))
    written = (tmp_path / "truth.json").stat().st_mtime_ns
    # the command that was printed works
    assert cli.main(shlex.split(command)[2:]) == 0
    assert (tmp_path / "truth.json").stat().st_mtime_ns == written


def test_demonstration_needs_a_whole_window(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path), "--hours", "0.4"]) == 2
    assert "must be 0.5 or more" in capsys.readouterr().err
