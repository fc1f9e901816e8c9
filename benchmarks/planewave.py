"""Synthetic data with known lags: one plane wave crosses a network of stations.

A stationary plane wave comes from the west. Each station adds its own noise, as strong
as the wave, and records ground velocity with a broadband sensor. The gains of the
sensors differ a little. The lag of the wave between two stations is known exactly: it
is their distance from west to east divided by the velocity of the wave.
"""

from __future__ import annotations

import itertools
import json
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal

from xcorr_app.synthetic_response import (
    COUNTS_PER_V,
    SENSOR_V_PER_M_S,
    velocity_response,
)

N_PROCESSES = 2
NETWORK_CODE = "XA"
CENTRE = (40.0, -100.0)  # latitude, longitude

# A Streckeisen STS-2 (radians per second) with a 24-bit digitiser. The last filter of
# the digitiser is symmetric, with 39 coefficients.
ZEROS = [0j, 0j, -15.15 + 0j, -318.6 + 401.2j, -318.6 - 401.2j]
POLES = [
    -0.037 + 0.037j,
    -0.037 - 0.037j,
    -15.99 + 0j,
    -100.9 + 401.9j,
    -100.9 - 401.9j,
    -187.2 + 0j,
    -417.1 + 0j,
]
FIR_COEFFICIENTS = 39


@dataclass(frozen=True)
class PlaneWave:
    """Parameters of the synthetic data; equal parameters give equal bytes.

    Attributes
    ----------
    n_stations, seed
        Number of stations, and seed of all random numbers.
    channel, rate_hz, seconds, start
        Channel code, sampling rate, length and start of the records.
    velocity_km_s
        Velocity of the wave, which travels east.
    diameter_km
        Diameter of the disk in which the stations lie.
    band_hz
        Band of the wave and of the noise of the stations.
    ground_rms_m_s
        Root mean square of the wave, and of the noise.
    """

    n_stations: int
    channel: str
    rate_hz: float
    seconds: float
    start: str
    diameter_km: float
    band_hz: tuple[float, float]
    seed: int = 2015
    velocity_km_s: float = 3.0
    ground_rms_m_s: float = 1e-7

    @property
    def name(self) -> str:
        """Name of the folder of the data."""
        return f"{self.n_stations}-{self.channel}-{self.seconds:g}s"

    @property
    def n_samples(self) -> int:
        """Samples of each record."""
        return round(self.seconds * self.rate_hz)

    def codes(self) -> list[str]:
        """Return the station codes."""
        return [f"S{k:04d}" for k in range(self.n_stations)]

    def channel_ids(self) -> list[str]:
        """Return the channel ids, NET.STA.LOC.CHA."""
        return [f"{NETWORK_CODE}.{code}..{self.channel}" for code in self.codes()]

    def positions_km(self) -> np.ndarray:
        """Return east and north of the centre, shape (n_stations, 2)."""
        rng = np.random.default_rng([self.seed, 0])
        radius = self.diameter_km / 2 * np.sqrt(rng.random(self.n_stations))
        angle = 2 * np.pi * rng.random(self.n_stations)
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)

    def gains(self) -> np.ndarray:
        """Return the gain of each sensor divided by the nominal gain."""
        rng = np.random.default_rng([self.seed, 3])
        return np.round(rng.uniform(0.98, 1.02, self.n_stations), 4)


def instrument(frequency_hz: np.ndarray) -> np.ndarray:
    """Return the response of sensor and digitiser, counts per m/s."""
    s = 2j * np.pi * frequency_hz
    _, shape = scipy.signal.freqs_zpk(ZEROS, POLES, 1.0, s.imag)
    return shape / _shape_at_1_hz() * SENSOR_V_PER_M_S * COUNTS_PER_V


def _shape_at_1_hz() -> float:
    s = 2j * math.pi
    return abs(math.prod(s - z for z in ZEROS) / math.prod(s - p for p in POLES))


def records(wave: PlaneWave, stations: list[int]) -> dict[str, np.ndarray]:
    """Return the counts of some stations, int32, by station code."""
    n = wave.n_samples
    frequency = np.fft.rfftfreq(n, 1 / wave.rate_hz)
    low, high = np.searchsorted(frequency, wave.band_hz)
    inside = frequency[low:high]
    shape = instrument(inside) * np.sin(np.linspace(0, np.pi, len(inside)))
    # Parseval: each bin has variance 2, and the mean of the squared sine is 1/2
    shape *= wave.ground_rms_m_s * n / np.sqrt(2 * len(inside))
    common = _noise(np.random.default_rng([wave.seed, 1]), len(inside))
    east, codes, gains = wave.positions_km()[:, 0], wave.codes(), wave.gains()
    counts_by_station = {}
    for k in stations:
        rng = np.random.default_rng([wave.seed, 2, k])
        delay = np.exp(-2j * np.pi * inside * east[k] / wave.velocity_km_s)
        spectrum = np.zeros(len(frequency), complex)
        ground = common * delay + _noise(rng, len(inside))
        spectrum[low:high] = gains[k] * shape * ground
        counts = np.fft.irfft(spectrum, n) + rng.normal(0, 2, n) + rng.normal(0, 500)
        counts_by_station[codes[k]] = np.rint(counts).astype(np.int32)
    return counts_by_station


def _noise(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal(2 * n).view(complex)


# -- lags -----------------------------------------------------------------------------


def peak_lag(correlation: np.ndarray) -> float:
    """Return the lag of the largest value in samples, by a parabola through it.

    Examples
    --------
    >>> peak_lag(np.array([0.0, 0.0, 0.0, 1.0, 2.0, 1.0, 0.0]))
    1.0
    """
    half, index = len(correlation) // 2, int(np.argmax(correlation))
    if not 0 < index < len(correlation) - 1:
        return float(index - half)
    before, peak, after = np.asarray(correlation[index - 1 : index + 2], float)
    return index - half + 0.5 * (before - after) / (before - 2 * peak + after)


# -- files ---------------------------------------------------------------------------


def make_archive(wave: PlaneWave, folder: Path, processes: int = N_PROCESSES) -> Path:
    """Write archive, station list, metadata and true arrival times, if missing.

    Returns
    -------
    pathlib.Path
        A folder in ``folder`` that holds ``archive/``, ``stations.txt``,
        ``stations.xml`` and ``truth.json``.
    """
    place = folder / wave.name
    truth = place / "truth.json"
    parameters = json.loads(json.dumps(asdict(wave)))
    if truth.exists() and json.loads(truth.read_text())["wave"] == parameters:
        return place
    place.mkdir(parents=True, exist_ok=True)
    truth.unlink(missing_ok=True)
    size = max(1, math.ceil(wave.n_stations / (8 * processes)))
    numbers = list(range(wave.n_stations))
    chunks = [numbers[k : k + size] for k in range(0, wave.n_stations, size)]
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(partial(_write_records, wave, place / "archive"), chunks))
    (place / "stations.txt").write_text(
        "".join(f"{NETWORK_CODE} {code}\n" for code in wave.codes())
    )
    (place / "stations.xml").write_text(_metadata(wave))
    # written last: if this file exists, the data are complete
    east = wave.positions_km()[:, 0] / wave.velocity_km_s
    arrivals = dict(zip(wave.codes(), east.tolist(), strict=True))
    truth.write_text(json.dumps({"wave": parameters, "arrivals_s": arrivals}, indent=1))
    return place


def _write_records(wave: PlaneWave, archive: Path, stations: list[int]) -> None:
    from obspy import Trace, UTCDateTime

    start = UTCDateTime(wave.start)
    for code, counts in records(wave, stations).items():
        header = {
            "network": NETWORK_CODE,
            "station": code,
            "channel": wave.channel,
            "sampling_rate": wave.rate_hz,
        }
        for begin, end in _days(wave, start):
            time = start + begin / wave.rate_hz
            trace = Trace(counts[begin:end], {**header, "starttime": time})
            folder = archive / str(time.year) / NETWORK_CODE / code
            path = folder / f"{wave.channel}.D" / day_name(trace)
            path.parent.mkdir(parents=True, exist_ok=True)
            trace.write(str(path), format="MSEED", encoding="STEIM2", reclen=4096)


def _days(wave: PlaneWave, start: Any) -> list[tuple[int, int]]:
    """Return the range of samples of each UTC day, as (begin, end)."""
    per_day = round(86400 * wave.rate_hz)
    into_day = round((start.ns % (86400 * 10**9)) / 1e9 * wave.rate_hz)
    edges = [*range(-into_day, wave.n_samples, per_day), wave.n_samples]
    return [(max(0, a), b) for a, b in itertools.pairwise(edges)]


def day_name(trace: Any) -> str:
    """Return the file name in an SDS archive for the day of a trace."""
    time = trace.stats.starttime
    return f"{trace.id}.D.{time.year}.{time.julday:03d}"


def _metadata(wave: PlaneWave) -> str:
    """Return StationXML: ObsPy writes one station, which is the pattern of all."""
    from io import BytesIO

    from geographiclib.geodesic import Geodesic
    from obspy import Inventory

    # placeholders in the pattern, which the numbers of each station replace
    latitude, longitude = 12.345678, 123.456789
    gain, total = (str(SENSOR_V_PER_M_S * factor) for factor in (1.0, COUNTS_PER_V))
    network = _network(wave, "CODE", latitude, longitude)
    buffer = BytesIO()
    Inventory([network], source="benchmarks").write(buffer, format="STATIONXML")
    head, begin, content = buffer.getvalue().decode().partition("    <Station ")
    body, end, tail = content.partition("</Station>\n")
    pattern = begin + body + end
    assert pattern.count(str(latitude)) == 2, "station and channel"
    stations = []
    for code, (east, north), factor in zip(
        wave.codes(), wave.positions_km(), wave.gains(), strict=True
    ):
        bearing, distance = (
            math.degrees(math.atan2(east, north)),
            math.hypot(east, north),
        )
        position = Geodesic.WGS84.Direct(*CENTRE, bearing, 1000 * distance)
        stations.append(
            pattern.replace("CODE", code)
            .replace(str(latitude), f"{position['lat2']:.6f}")
            .replace(str(longitude), f"{position['lon2']:.6f}")
            .replace(f">{gain}<", f">{factor * float(gain):.3f}<")
            .replace(f">{total}<", f">{factor * float(total):.1f}<")
        )
    return head + "".join(stations) + tail


def _network(wave: PlaneWave, code: str, latitude: float, longitude: float) -> Any:
    from obspy import UTCDateTime
    from obspy.core import inventory as inv

    position = {"latitude": latitude, "longitude": longitude, "elevation": 0.0}
    start = UTCDateTime(wave.start) - 365 * 86400
    channel = inv.Channel(
        wave.channel,
        "",
        **position,
        depth=0.0,
        azimuth=0.0,
        dip=-90.0,
        sample_rate=wave.rate_hz,
        start_date=start,
        response=_response(wave.rate_hz),
    )
    station = inv.Station(code, **position, channels=[channel], start_date=start)
    return inv.Network(NETWORK_CODE, stations=[station])


def _response(rate_hz: float) -> Any:
    taps = scipy.signal.firwin(FIR_COEFFICIENTS, 0.8)
    return velocity_response(rate_hz, ZEROS, POLES, 1 / _shape_at_1_hz(), taps.tolist())
