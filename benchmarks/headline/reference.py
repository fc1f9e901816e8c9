"""The expected results: elements one by one, then the direct sum in float64."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import obspy

from benchmarks.planewave import N_PROCESSES, PlaneWave, peak_lag
from seismo_pes.metadata.inverse import ResponseCache
from seismo_pes.preprocessing.filters import bandpass
from seismo_pes.preprocessing.normalization import envelope
from seismo_pes.preprocessing.resampling import resample
from seismo_pes.preprocessing.response import remove_response
from seismo_pes.preprocessing.trends import demean, detrend
from seismo_pes.signal.correlate import correlate_direct

RATE_HZ = 4.0
PRE_FILT = (0.005, 0.006, 1.6, 1.9)
BAND_HZ = (0.01, 1.0)
ENVELOPE_N = 15
WINDOW_S = 3600
MAX_LAG_S = 1250
N_LAGS = 2 * round(MAX_LAG_S * RATE_HZ) + 1

#: The same steps as an option of the application.
STEPS = (
    f"Resample(rate_hz={RATE_HZ}), Detrend(kind='linear'), Demean(), "
    f"RemoveResponse(output='VEL', pre_filt={PRE_FILT}), "
    f"Bandpass(low_hz={BAND_HZ[0]}, high_hz={BAND_HZ[1]}, corners=4, "
    f"zero_phase=False), Envelope(n={ENVELOPE_N})"
)


def preprocess(place: Path, codes: list[str]) -> np.ndarray:
    """Return the preprocessed traces of some stations, float64, (stations, samples)."""
    inventory = obspy.read_inventory(place / "stations.xml")
    cache = ResponseCache()
    rows = []
    for code in codes:
        (path,) = (place / "archive").glob(f"*/*/{code}/*/*")
        (trace,) = obspy.read(path)
        trace = resample(trace, RATE_HZ, trace.stats.starttime.ns)
        trace = demean(detrend(trace, "linear"))
        own = inventory.select(station=code)
        (trace,) = remove_response([trace], own, "VEL", PRE_FILT, cache=cache)
        trace = bandpass(trace, *BAND_HZ, corners=4, zero_phase=False)
        rows.append(envelope(trace, ENVELOPE_N).data)
    return np.stack(rows)


def traces_file(place: Path, codes: list[str], dtype: str) -> Path:
    """Preprocess all traces and store them for the kernel; return the file."""
    path = place / f"traces-{dtype}.npy"
    if not path.exists():
        size = -(-len(codes) // (4 * N_PROCESSES))
        chunks = [codes[k : k + size] for k in range(0, len(codes), size)]
        with ProcessPoolExecutor(N_PROCESSES) as pool:
            rows = list(pool.map(partial(preprocess, place), chunks))
        np.save(path, np.concatenate(rows).astype(dtype))
    return path


def sample_pairs(n_stations: int, n_pairs: int, seed: int = 1) -> list[tuple[int, int]]:
    """Choose pairs (i, j), i < j, of a few stations, so that preprocessing is short."""
    rng = np.random.default_rng(seed)
    n_chosen = min(n_stations, 2 + round((2 * n_pairs) ** 0.5))
    stations = np.sort(rng.choice(n_stations, n_chosen, replace=False)).tolist()
    pairs = [(i, j) for k, i in enumerate(stations) for j in stations[k + 1 :]]
    chosen = rng.choice(len(pairs), min(n_pairs, len(pairs)), replace=False)
    return [pairs[k] for k in sorted(chosen)]


def largest_difference(
    place: Path, wave: PlaneWave, pairs: list[tuple[int, int]], results: Path
) -> float:
    """Compare stored correlations with the direct sum in float64.

    Returns
    -------
    The largest difference, divided by the largest value of its correlation.
    """
    from xcorr_app import store

    codes, ids = wave.codes(), wave.channel_ids()
    members = sorted({k for pair in pairs for k in pair})
    rows = preprocess(place, [codes[k] for k in members])
    traces = dict(zip(members, rows, strict=True))
    worst = 0.0
    with store.open(results) as stored:
        for i, j in pairs:
            true = correlate_direct(traces[i], traces[j], N_LAGS // 2)
            ours = stored.get(ids[i], ids[j]).data
            worst = max(worst, float(np.abs(ours - true).max() / np.abs(true).max()))
    return worst


def largest_lag_error(
    wave: PlaneWave,
    pairs: list[tuple[int, int]],
    arrivals_s: dict[str, float],
    results: Path,
) -> float:
    """Return the largest error of the lag of the wave, in samples."""
    from xcorr_app import store

    codes, ids = wave.codes(), wave.channel_ids()
    worst = 0.0
    with store.open(results) as stored:
        for i, j in pairs:
            data = stored.get(ids[i], ids[j]).data
            true = (arrivals_s[codes[j]] - arrivals_s[codes[i]]) * RATE_HZ
            worst = max(worst, abs(peak_lag(data) - true))
    return worst
