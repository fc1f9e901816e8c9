"""The command ``xcorr-app live``: its options, sources, mappings and messages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from obspy import UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.metadata.stations import StationPattern
from tests.seismo_pes.reading.live.records import samples, trace_of
from tests.seismo_pes.reading.live.seedlink_server import SeedLinkServer, records_of
from xcorr_app import store
from xcorr_app.cli import main
from xcorr_app.config.live import LiveOptions
from xcorr_app.live import source
from xcorr_app.live.source import SeedLinkInput
from xcorr_app.live.status import read_status
from xcorr_app.planning.components import Components
from xcorr_app.planning.stations import StationList

PATIENCE_S = 100
OPTIONS = {
    "--detrend": "none",
    "--bandpass-hz": ("0.1", "1"),
    "--taper-s": "20",
    "--window-s": "900",
    "--max-lag-s": "30",
    "--substack": "hour",
    "--quiet": (),
}


def words(**more: str) -> list[str]:
    values = OPTIONS | {f"--{k.replace('_', '-')}": v for k, v in more.items()}
    line = ["live"]
    for name, value in values.items():
        line += [name, *([value] if isinstance(value, str) else value)]
    return line


def test_a_replay_equals_the_batch_run(
    archive, batch, tmp_path, assert_equal_to, capsys
):
    listed = str(archive.parent / "list.txt")
    out = tmp_path / "out"
    png = tmp_path / "png"
    line = words(replay=str(archive), stations=listed, out=str(out), png=str(png))
    assert main(line) == 0
    assert_equal_to(batch, out)
    pictures = sorted(path.name for path in png.iterdir())
    assert pictures[0] == "XX.AAA..HHZ_XX.BBB..HHZ.png"
    assert pictures[3:] == ["channels.png", "map.png", "packets.png"]
    journal = (out / "live" / "journal.log").read_text()
    assert journal.count("window 2024-03-01T22:00:00;") == 1
    # other commands read the results; --update would not know the live state
    assert main(["info", str(out)]) == 0
    capsys.readouterr()
    assert main([*line, "--window-s", "600"]) == 2
    error = capsys.readouterr().err
    assert "the live run goes on with --window-s 600.0, but the results" in error
    batch_words = [word for word in line[1:] if word not in ("--png", str(png))]
    at = batch_words.index("--replay")
    batch_words[at] = "--data"
    assert main([*batch_words, "--update"]) == 2


def test_a_pair_in_ranks_of_mpi(archive, batch, tmp_path):
    pytest.importorskip("mpi4py")
    out = tmp_path / "out"
    pair = ("XX.AAA..HHZ", "XX.CCC..HHZ")
    line = words(replay=str(archive), pair=pair, out=str(out), mapping="mpi")
    command = [sys.executable, "-m", "xcorr_app", *line, "-n", "3"]
    subprocess.run(command, check=True, timeout=PATIENCE_S)
    with store.open(out) as live, store.open(batch) as expected:
        assert len(live.pairs) == 1
        for stack in live.stacks:
            x, y = live.get(*pair, stack=stack), expected.get(*pair, stack=stack)
            limit = 1e-6 * np.abs(y.data).max()
            np.testing.assert_allclose(x.data, y.data, rtol=0, atol=limit)


RATE_HZ, N, SHIFT = 20.0, 20 * 900, 50
LIVE_IDS = "XX.AAA..BHZ", "XX.BBB.00.BHZ"


def live_records(start: UTCDateTime) -> list[list[bytes]]:
    """Records of two stations with the same noise, 2.5 s later at the second one."""
    noise = samples(N + SHIFT, 5)
    traces = [
        trace_of(values, channel_id=channel_id, start=start)
        for channel_id, values in zip(LIVE_IDS, (noise[SHIFT:], noise[:N]), strict=True)
    ]
    assert traces[0].stats.sampling_rate == RATE_HZ
    return [records_of(trace) for trace in traces]


def test_a_server_is_listened_to_until_the_end_also_after_a_kill(tmp_path):
    start = UTCDateTime(int(time.time()) - 1000)
    server = SeedLinkServer()
    listed, out = tmp_path / "list.txt", tmp_path / "out"
    listed.write_text("XX AAA\nXX BBB\n")
    line = ["live", "--seedlink", server.address, "--stations", str(listed)]
    line += ["--start", str(start), "--end", str(start + 899), "--out", str(out)]
    line += ["--window-s", "100", "--max-lag-s", "10", "--detrend", "none"]
    line += ["--max-wait-s", "8", "--quiet"]
    records = live_records(start)
    try:
        half = [part[: len(part) // 2] for part in records]
        server.feed(*half[0], *half[1])  # one station after the other
        process = subprocess.Popen([sys.executable, "-m", "xcorr_app", *line])
        try:
            deadline_s = time.monotonic() + PATIENCE_S
            while (read_status(out / "live") or {"windows": 0})["windows"] < 3:
                assert time.monotonic() < deadline_s
                assert process.poll() is None
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()
        server.feed(*records[1][len(half[1]) :], *records[0][len(half[0]) :])
        assert main(line) == 0
    finally:
        server.stop()
    with store.open(out) as results:
        stack = results.get(*LIVE_IDS)
        lags_s = results.lags_s
    # the last window is complete but for the last second
    assert stack.n_windows == 8
    assert lags_s[np.argmax(stack.data)] == pytest.approx(SHIFT / RATE_HZ)
    # each window is a fresh stretch of the same noise: the sum is that of whole windows
    assert stack.data.max() == pytest.approx(1 - 2.5 / 100, rel=0.01)


def test_a_server_whose_data_begin_after_the_start(tmp_path, monkeypatch):
    """The first packets do not wait for those of the gap before them."""
    monkeypatch.setattr(source, "LISTEN_S", 20.0)
    start = UTCDateTime(int(time.time()) - 1000)
    server = SeedLinkServer()
    names = [StationPattern("XX", "AAA"), StationPattern("XX", "BBB")]
    try:
        server.feed(*(record for part in live_records(start) for record in part))
        given = SeedLinkInput(f"seedlink://{server.address}", start.ns - 500 * 10**9)
        rates_hz, first_ns = given.channels(
            StationList(names, ("*",)), Components(None, False, False), tmp_path
        )
    finally:
        server.stop()
    assert rates_hz == dict.fromkeys(LIVE_IDS, RATE_HZ)
    assert first_ns == given.start_ns


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--pair", "X.A..Z", "X.B..Z"], "no source: give one of --seedlink"),
        (["--replay", "a", "--sds", "b", "--pair", "A", "B"], "--replay"),
        (["--replay", "a"], "give --pair A B, or --stations FILE"),
        (["--replay", "a", "--pair", "A", "B", "--alert", "snr <"], "--alert 'snr <'"),
        (["--sds", "a", "--pair", "A", "B", "--speed", "2"], "--speed has no effect"),
        (["--alert-command", "true", "--replay", "a"], "needs --alert"),
        (["--serve", "8050"], "not HOST:PORT"),
        (["--replay", "a", "--pair", "A", "B", "--mapping", "spark"], "have no end"),
        (["--seedlink", "h", "--pair", "A", "B", "--mend"], "--mend needs --data"),
    ],
)
def test_mistakes_are_one_line(line, message, tmp_path, capsys):
    assert main(["live", "--out", str(tmp_path / "out"), *line]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_results_of_a_batch_run_are_not_touched(archive, batch, capsys):
    listed = str(archive.parent / "list.txt")
    line = words(replay=str(archive), stations=listed, out=str(batch))
    assert main(line) == 2
    assert "has results of another run" in capsys.readouterr().err
    assert main(line) == 2  # nor at the second attempt
    assert not (batch / "live").exists()


def test_an_address_that_is_in_use_is_named(archive, tmp_path, capsys):
    server = SeedLinkServer()
    try:
        line = words(replay=str(archive), pair=("A", "B"), out=str(tmp_path / "out"))
        assert main([*line, "--serve", server.address]) == 2
    finally:
        server.stop()
    assert f"--serve {server.address}" in capsys.readouterr().err


def test_the_demonstration_works_in_a_minute(tmp_path, capsys):
    folder = tmp_path / "demo"
    assert main(["live", "demo", "--out", str(folder), "--speed", "1e9"]) == 0
    assert "36 windows added" in capsys.readouterr().out
    truth = json.loads((folder / "truth.json").read_text())
    with store.open(folder / "correlations") as results:
        pair = truth["pairs"][0]
        stack = results.get(*pair["pair"].split("_"))
        largest_s = abs(results.lags_s[np.argmax(np.abs(stack.data))])
    assert largest_s == pytest.approx(pair["distance_km"] / 3.0, abs=2.0)


def test_the_files_of_a_service(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = ["live", "--replay", "a", "--stations", "my list.txt", "--out", "out"]
    line += ["--alert", "rms > 90%", "--serve", "127.0.0.1:8050", "--force"]
    with pytest.raises(ParameterError, match="rms > 90%"):
        LiveOptions(replay="a", out="out", alert=("rms > 90%",))
    line[line.index("rms > 90%")] = "channel ~ '%*'"
    assert main([*line, "--service"]) == 0
    folder = tmp_path / "out" / "live"
    unit = (folder / "xcorr-live.service").read_text()
    assert f"WorkingDirectory={tmp_path}" in unit
    command = next(x for x in unit.splitlines() if x.startswith("ExecStart="))
    assert '"my list.txt"' in command
    assert "\"channel ~ '%%*'\"" in command
    assert "--force" not in command
    assert "--service" not in command
    if verify := shutil.which("systemd-analyze"):
        path = folder / "xcorr-live.service"
        done = subprocess.run(
            [verify, "verify", path], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
    container = (folder / "Containerfile").read_text()
    assert "http://127.0.0.1:8050/health" in container
    assert "xcorr-live.service" in capsys.readouterr().out
    assert [path.name for path in Path("out").iterdir()] == ["live"]
