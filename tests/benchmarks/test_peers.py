"""The comparison with other packages on a small scale: parsers, goals, our part."""

import io
import json
import sqlite3
import tarfile

import numpy as np
import pytest
from obspy import Trace

from benchmarks.command_cost import Cost
from benchmarks.peers import __main__ as command
from benchmarks.peers import environments, msnoise, noisepy, ours, task
from benchmarks.planewave import make_archive


@pytest.fixture(scope="module")
def wave():
    return task.wave(3, 1)


@pytest.fixture(scope="module")
def place(wave, tmp_path_factory):
    return make_archive(wave, tmp_path_factory.mktemp("peers"), processes=1)


def outcome(name, wall_s, correlate_s, peak_mb=100.0):
    cost = Cost(wall_s, wall_s, 0.0, (peak_mb,))
    return task.Outcome(name, "1", {"all": cost}, correlate_s, "all", 100, 0.1)


def test_ours_does_the_job_and_finds_the_wave(place, wave, tmp_path):
    outcome = ours.run(place, wave, tmp_path / "work")
    assert outcome.n_pair_days == 3
    assert outcome.worst_lag_samples < 0.5
    assert 0 < outcome.correlate_s < outcome.wall_s
    json.dumps(outcome.to_dict())


def test_the_lag_of_every_pair_counts(wave):
    east = wave.positions_km()[:, 0] / wave.velocity_km_s
    lags = np.arange(task.N_LAGS) - task.N_LAGS // 2
    correlations = {}
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        true = (east[j] - east[i]) * task.RATE_HZ
        pair = wave.codes()[i], wave.codes()[j]
        correlations[pair] = np.exp(-((lags - true) ** 2) / 200)
    assert task.worst_lag_samples(correlations, wave) < 0.01
    correlations[pair] = np.roll(correlations[pair], 3)
    assert task.worst_lag_samples(correlations, wave) == pytest.approx(3, abs=0.01)


def test_goals_are_ratios_to_each_contender():
    outcomes = [outcome("ours", 10, 1, 200), outcome("MSNoise", 250, 30)]
    verdicts = {
        goal: (reached, met) for goal, reached, met in command.verdicts(outcomes)
    }
    assert verdicts["20 times MSNoise, files to files"] == (25, True)
    assert verdicts["25 times MSNoise, correlation"] == (30, True)
    assert verdicts["under 1000 MB"] == (200, True)
    assert command.verdicts(outcomes[1:]) == []


def test_the_tables_are_printed(capsys):
    command.show([outcome("ours", 10, 1), outcome("NoisePy", 50, 20)])
    text = capsys.readouterr().out
    assert "NoisePy" in text
    assert "pair-days/s" in text


def test_a_missing_contender_is_named(monkeypatch, tmp_path, place, wave):
    monkeypatch.setattr(environments, "PEERS", tmp_path)
    absent = environments.Package("absent", (), "absent", ("python0.0",))
    with pytest.raises(
        environments.Unavailable, match=r"python0\.0 is needed and was not found"
    ):
        absent.program()
    monkeypatch.setattr(msnoise, "PACKAGE", absent)
    outcomes, missing = command.run_contenders(["msnoise"], place, wave, tmp_path)
    assert outcomes == []
    assert "python0.0" in missing["msnoise"]


def test_msnoise_is_configured_by_its_database(place, tmp_path):
    path = tmp_path / "msnoise.sqlite"
    values = msnoise.config(place, tmp_path, 2)
    with sqlite3.connect(path) as connection:
        connection.execute("create table config (name text, value text)")
        connection.executemany(
            "insert into config values (?, '')", [(name,) for name in values]
        )
        connection.execute(
            "create table filters (ref, low, mwcs_low, high, mwcs_high, rms_threshold,"
            " mwcs_wlen, mwcs_step, used)"
        )
    connection.close()
    msnoise._configure(path, values)
    connection = sqlite3.connect(path)
    values = dict(connection.execute("select name, value from config"))
    assert values["enddate"] == "2015-04-08"
    assert connection.execute("select low, high from filters").fetchall() == [(0.1, 2)]
    connection.close()
    with pytest.raises(KeyError, match="no parameter"):
        msnoise._configure(path, {"unknown": "1"})


def test_msnoise_results_and_seconds_are_read(tmp_path):
    folder = tmp_path / "STACKS/01/001_DAYS/ZZ/XA_S0000_XA_S0001"
    folder.mkdir(parents=True)
    Trace(np.arange(5.0)).write(str(folder / "2015-04-06.MSEED"), format="MSEED")
    stacks = msnoise.read_days(tmp_path)
    np.testing.assert_array_equal(
        stacks[("S0000", "S0001"), "2015-04-06"], np.arange(5.0)
    )
    text = "[pid {}] Job Finished. It took 9 seconds (preprocess: 2 s & process {} s)"
    log = "\n".join(text.format(pid, s) for pid, s in [(7, 3.5), (8, 1.0), (7, 2.0)])
    assert msnoise.process_s(log) == 5.5


def test_noisepy_finds_the_archive_and_its_results_are_read(place, tmp_path):
    noisepy.link_archive(place, tmp_path / "work")
    day = tmp_path / "work/raw/2015/2015_096"
    assert sorted(path.name for path in day.iterdir()) == [
        f"XAS000{k}HHZ___2015096.ms" for k in range(3)
    ]
    assert len(list((tmp_path / "work/xml").iterdir())) == 3
    for second in ("S0000", "S0001"):
        path = tmp_path / f"ccf/XA.S0000/XA.{second}/2015.tar.gz"
        path.parent.mkdir(parents=True)
        buffer = io.BytesIO()
        np.save(buffer, np.arange(3.0)[None, None])
        member = tarfile.TarInfo("array.npy")
        member.size = buffer.tell()
        buffer.seek(0)
        with tarfile.open(path, "w:gz") as archive:
            archive.addfile(member, buffer)
    stacks = noisepy.read_days(tmp_path)
    assert list(stacks) == [(("S0000", "S0001"), "2015")]
    np.testing.assert_array_equal(stacks[("S0000", "S0001"), "2015"], np.arange(3.0))


def test_noisepy_seconds_are_from_the_pairs_to_their_last_file():
    from datetime import datetime

    begins = [datetime(2026, 1, 1, 0, 0, 10), datetime(2026, 1, 1, 0, 1, 0)]
    log = "".join(
        f"{begin:%Y-%m-%d %H:%M:%S} | INFO | x | Starting CC with 3 station pairs\n"
        for begin in begins
    )
    written_s = [begins[0].timestamp() + 5, begins[1].timestamp() + 7.5]
    assert noisepy.pairs_s(log, written_s) == pytest.approx(12.5)
