"""A synthetic seismic network in ambient noise, whose Green's functions are known.

The medium is two-dimensional with one velocity c. Noise comes from all directions:
``n_directions`` plane waves from sources in the far field, at equal steps of azimuth.
Each wave is an independent Gaussian series with the power spectrum S(f). The expected
cross-spectrum of two stations at distance d is then

    C(f) = S(f) * (1/N) sum over n of exp(i k d cos(theta_n)) = S(f) J0(k d),

with k = 2 pi f / c: Aki's spatial autocorrelation (see Tsai & Moschetti 2010,
doi:10.1111/j.1365-246X.2010.04633.x), which is also the imaginary part of the
two-dimensional Green's function (Sanchez-Sesma & Campillo 2006,
doi:10.1785/0120050181). The sum equals J0 to machine precision if N is larger than
k d by a margin; `Network` refuses fewer directions.

For k d >> 1, J0(k d) = sqrt(2 / (pi k d)) cos(k d - pi/4): one arrival at positive
and one at negative lag, at d/c, with a phase advance of pi/4. The *envelope* of the
correlation has its peak at d/c; the largest *trough or crest* is about 1/(8 f) earlier
(5 samples at 0.5 Hz and 20 Hz). ``xcorr_app.demo.arrival_lag_s`` corrects the pi/4 and
measures the lag of the Green's function. The error of this approximation, the next term
1/(8 k d) of the phase, is below 0.1 sample for distances above 10 km and the default
band.

The finite record adds noise of about 1/sqrt(2 B T) of the value at zero distance, for
bandwidth B and duration T.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dispel4py.errors import ParameterError
from dispel4py.files import exists
from seismo_pes.application.times import format_time, parse_time
from xcorr_app.defaults import HOURS, N_STATIONS, SEED
from xcorr_app.synthetic_response import (
    COUNTS_PER_V,
    SENSOR_V_PER_M_S,
    velocity_response,
)

if TYPE_CHECKING:
    from obspy import Inventory

Positions = np.ndarray  # (n_stations, 2): east and north of the centre, km
Advance = Callable[[int], object]

NETWORK_CODE, LOCATION_CODE, CHANNEL_CODE = "XX", "00", "BHZ"
CENTRE = (47.0, 8.5)  # latitude, longitude

# A broadband sensor with a corner period of 120 s and a 24-bit digitiser.
CORNER_RAD_S = 2 * math.pi / 120
POLES = [complex(-CORNER_RAD_S, s * CORNER_RAD_S) / math.sqrt(2) for s in (1, -1)]
ZEROS = [0j, 0j]

GROUND_RMS_M_S = 1e-6  # a quiet continental site in the microseism band
EARTH_RADIUS_KM = 6371.0


@dataclass(frozen=True)
class Network:
    """Parameters of a synthetic archive; equal parameters give equal bytes.

    Attributes
    ----------
    n_stations, hours, seed
        Number of stations, length of the record from midnight, seed of all random
        numbers.
    velocity_km_s, band_hz
        Velocity of the medium, and band of the noise.
    n_directions
        Number of directions from which the noise comes.
    incoherent
        RMS of the white noise of each station, divided by the RMS of the common noise.
    diameter_km
        Diameter of the disk in which the stations lie.
    """

    n_stations: int = N_STATIONS
    hours: float = HOURS
    seed: int = SEED
    velocity_km_s: float = 3.0
    rate_hz: float = 20.0
    band_hz: tuple[float, float] = (0.1, 1.0)
    n_directions: int = 360
    incoherent: float = 0.5
    diameter_km: float = 100.0
    start: str = "2022-06-01"

    def __post_init__(self) -> None:
        if not 2 <= self.n_stations <= 99:
            raise ParameterError(f"--stations {self.n_stations}: must be 2 to 99")
        if not 0 < self.hours <= 24 * 31:
            raise ParameterError(f"--hours {self.hours:g}: must be above 0, to 744")
        if self.n_directions < self.n_directions_needed:
            raise ParameterError(
                f"{self.n_directions} directions of noise are too few for this "
                f"network: {self.n_directions_needed} are needed"
            )

    @property
    def n_directions_needed(self) -> int:
        """Number of directions for which the sum equals J0, to about 1e-6."""
        kd = 2 * math.pi * self.band_hz[1] / self.velocity_km_s * self.diameter_km
        # J_N(kd) falls faster than exponentially beyond N = kd + a few kd^(1/3)
        return math.ceil(kd + 5 * kd ** (1 / 3) + 5)

    @property
    def n_samples(self) -> int:
        """Samples of each trace."""
        return round(self.hours * 3600 * self.rate_hz)

    @property
    def end(self) -> str:
        """Time of the end of the records."""
        return format_time(parse_time(self.start) + timedelta(hours=self.hours))

    def codes(self) -> list[str]:
        """Return the station codes."""
        return [f"S{i:02d}" for i in range(1, self.n_stations + 1)]

    def channel_ids(self) -> list[str]:
        """Return the channel ids, NET.STA.LOC.CHA."""
        tail = f"{LOCATION_CODE}.{CHANNEL_CODE}"
        return [f"{NETWORK_CODE}.{code}.{tail}" for code in self.codes()]

    def to_dict(self) -> dict[str, Any]:
        """Return all parameters, ready for JSON."""
        return {**dataclasses.asdict(self), "band_hz": list(self.band_hz)}


def positions_km(network: Network) -> Positions:
    """Return random positions of the stations in a disk, no two of them close.

    Best-candidate sampling (Mitchell 1991): of several random positions, a new station
    takes the position that is farthest from all other stations.
    """
    rng = np.random.default_rng([network.seed, 0])
    places = np.empty((0, 2))
    for _ in range(network.n_stations):
        radius = network.diameter_km / 2 * np.sqrt(rng.random(12))
        angle = 2 * np.pi * rng.random(12)
        candidates = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        gaps = np.linalg.norm(candidates[:, None] - places[None], axis=-1)
        best = int(np.argmax(gaps.min(axis=1))) if len(places) else 0
        places = np.concatenate([places, candidates[best : best + 1]])
    return places


def delays_s(
    positions: Positions, n_directions: int, velocity_km_s: float
) -> np.ndarray:
    """Return the delay of each plane wave at each station, (stations, directions)."""
    azimuth = 2 * np.pi * np.arange(n_directions) / n_directions
    toward = np.stack([np.sin(azimuth), np.cos(azimuth)])
    return positions @ toward / velocity_km_s


def amplitude(frequency_hz: np.ndarray, band_hz: tuple[float, float]) -> np.ndarray:
    """Return the amplitude spectrum of the noise: a Hann window over log frequency.

    It is smooth at both edges of the band, so that correlations have no ringing.
    """
    low, high = np.log(band_hz)
    inside = (frequency_hz > band_hz[0]) & (frequency_hz < band_hz[1])
    x = (np.log(np.where(inside, frequency_hz, band_hz[0])) - low) / (high - low)
    return np.where(inside, np.sin(np.pi * x) ** 2, 0.0)


def common_spectra(
    delays: np.ndarray,
    frequency_hz: np.ndarray,
    amplitudes: np.ndarray,
    rng: np.random.Generator,
    n_block: int = 16,
) -> np.ndarray:
    """Sum the plane waves at each station, in the frequency domain.

    Parameters
    ----------
    delays
        Seconds, (stations, directions).
    frequency_hz, amplitudes
        Equally spaced frequencies and the amplitude spectrum there, (bins,).
    rng
        Source of the random numbers.

    Returns
    -------
    complex128, (stations, bins), with mean square ``2 * amplitudes**2`` per bin.
    """
    n_directions = delays.shape[1]
    spectra = np.empty((len(delays), len(frequency_hz)), complex)
    if len(frequency_hz) < 2:
        raise ParameterError("the record is too short for the band of the noise")
    spacing_hz = frequency_hz[1] - frequency_hz[0]
    # Within a block, exp(-2 pi i f tau) is computed by products, which is many times
    # faster than exp. Each block starts anew, so that errors do not grow.
    step = -2j * np.pi * spacing_hz * delays
    within = np.exp(np.arange(n_block)[:, None, None] * step)
    for first in range(0, len(frequency_hz), n_block):
        block = slice(first, min(first + n_block, len(frequency_hz)))
        n = block.stop - first
        shift = np.exp(-2j * np.pi * frequency_hz[first] * delays)
        waves = rng.standard_normal((n, 2 * n_directions)).view(complex)
        waves *= amplitudes[block, None] / math.sqrt(n_directions)
        # einsum, not matmul: for many small products BLAS threads cost much time
        spectra[:, block] = np.einsum("fsd,fd->sf", within[:n] * shift, waves)
    return spectra


def instrument(frequency_hz: np.ndarray) -> np.ndarray:
    """Return the response of sensor and digitiser, counts per m/s, complex."""
    s = 2j * np.pi * frequency_hz
    shape = np.prod([s - z for z in ZEROS], axis=0)
    shape = shape / np.prod([s - p for p in POLES], axis=0)
    return shape * _normalisation() * SENSOR_V_PER_M_S * COUNTS_PER_V


def _normalisation(frequency_hz: float = 1.0) -> float:
    s = 2j * math.pi * frequency_hz
    return abs(math.prod(s - p for p in POLES) / math.prod(s - z for z in ZEROS))


def traces(network: Network) -> Iterator[tuple[str, np.ndarray]]:
    """Yield channel id and record of each station, counts, float64.

    The record is periodic with its own length, so it has no effects of start and end:
    every wave is present at every station at all times. Only one trace at a time is in
    memory.
    """
    n = network.n_samples
    frequency = np.fft.rfftfreq(n, 1 / network.rate_hz)
    low, high = np.searchsorted(frequency, network.band_hz)
    bins = slice(max(int(low), 1), int(high))
    shape = amplitude(frequency[bins], network.band_hz)
    delays = delays_s(
        positions_km(network), network.n_directions, network.velocity_km_s
    )
    rng = np.random.default_rng([network.seed, 1])
    spectra = common_spectra(delays, frequency[bins], shape, rng)
    # Parseval: the RMS of irfft of a one-sided spectrum X is sqrt(2 sum |X|^2) / n
    spectra *= GROUND_RMS_M_S * n / math.sqrt(4 * np.sum(shape**2))
    noise_level = GROUND_RMS_M_S * network.incoherent * math.sqrt(n / 2)
    response = instrument(frequency)
    for i, channel_id in enumerate(network.channel_ids()):
        station_rng = np.random.default_rng([network.seed, 2, i])
        spectrum = station_rng.standard_normal(2 * len(frequency)).view(complex)
        spectrum *= noise_level
        spectrum[bins] += spectra[i]
        yield channel_id, np.fft.irfft(spectrum * response, n)


def make_archive(
    network: Network, folder: str | Path, advance: Advance | None = None
) -> bool:
    """Write the network as an SDS archive with StationXML and the true lags.

    In `folder`: ``archive/`` (int32 Steim2 miniSEED), ``stations.xml``,
    ``stations.txt`` and ``truth.json``. An existing archive with the same parameters is
    not changed.

    Parameters
    ----------
    advance
        Called with the number of stations done.

    Returns
    -------
    True if the archive was written, False if it existed.

    Raises
    ------
    ParameterError
        If the folder holds an archive made with other parameters.
    """
    folder = Path(folder)
    truth = folder / "truth.json"
    if exists(truth):
        if json.loads(truth.read_text())["network"] != network.to_dict():
            raise ParameterError(
                f"{folder} holds a network with other parameters: remove it or "
                "choose another folder"
            )
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for done, (channel_id, counts) in enumerate(traces(network), start=1):
        _write_days(folder / "archive", channel_id, counts, network)
        if advance is not None:
            advance(done)
    inventory(network).write(str(folder / "stations.xml"), format="STATIONXML")
    codes = "".join(f"{NETWORK_CODE} {code}\n" for code in network.codes())
    (folder / "stations.txt").write_text(f"# network station\n{codes}")
    # written last: if this file exists, the archive is complete
    truth.write_text(json.dumps(true_lags(network), indent=1) + "\n")
    return True


def _write_days(
    archive: Path, channel_id: str, counts: np.ndarray, network: Network
) -> None:
    from obspy import Trace, UTCDateTime

    net, sta, loc, cha = channel_id.split(".")
    first = UTCDateTime(format_time(parse_time(network.start)))
    per_day = round(86400 * network.rate_hz)
    samples = np.rint(counts).astype(np.int32)
    for begin in range(0, len(samples), per_day):
        time = first + begin / network.rate_hz
        header = {
            "network": net,
            "station": sta,
            "location": loc,
            "channel": cha,
            "starttime": time,
            "sampling_rate": network.rate_hz,
        }
        name = f"{channel_id}.D.{time.year}.{time.julday:03d}"
        path = archive / str(time.year) / net / sta / f"{cha}.D" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        trace = Trace(samples[begin : begin + per_day], header)
        trace.write(str(path), format="MSEED", encoding="STEIM2", reclen=4096)


def coordinates(network: Network) -> list[tuple[float, float]]:
    """Return latitude and longitude of each station.

    The projection is azimuthal equidistant around the centre: geodesic distances
    between stations equal those in the plane to about 1e-5.
    """
    from geographiclib.geodesic import Geodesic

    places = []
    for east, north in positions_km(network):
        bearing = math.degrees(math.atan2(east, north))
        distance_m = 1000 * math.hypot(east, north)
        point = Geodesic.WGS84.Direct(*CENTRE, bearing, distance_m)
        places.append((round(point["lat2"], 6), round(point["lon2"], 6)))
    return places


def true_lags(network: Network) -> dict[str, Any]:
    """Return the parameters, and distance and lag of each pair, ready for JSON."""
    from geographiclib.geodesic import Geodesic

    ids, places = network.channel_ids(), coordinates(network)
    pairs = []
    for j in range(len(ids)):
        for i in range(j):
            geodesic = Geodesic.WGS84.Inverse(*places[i], *places[j])
            distance_km = geodesic["s12"] / 1000
            lag_s = distance_km / network.velocity_km_s
            pairs.append(
                {
                    "pair": f"{ids[i]}_{ids[j]}",
                    "distance_km": round(distance_km, 6),
                    "lag_s": round(lag_s, 6),
                }
            )
    note = (
        "lag_s: lag of the Green's function on either side, distance over velocity; "
        "the phase of the correlation there is pi/4 ahead of it (two dimensions)"
    )
    return {"network": network.to_dict(), "note": note, "pairs": pairs}


def inventory(network: Network) -> Inventory:
    """Return the stations with coordinates and responses."""
    from obspy import Inventory, UTCDateTime
    from obspy.core import inventory as inv

    start = UTCDateTime(format_time(parse_time(network.start))) - 86400
    stations = []
    for code, (latitude, longitude) in zip(
        network.codes(), coordinates(network), strict=True
    ):
        position = {"latitude": latitude, "longitude": longitude, "elevation": 0.0}
        channel = inv.Channel(
            CHANNEL_CODE,
            LOCATION_CODE,
            **position,
            depth=0.0,
            azimuth=0.0,
            dip=-90.0,
            sample_rate=network.rate_hz,
            start_date=start,
            response=_response(network.rate_hz),
        )
        stations.append(
            inv.Station(code, **position, channels=[channel], start_date=start)
        )
    return Inventory(
        [inv.Network(NETWORK_CODE, stations=stations)], source="xcorr-app demo"
    )


def _response(rate_hz: float) -> Any:
    return velocity_response(rate_hz, ZEROS, POLES, _normalisation())
