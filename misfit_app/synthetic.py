"""A synthetic event whose true time shifts and amplitudes are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Inventory, Stream, Trace, UTCDateTime
from obspy.core.inventory import Channel, Network, Response, Site, Station

from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.signal.rotation import directions

__all__ = ["Scene", "StationTruth", "scene_inputs", "write_scene"]

ORIGIN = UTCDateTime(2024, 3, 1, 12, 0, 0)
EVENT = (44.0, 11.0, 12_000.0)  # latitude, longitude, depth in metres
EVENT_ID = "smi:misfit-app/demo/event/1"
GAIN = 1.0e9  # counts per m/s
# Of each component the velocity of its wave in km/s, its period in s, and its size.
WAVES = {"Z": (5.5, 6.0, 1.0), "R": (5.5, 7.0, 0.8), "T": (3.2, 8.0, 1.5)}
WIDTH = 1.2  # half width of the wave, in periods
PEAK_M_S = 1e-5
# Azimuths of the two horizontals; the second pair is left-handed.
ORIENTATIONS = ((0.0, 90.0, "NE"), (30.0, 120.0, "12"), (75.0, -15.0, "12"))


@dataclass(frozen=True)
class Scene:
    """Sizes of a synthetic event.

    Attributes
    ----------
    n_stations : int
    duration_s : float
        Length of the synthetics.
    synthetic_delta_s : float
        Their sampling interval.
    observed_rate_hz : float
    noise : float
        Root mean square of the noise, as a part of the largest amplitude.
    seed : int
    """

    n_stations: int = 12
    duration_s: float = 300.0
    synthetic_delta_s: float = 0.08
    observed_rate_hz: float = 20.0
    noise: float = 0.01
    seed: int = 1


@dataclass(frozen=True)
class StationTruth:
    """The true numbers of one station.

    Attributes
    ----------
    station : str
    latitude, longitude : float
    dt_s : float
        T_obs - T_syn of all components.
    dlna : float
        ln(A_obs / A_syn) of all components.
    orientation : int
        Number of the pair of horizontals.
    """

    station: str
    latitude: float
    longitude: float
    dt_s: float
    dlna: float
    orientation: int


def write_scene(scene: Scene, folder: Path) -> list[StationTruth]:
    """Write the files of an event: QuakeML, StationXML, waveforms and the truth.

    Parameters
    ----------
    scene
        The sizes.
    folder
        Gets ``quake.xml``, ``stations``, ``observed``, ``synthetic``, ``truth.json``.

    Returns
    -------
    The truth of each station.
    """
    for name in ("stations", "observed", "synthetic"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(scene.seed)
    (folder / "quake.xml").write_text(_quakeml(), encoding="utf-8")
    truths = []
    for number in range(scene.n_stations):
        azimuth = 2 * np.pi * number / scene.n_stations
        reach = random.uniform(0.8, 3.0)
        truth = StationTruth(
            station=f"XX.S{number:03d}",
            latitude=round(EVENT[0] + reach * np.cos(azimuth), 4),
            longitude=round(EVENT[1] + reach * 1.4 * np.sin(azimuth), 4),
            # away from the source in the east the true Earth is slower
            dt_s=round(1.2 * np.sin(azimuth) + 0.3 * random.uniform(-1, 1), 3),
            dlna=round(0.4 * random.uniform(-1, 1), 3),
            orientation=number % len(ORIENTATIONS),
        )
        _write_station(scene, truth, folder, random)
        truths.append(truth)
    text = json.dumps([asdict(truth) for truth in truths], indent=1)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")
    return truths


def scene_inputs(folder: Path) -> dict[str, str]:
    """Return the options of a run on the files of `write_scene`, by their names.

    Parameters
    ----------
    folder
        The folder with the files.
    """
    return {"event": str(folder / "quake.xml")} | {
        name: str(folder / name) for name in ("stations", "observed", "synthetic")
    }


def _write_station(
    scene: Scene, truth: StationTruth, folder: Path, random: np.random.Generator
) -> None:
    distance_km, _, back_azimuth = (
        float(x) for x in geodesic(EVENT[0], EVENT[1], truth.latitude, truth.longitude)
    )
    radial_deg = (back_azimuth + 180.0) % 360.0
    times_s = np.arange(0, scene.duration_s, scene.synthetic_delta_s) - 5.0
    motion = _motion(times_s, distance_km, radial_deg)
    network, station = truth.station.split(".")
    for letter, row in zip("ZNE", motion, strict=True):
        rows = zip(times_s.tolist(), row.tolist(), strict=True)
        text = "".join(f"{t:.4f} {value:.12e}\n" for t, value in rows)
        path = folder / "synthetic" / f"{network}.{station}.BX{letter}.semv"
        path.write_text(text, encoding="ascii")
    first, second, letters = ORIENTATIONS[truth.orientation]
    axes = directions([0.0, first, second], [-90.0, 0.0, 0.0])
    observed_s = np.arange(-180.0, scene.duration_s + 180.0, 1 / scene.observed_rate_hz)
    # the first sample is not on the axis of the synthetic
    observed_s += 0.0137
    late = _motion(observed_s - truth.dt_s, distance_km, radial_deg)
    record = axes @ late * np.exp(truth.dlna)
    record += scene.noise * PEAK_M_S * random.standard_normal(record.shape)
    stream = Stream()
    for letter, row in zip("Z" + letters, record, strict=True):
        header = {
            "network": network,
            "station": station,
            "channel": f"BH{letter}",
            "sampling_rate": scene.observed_rate_hz,
            "starttime": ORIGIN + float(observed_s[0]),
        }
        stream.append(Trace(np.round(row * GAIN).astype(np.int32), header))
    stream.write(str(folder / "observed" / f"{truth.station}.mseed"), format="MSEED")
    inventory = _inventory(truth, scene, {"Z": (0.0, -90.0)} | {
        letters[0]: (first % 360.0, 0.0), letters[1]: (second % 360.0, 0.0)
    })  # fmt: skip
    path = folder / "stations" / f"{truth.station}.xml"
    inventory.write(str(path), format="STATIONXML")


def _motion(times_s: np.ndarray, distance_km: float, radial_deg: float) -> np.ndarray:
    """Return the velocity up, north and east, shape (3, n)."""
    waves = {}
    for letter, (velocity_km_s, period_s, size) in WAVES.items():
        phase = (times_s - distance_km / velocity_km_s - 20.0) / period_s
        envelope = np.exp(-((phase / WIDTH) ** 2))
        waves[letter] = PEAK_M_S * size * envelope * np.cos(2 * np.pi * phase)
    angle = np.radians(radial_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    north = cos * waves["R"] - sin * waves["T"]
    east = sin * waves["R"] + cos * waves["T"]
    return np.stack([waves["Z"], north, east])


def _inventory(
    truth: StationTruth, scene: Scene, channels: Mapping[str, tuple[float, float]]
) -> Inventory:
    network, code = truth.station.split(".")
    place: dict[str, Any] = {
        "latitude": truth.latitude,
        "longitude": truth.longitude,
        "elevation": 0.0,
    }
    start = UTCDateTime(2020, 1, 1)
    station = Station(
        code, **place, site=Site("synthetic"), start_date=start, creation_date=start
    )
    response = Response.from_paz(
        zeros=[], poles=[], stage_gain=GAIN, input_units="M/S", output_units="COUNTS"
    )
    station.channels = [
        Channel(
            f"BH{letter}",
            "",
            **place,
            depth=0.0,
            azimuth=azimuth,
            dip=dip,
            sample_rate=scene.observed_rate_hz,
            start_date=start,
            response=response,
        )
        for letter, (azimuth, dip) in channels.items()
    ]
    networks = [Network(network, stations=[station])]
    return Inventory(networks=networks, source="misfit-app demo")


def _quakeml() -> str:
    latitude, longitude, depth_m = EVENT
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<q:quakeml xmlns:q="http://quakeml.org/xmlns/quakeml/1.2"
 xmlns="http://quakeml.org/xmlns/bed/1.2">
<eventParameters publicID="smi:misfit-app/demo">
<event publicID="{EVENT_ID}">
<preferredOriginID>smi:misfit-app/demo/origin/1</preferredOriginID>
<origin publicID="smi:misfit-app/demo/origin/1">
<time><value>{ORIGIN}</value></time>
<latitude><value>{latitude}</value></latitude>
<longitude><value>{longitude}</value></longitude>
<depth><value>{depth_m}</value></depth></origin>
<magnitude publicID="smi:misfit-app/demo/magnitude/1"><mag><value>5.1</value></mag>
</magnitude></event></eventParameters></q:quakeml>
"""
