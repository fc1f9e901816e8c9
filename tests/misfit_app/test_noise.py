"""Empirical Green's functions of a correlation run, compared with synthetics.

The correlations are those of isotropic noise in a plane of known velocity (a Bessel
function), and the synthetics are the Green's functions of another velocity (a Hankel
function): the true time shifts follow from the distances.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import hankel2, j0

import misfit_app
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app.cli import main
from xcorr_app.export.misfit import green_function
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import create_run

RATE_HZ, N_LAGS = 10.0, 2401
TRUE_KM_S, MODEL_KM_S = 3.0, 3.03
PLACES = {"A": (45.0, 7.0), "B": (45.6, 7.3), "C": (44.9, 8.1)}


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float
    longitude: float
    elevation_m: float = 0.0


def distance_km(first, second):
    return float(geodesic(*PLACES[first], *PLACES[second])[0])


def in_time(spectrum):
    """Return samples at -60 to 60 s of a spectrum over angular frequency."""
    n = 8192
    omega = 2 * np.pi * np.fft.rfftfreq(n, 1 / RATE_HZ)
    band = np.exp(-(((omega / (2 * np.pi) - 0.12) / 0.05) ** 2))
    values = np.zeros(omega.size, complex)
    values[1:] = spectrum(omega[1:]) * band[1:]
    wave = np.roll(np.fft.irfft(values, n), N_LAGS // 2)
    return wave[:N_LAGS]


def correlation(km):
    return in_time(lambda omega: j0(omega * km / TRUE_KM_S))


def green(km, km_s):
    return in_time(lambda omega: -0.25j * hankel2(0, omega * km / km_s))


def write_run(out, channels, pairs, data):
    """Write the results of a correlation run, with channels such as ``A..BHZ``."""
    create_run(
        out,
        config={"window_s": 3600},
        channels=[Place(f"XX.{name}", *PLACES[name[0]]) for name in channels],
        sampling_rate_hz=RATE_HZ,
        n_lags=N_LAGS,
        dtype="f8",
    )
    n = len(pairs)
    with CorrelationWriter(out) as writer:
        times = np.zeros(n, "i8"), np.full(n, 10**14)
        rows = (np.full(n, 48, "i4"), *times, np.stack(data), (0, 0, 0), True)
        writer.write(CorrelationRows("all", np.array(pairs, "i4"), *rows))
    finalize(out)


def write_synthetic(folder, source, receiver, channel, wave):
    times_s = (np.arange(N_LAGS) - N_LAGS // 2) / RATE_HZ
    path = folder / f"XX.{source}.Z" / f"XX.{receiver}.{channel}.semd"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(times_s, wave, strict=True)
    path.write_text("".join(f"{t:.4f} {x:.12e}\n" for t, x in rows))


def measure(folder, out, component):
    source = folder / "green"
    return misfit_app.measure(
        event=str(source / "events.xml"),
        stations=str(source / "stations" / "{event}.xml"),
        observed=str(source / "observed" / "{event}"),
        synthetic=str(folder / "synthetic" / "{event}"),
        response="none",
        observed_motion="displacement",
        motion="displacement",
        components=component,
        periods_s="5-20",
        window_method="whole",
        measures=["cc_time"],
        out=str(out),
    ).rows


def check_shifts(rows, n):
    assert len(rows) == n
    for row in rows:
        first, second = row["event"].split(".")[-2], row["station"].split(".")[1]
        km = distance_km(first, second)
        truth = km / TRUE_KM_S - km / MODEL_KM_S
        # the spectra differ by a factor of the frequency, and 22 km are 0.9 wavelengths
        assert row["dt_s"] == pytest.approx(truth, abs=0.02)


def export_run(folder):
    words = ["export", str(folder / "run"), str(folder / "green"), "--quiet"]
    assert main([*words, "--format", "misfit"]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    names = list(PLACES)
    pairs = [(0, 0), (0, 1), (0, 2), (1, 2)]
    data = [correlation(distance_km(names[i], names[j])) for i, j in pairs]
    write_run(folder / "run", [f"{name}..BHZ" for name in names], pairs, data)
    for source in names:
        for receiver in set(names) - {source}:
            wave = green(distance_km(source, receiver), MODEL_KM_S)
            write_synthetic(folder / "synthetic", source, receiver, "BXZ", wave)
    export_run(folder)
    return folder


def test_shifts_are_those_of_the_two_velocities(folder, tmp_path):
    check_shifts(measure(folder, tmp_path / "out", "Z"), 6)  # both ways of three pairs


def test_radial_receivers_point_away_from_their_source(tmp_path):
    """The radial of a pair points from its first to its second station."""
    channels = ["A..BHZ", "A..BHR", "B..BHZ", "B..BHR"]
    wave = correlation(distance_km("A", "B"))
    write_run(tmp_path / "run", channels, [(0, 3), (1, 2)], [wave, -wave])
    export_run(tmp_path)
    for source, receiver in ("AB", "BA"):
        radial = np.radians(geodesic(*PLACES[receiver], *PLACES[source])[1] + 180.0)
        wave = green(distance_km(source, receiver), MODEL_KM_S)
        for channel, part in (("BXN", np.cos(radial)), ("BXE", np.sin(radial))):
            folder = tmp_path / "synthetic"
            write_synthetic(folder, source, receiver, channel, wave * part)
    check_shifts(measure(tmp_path, tmp_path / "out", "R"), 2)


def test_pairs_without_two_places_are_listed(folder):
    text = (folder / "green" / "skipped.tsv").read_text()
    assert "XX.A..BHZ_XX.A..BHZ" in text
    assert "of one station" in text


def test_green_function_is_odd_and_the_derivative():
    lags_s = (np.arange(401) - 200) / 20.0
    data = np.exp(-((lags_s - 3) ** 2)) + 0.5 * np.exp(-((lags_s + 3) ** 2))
    pair = Correlation.of("X.A..Z", "X.B..Z", data, rate_hz=20.0)
    wave = green_function(pair)
    np.testing.assert_allclose(wave, -wave[::-1], atol=1e-12)
    exact = 0.75 * 2 * (lags_s - 3) * np.exp(-((lags_s - 3) ** 2))
    late = lags_s > 1
    # central differences: the third derivative times the squared step over 6
    np.testing.assert_allclose(wave[late], exact[late], atol=3e-3)
