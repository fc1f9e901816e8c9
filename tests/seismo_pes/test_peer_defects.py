"""Defects of other programs for ambient noise, which this program must not have.

One run of a network with a known truth answers for the whole chain: thirty stations on
a line, a plane wave along it, a single day, no rotation, two processes.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from obspy import Inventory, Stream, Trace, UTCDateTime, read
from obspy.core.inventory import Channel, Network, Station

from dispel4py.errors import ParameterError
from seismo_pes.correlating.tiles.streams import correlate_pair, correlate_stream
from seismo_pes.items.correlation import Correlation
from seismo_pes.methods import CORRELATIONS
from seismo_pes.preprocessing.filters import bandpass
from seismo_pes.preprocessing.normalization import normalize
from seismo_pes.preprocessing.orientation import orient, rotate
from seismo_pes.preprocessing.response import remove_response
from seismo_pes.signal import errors
from seismo_pes.signal.correlate import cross_correlate
from seismo_pes.signal.mwcs import mwcs_delays
from seismo_pes.signal.whiten import whiten_psd
from seismo_pes.stacking.stacks import moving_stack, stack
from xcorr_app import cli, store

DAY = UTCDateTime(2024, 3, 1)
RATE = 1.0
N = 86_400
STATIONS = [f"S{i:02d}" for i in range(1, 31)]
# Samples by which the wave reaches a station later than the first one.
DELAY = {name: 2 * i for i, name in enumerate(STATIONS)}
AXES = {"S05": ("LH1", "LH2")}


def common(n):
    rng = np.random.default_rng(7)
    return np.convolve(rng.standard_normal(n + 200), np.hanning(7), "same")


def record(name, code, seed=0):
    x = common(N)
    own = np.random.default_rng(seed).standard_normal(N)
    data = x[100 - DELAY[name] : 100 - DELAY[name] + N] + 0.3 * own
    header = {"network": "XX", "station": name, "channel": code, "starttime": DAY}
    return Trace((1000 * data).astype(np.int32), header | {"sampling_rate": RATE})


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """The folder of a run over all stations."""
    folder = tmp_path_factory.mktemp("line")
    (folder / "data").mkdir()
    for i, name in enumerate(STATIONS):
        for code in AXES.get(name, ("LHZ",)):
            path = folder / "data" / f"{name}.{code}.mseed"
            record(name, code, i).write(str(path), format="MSEED")
    (folder / "stations.txt").write_text("\n".join(f"XX {s}" for s in STATIONS))
    words = [
        *("--stations", str(folder / "stations.txt"), "--data", str(folder / "data")),
        *("--channels", "LH?", "--window-s", "1800", "--step-s", "1800"),
        *("--max-lag-s", "80", "--quiet", "--out", str(folder / "out")),
        *("--mapping", "multi", "-n", "2"),
    ]
    assert cli.main(words) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def results(out):
    with store.open(out) as opened:
        yield list(opened)


def test_every_station_is_used_also_the_tenth(results):
    """The original drops every tenth station of the list."""
    result = {c.first.split(".")[1] for c in results}
    result |= {c.second.split(".")[1] for c in results}
    assert sorted(result) == STATIONS


def test_horizontals_1_and_2_are_not_dropped(results):
    """NoisePy #354 drops ??1 and ??2."""
    codes = {c.first[-3:] for c in results} | {c.second[-3:] for c in results}
    assert codes == {"LHZ", "LH1", "LH2"}


def test_each_pair_occurs_once(results):
    """Two workers of MSNoise claim the same day: each pair counts twice."""
    pairs = [frozenset((c.first, c.second)) for c in results]
    assert len(pairs) == len(set(pairs)) == 31 * 30 // 2
    assert {c.n_windows for c in results} == {48}


def test_no_autocorrelation_unless_asked(results):
    """NoisePy always computes them."""
    assert all(c.first != c.second for c in results)


def test_a_single_day_without_rotation_is_stacked(results):
    """NoisePy writes no stack of one day, and none without rotation."""
    assert all(c.stack == "all" and np.abs(c.data).max() > 0 for c in results)


def test_all_48_windows_of_a_day_are_used(results):
    """NoisePy uses 47 of 48."""
    for c in results:
        assert (c.start_ns, c.end_ns) == (DAY.ns, (DAY + N).ns)


def test_lags_are_an_odd_number_and_symmetric(results):
    """NoisePy #323: 3999 samples where 4001 are expected."""
    for c in results:
        assert len(c.data) == len(c.lags_s) == 161
        assert np.array_equal(c.lags_s, -c.lags_s[::-1])


def test_every_lag_is_right_within_half_a_sample_and_its_sign(results):
    """NoisePy errs by 1.8 samples; the original has the sign the other way round."""
    for c in results:
        first, second = c.first.split(".")[1], c.second.split(".")[1]
        lag_s, value = c.peak()
        assert value > 0
        assert abs(lag_s - (DELAY[second] - DELAY[first]) / RATE) <= 0.5 / RATE


@pytest.mark.parametrize("kind", CORRELATIONS)
def test_every_kind_of_correlation_has_the_lag(kind):
    first, second = (record(name, "LHZ", i) for i, name in enumerate(("S01", "S10")))
    result = correlate_pair(
        first.slice(DAY, DAY + 7199), second.slice(DAY, DAY + 7199), 40.0, kind=kind
    )
    assert result.lags_s[result.data[0].argmax()] == 18.0


def test_exported_sac_files_are_sac(out, tmp_path):
    """The original names .npy files .SAC."""
    target = tmp_path / "sac"
    assert cli.main(["export", str(out), "--format", "sac", str(target)]) == 0
    paths = sorted(target.rglob("*.[sS][aA][cC]"))
    assert len(paths) == 31 * 30 // 2
    assert read(paths[0])[0].stats._format == "SAC"


def test_no_figure_stays_open(out, tmp_path):
    """The original never clears its figure: each plot takes longer than the last."""
    for k in range(2):
        picture = tmp_path / f"{k}.png"
        assert cli.main(["plot", str(out), "--output", str(picture)]) == 0
        assert picture.stat().st_size > 0
    assert not plt.get_fignums()


# -- single functions ---------------------------------------------------------------


def test_correlation_is_not_circular():
    """MSNoise, NoisePy and SeisNoise.jl wrap the end of a window to its begin."""
    a, b = np.zeros(100), np.zeros(100)
    a[2], b[97] = 1.0, 1.0  # 95 samples apart; on a circle 5
    assert np.abs(cross_correlate(a, b, 20)).max() < 1e-15
    first, second = (
        Trace(x, {"station": s}) for x, s in zip((a, b), "AB", strict=True)
    )
    result = correlate_pair(first, second, 20.0, window_detrend="none")
    assert np.abs(result.data).max() < 1e-6


def test_psd_whitening_keeps_phases():
    """MSNoise destroyed them until its 2.0dev."""
    rng = np.random.default_rng(1)
    s = rng.standard_normal((5, 64)) + 1j * rng.standard_normal((5, 64))
    flat = whiten_psd(s, np.ones(64), 3)
    assert np.allclose(np.angle(flat), np.angle(s))
    ratio = np.abs(flat[0] / flat[1])
    assert np.allclose(ratio, np.abs(s[0] / s[1]))


@pytest.mark.parametrize("hole_hz", [0.6, 0.8, 1.0, 1.2])
def test_mwcs_is_robust_against_a_noisy_bin(hole_hz):
    """Unwrapped from bin to bin, one bad phase moves all later phases by a cycle."""
    rate, delay = 10.0, 0.35
    n = 4000
    f = np.fft.rfftfreq(n, 1 / rate)
    rng = np.random.default_rng(3)
    spectrum = np.exp(2j * np.pi * rng.random(len(f)))
    later = spectrum * np.exp(-2j * np.pi * f * delay)
    bad = np.abs(f - hole_hz) < 0.03
    later[bad] *= np.exp(2j * np.pi * rng.random(bad.sum()))
    first, second = np.fft.irfft(spectrum), np.fft.irfft(later)
    result = mwcs_delays(first, second, rate, 0.2, 1.8, 40.0, 20.0)
    assert np.abs(result.delay_s - delay).max() < 0.05


def test_corners_above_nyquist_raise():
    """The original decimates to 4 Hz and keeps corners of 30 and 35 Hz."""
    trace = record("S01", "LHZ")
    with pytest.raises(errors.ParameterError, match="Nyquist"):
        bandpass(trace, 0.1, 0.6)
    with pytest.raises(ParameterError, match="Nyquist"):
        remove_response([trace], Inventory(), pre_filt=(0.005, 0.006, 30.0, 35.0))


def test_words_are_compared_by_value():
    """The original asks ``is 'env'``: equal text from a file is another object."""
    word = "".join(["one", "bit"])
    result = normalize(record("S01", "LHZ"), word)
    assert set(np.unique(result.data)) <= {-1.0, 0.0, 1.0}


def test_the_other_sign_is_a_reversal():
    """The original conjugates the second; ours is the first at positive lags."""
    first, second = record("S01", "LHZ"), record("S03", "LHZ")
    ours = correlate_pair(first, second, 10.0)
    theirs = correlate_pair(second, first, 10.0)
    assert ours.lags_s[ours.data[0].argmax()] == 4.0
    assert np.allclose(ours.data, theirs.data[:, ::-1], rtol=1e-4)


def test_autocorrelations_never_mix_stations():
    """NoisePy #26."""
    stream = Stream([record("S01", "LHZ"), record("S02", "LHZ")])
    assert all(c.first == c.second for c in correlate_stream(stream, 5.0, "auto"))
    assert len(correlate_stream(stream, 5.0, "auto")) == 2


def test_a_gap_costs_its_windows_not_the_pair():
    """MSNoise #404, #96: a missing component or a gap loses the pair."""
    whole, other = record("S01", "LHZ"), record("S02", "LHZ")
    holes = Stream([whole.slice(DAY, DAY + 5399), whole.slice(DAY + 5500)])
    (c,) = correlate_stream(Stream([*holes, other]), 20.0, window_s=1800.0)
    assert len(c.data) == 47
    assert c.lags_s[stack(c).data.argmax()] == 2.0


def test_a_moving_stack_of_a_gappy_series():
    """MSNoise #372: gaps stop the moving stack."""
    start = np.array([0, 1, 2, 10, 11]) * 3600 * 10**9
    rows = np.arange(15.0).reshape(5, 3)
    c = Correlation.of("a", "b", rows, 1.0, start_ns=start, end_ns=start + 3600 * 10**9)
    result = moving_stack(c, 2 * 3600, 3600)
    assert result.n_windows.tolist() == [2, 2, 1, 1, 2]


def test_rotation_knows_1_and_2_by_their_azimuth():
    """NoisePy rotates only components with the codes N and E."""
    channels = [
        Channel(code, "", 0, 0, 0, 0, azimuth=azimuth, dip=0.0)
        for code, azimuth in (("LH1", 40.0), ("LH2", 130.0))
    ]
    known = Inventory([Network("XX", [Station("S05", 0, 0, 0, channels=channels)])])
    along = np.sin(np.arange(50.0))  # ground moves towards 40 degrees
    header = {"network": "XX", "station": "S05", "starttime": DAY}
    first = Trace(along, header | {"channel": "LH1"})
    two = Trace(0 * along, header | {"channel": "LH2"})
    result = rotate(orient(Stream([first, two]), known), 40.0)
    radial, transverse = (result.select(component=c)[0].data for c in "RT")
    assert np.allclose(radial, along)
    assert np.allclose(transverse, 0, atol=1e-12)
