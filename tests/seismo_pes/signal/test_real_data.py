"""The chain of pure functions on recorded data, against a float64 reference."""

import numpy as np
import obspy
import pytest

from seismo_pes.signal import correlate, detrend, filter, normalize, spectra, whiten
from seismo_pes.signal.folding import signal_to_noise
from seismo_pes.signal.window import WindowGrid, cut

HOUR = 3600 * 10**9
STATIONS = ("A7K2", "B4Q8", "C9M3", "D2X6")
# pair: windows, lag of the peak in s, peak, value at lag zero (float64 reference)
KNOWN = {
    (0, 1): (164, 1, 0.288038, 0.271281),
    (0, 2): (165, 98, -0.046383, 0.018683),
    (0, 3): (168, -5, 0.306228, 0.298265),
    (1, 2): (164, -3, 0.213228, 0.085059),
    (1, 3): (164, -5, 0.378737, 0.368238),
    (2, 3): (165, -1, 0.194294, 0.131284),
}


@pytest.fixture(scope="module")
def kansas(shared_data):
    """Vertical records of a week, one row for each station, and the grid."""
    rows = []
    for station in STATIONS:
        files = sorted((shared_data / "kansas4" / station).rglob("*.Z.sac"))
        assert len(files) == 7
        stream = obspy.Stream([obspy.read(str(path))[0] for path in files])
        stream.merge(method=1)
        rows.append(stream[0].data.astype(np.float64))
        start_ns = stream[0].stats.starttime.ns
    return np.stack(rows), WindowGrid(start_ns, HOUR, HOUR)


def correlations(x, grid, prepare, max_lag=100):
    windows, covered, _ = cut(x, 0, grid, 1.0, range(168))
    assert covered.all()
    n_fft = spectra.fft_length(3600, max_lag)
    s = prepare(detrend.demean(windows), n_fft)
    energy = spectra.energy_of_spectrum(s, n_fft)
    used = energy > 0
    s = s / np.sqrt(np.where(used, energy, np.inf))[..., None].astype(s.real.dtype)
    counts = used.astype(int) @ used.T.astype(int)
    pairs = correlate.block_pairs(4, 4, 1)
    n = counts[pairs[:, 0], pairs[:, 1]]
    first = correlate.bins_first(s)
    c = correlate.correlate_block(
        first, first, n_fft, None, max_lag, layout="bins-first", diagonal=1, scale=1 / n
    )
    return pairs, n, c


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_known_correlations_of_a_week(kansas, dtype):
    x, grid = kansas
    pairs, n, c = correlations(
        x.astype(dtype), grid, lambda w, n_fft: spectra.rfft_windows(w, n_fft)
    )
    assert c.dtype == dtype
    for pair, count, row in zip(pairs.tolist(), n, c, strict=True):
        windows, lag, peak, zero = KNOWN[tuple(pair)]
        assert count == windows
        assert np.argmax(np.abs(row)) - 100 == lag
        assert abs(row[100 + lag] - peak) < 1e-5
        assert abs(row[100] - zero) < 1e-5


def test_onebit_and_whitening_bring_out_both_arrivals(kansas):
    x, grid = kansas

    def prepare(windows, n_fft):
        weights, bins = whiten.band_weights(n_fft, 1.0, 0.08, 0.4, dtype=np.float64)
        s = spectra.rfft_windows(normalize.onebit(windows), n_fft)
        out = np.zeros_like(s)
        out[..., bins] = whiten.whiten(s[..., bins], weights[bins])
        return out

    x = filter.bandpass(detrend.demean(x), 1.0, 0.08, 0.4)
    _, _, c = correlations(x, grid, prepare)
    assert (signal_to_noise(c, 1.0, (2, 7), (40, 100)) > 7).all()
    for side in (c[:, 100:], c[:, 100::-1]):
        arrival = np.argmax(np.abs(side[:, 1:50]), axis=1) + 1
        assert ((arrival >= 1) & (arrival <= 8)).all()


def test_two_channels_of_california(shared_data):
    folder = shared_data / "ci_cca_hec"
    files = sorted(folder.glob("*BHN*.ms"))
    traces = obspy.Stream(obspy.read(str(p))[0] for p in files)
    traces.sort()
    x = [trace.data.astype(np.float64) for trace in traces]
    n = min(map(len, x))
    grid = WindowGrid(0, HOUR, HOUR)
    windows, _, _ = cut(np.stack([row[:n] for row in x]), 0, grid, 40.0, range(24))
    c = correlate.cross_correlate(*detrend.demean(windows), 8000, "energy")
    stack = c.mean(axis=0)
    assert (np.argmax(np.abs(stack)) - 8000) / 40 == -48.875
    assert abs(np.abs(stack).max() - 0.036741) < 1e-5
    assert abs(stack[8000] + 0.003990) < 1e-5
