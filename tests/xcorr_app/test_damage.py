"""Damage of any file of a run, under any command: one line, or the right numbers."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import obspy
import pytest

from dispel4py.errors import DataError
from seismo_pes.writing.part_files import read_layout
from seismo_pes.writing.part_records import RECORD
from tests.draws import chosen, each_once
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store

OPTIONS = ["--window-s", "60", "--max-lag-s", "8", "--substack", "day", "--quiet"]


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Path:
    """A run of three stations and two days, with stacks of substacks."""
    folder = tmp_path_factory.mktemp("ended")
    run(folder, seed=0)
    return folder


def run(folder: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    (folder / "data").mkdir()
    for station in ("AAA", "BBB", "CCC"):
        for day in range(2):
            header = {"network": "XX", "station": station, "channel": "HHZ"}
            header |= {"sampling_rate": 5.0, "starttime": DAY + 86400 * day}
            trace = obspy.Trace(rng.standard_normal(1500).astype("f4"), header)
            trace.write(str(folder / "data" / f"{station}.{day}.mseed"), "MSEED")
    (folder / "stations.txt").write_text("XX *\n")
    words = ["--stations", str(folder / "stations.txt")]
    words += ["--data", str(folder / "data"), "--out", str(folder / "out")]
    assert cli.main([*words, *OPTIONS]) == 0
    return folder / "out"


@pytest.fixture
def out(ended, tmp_path) -> Path:
    """A copy of the run, which a test may damage."""
    return Path(shutil.copytree(ended / "out", tmp_path / "out"))


def values(out: Path) -> dict[str, np.ndarray]:
    """Return all correlations, by stack, pair and length."""
    with store.open(out) as results:
        return {
            f"{name} {c.id} {c.n_windows} {c.start_ns} {results.lags_s[0]}": c.data
            for name in results.stacks
            for c in results.correlations(name)
        }


def values_or_error(out: Path) -> dict[str, np.ndarray] | str:
    try:
        return values(out)
    except (DataError, OSError) as error:
        return str(error)


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        first[key].tobytes() == second[key].tobytes() for key in first
    )


def report_of(capsys, words: list[str]) -> tuple[int, str]:
    """Run a command; return its status, and its only line on stderr if it failed."""
    capsys.readouterr()
    status = cli.main(words)
    captured = capsys.readouterr()
    if status:
        assert len(captured.err.splitlines()) <= 1, captured.err
        assert captured.out or captured.err
    return status, captured.err + captured.out


# -- kinds of damage ---------------------------------------------------------------

FILES = (
    "run.json", "inputs.json", "correlations.h5", "account", "account/sums.json", "part"
)  # fmt: skip


def place_of(out: Path, name: str) -> Path:
    if name == "part":
        return max((out / "parts").glob("part-*.h5"), key=lambda p: p.stat().st_size)
    if name == "account":
        return min((out / "account").glob("0*.jsonl"))
    return out / name


def used_bytes(path: Path) -> np.ndarray:
    """Return the positions of all bytes of a file that have a meaning."""
    if path.suffix != ".h5" or not path.name.startswith("part"):
        return np.arange(path.stat().st_size)
    layout = read_layout(path)
    index = layout.index_offset + np.arange(layout.n_rows * RECORD.itemsize)
    data = layout.data_offset + np.arange(layout.n_rows * layout.row_bytes)
    head = np.arange(len(path.read_bytes()[:4096].rstrip(b"\0SEALED\r\n")))
    return np.concatenate([head, index, data])


def flip(content: bytearray, at: int) -> None:
    content[at] ^= 0x80


def zero(content: bytearray, at: int) -> None:
    content[at : at + 512] = bytes(len(content[at : at + 512]))


def cut(content: bytearray, at: int) -> None:
    del content[at:]


def exchange(content: bytearray, at: int) -> None:
    begin = at // 64 * 64
    first, second = content[begin : begin + 64], content[begin + 64 : begin + 128]
    content[begin : begin + 128] = second + first


KINDS = (flip, zero, cut, exchange)


def draw_places(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return four places of a file, and ten."""
    places = np.random.default_rng(3).choice(used_bytes(path), 10)
    return places[:4], places


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_damage_at_any_place_gives_one_line_or_the_right_numbers(
    ended, out, capsys, name, kind
):
    path, right = place_of(out, name), values(ended / "out")
    content = path.read_bytes()
    listing = report_of(capsys, ["info", str(out), "--json"])[1]
    n_noticed = 0
    for at in chosen(*draw_places(path)):
        damaged = bytearray(content)
        kind(damaged, at)
        path.write_bytes(damaged)
        results = values_or_error(out)
        if isinstance(results, str):
            assert "\n" not in results
        else:
            assert same(results, right)
        status, _ = report_of(capsys, ["check", str(out)])
        n_noticed += status
        shown = report_of(capsys, ["info", str(out), "--json"])
        assert shown[0] or shown[1] == listing
    assert n_noticed > 0


COMMANDS = [
    ["info", "OUT"],
    ["plot", "OUT"],
    ["report", "OUT", "--force"],
    ["export", "OUT", "DEST", "--format", "npz", "--force", "--quiet"],
    ["dvv", "OUT", "--force", "--quiet"],
    ["disp", "OUT", "--force", "--quiet"],
    ["clocks", "OUT", "--force", "--quiet"],
    ["--out", "OUT", "--resume"],
    ["--out", "OUT", "--update"],
]


def commands_of(out: Path) -> list[list[str]]:
    """Return the words of every command for a run."""
    names = {"OUT": str(out), "DEST": str(out.with_name("dest.npz"))}
    return [[names.get(word, word) for word in words] for words in COMMANDS]


@pytest.fixture(scope="module")
def usual(ended, tmp_path_factory) -> list[int]:
    """The status of every command without damage."""
    folder = tmp_path_factory.mktemp("usual")
    out = Path(shutil.copytree(ended / "out", folder / "out"))
    return [cli.main(words) for words in commands_of(out)]


@pytest.mark.parametrize("name", FILES)
def test_every_command_reports_damage_in_one_line(out, usual, capsys, name):
    path = place_of(out, name)
    content = bytearray(path.read_bytes())
    zero(content, 0)
    path.write_bytes(content)
    assert report_of(capsys, ["check", str(out)])[0] == 1
    every = list(zip(usual, commands_of(out), strict=True))
    for expected, words in chosen(every[FILES.index(name) % 2 :: 2], every):
        status, text = report_of(capsys, words)
        assert status == expected or (status == 1 and path.name in text), text
        way_out = "another --out" if name == "run.json" else "check OUT --repair"
        assert status == expected or way_out in text


# -- kinds that simple sums do not notice ------------------------------------------


def rows_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the records and the data of a part, writable in memory."""
    layout = read_layout(path)
    content = np.fromfile(path, "u1")
    end = layout.index_offset + layout.n_rows * RECORD.itemsize
    records = content[layout.index_offset : end].copy().view(RECORD)
    n = layout.n_rows * layout.n_lags
    data = np.fromfile(path, layout.dtype, n, offset=layout.data_offset)
    return records, data.reshape(layout.n_rows, layout.n_lags)


def store_rows(path: Path, records: np.ndarray, data: np.ndarray) -> None:
    layout = read_layout(path)
    with open(path, "r+b") as file:
        file.seek(layout.index_offset)
        file.write(records.tobytes())
        file.seek(layout.data_offset)
        file.write(data.tobytes())


def reverse_rows(records, data):
    data[:] = data[:, ::-1].copy()


def flip_signs(records, data):
    data[:, :2] *= -1


def exchange_halves(records, data):
    n = data.shape[1] // 2
    data[:, : 2 * n] = np.roll(data[:, : 2 * n], n, axis=1)


def exchange_data(records, data):
    data[[0, 1]] = data[[1, 0]]


def exchange_rows(records, data):
    data[[0, 1]], records[[0, 1]] = data[[1, 0]], records[[1, 0]]


def exchange_pairs(records, data):
    for name in ("first", "second"):
        records[name][[0, 1]] = records[name][[1, 0]]


@pytest.mark.parametrize(
    "change",
    [reverse_rows, flip_signs, exchange_halves, exchange_data, exchange_rows,
     exchange_pairs],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_rows_in_another_order_or_place_are_noticed(out, capsys, change):
    path = place_of(out, "part")
    records, data = rows_of(path)
    change(records, data)
    store_rows(path, records, data)
    status, text = report_of(capsys, ["check", str(out)])
    assert (status, path.name in text) == (1, True)


@pytest.mark.parametrize("name", ["run.json", "inputs.json", "correlations.h5", "part"])
def test_files_of_another_run_are_refused(ended, out, tmp_path, capsys, name):
    (tmp_path / "other").mkdir()
    other = run(tmp_path / "other", seed=1)
    path = place_of(out, name)
    if name == "part":
        source = place_of(other, name)
        shutil.copy(source, path.parent / source.name)
    else:
        shutil.copy(place_of(other, name), path)
    status, text = report_of(capsys, ["check", str(out)])
    assert (status, "another run" in text) == (1, True)
    if name in ("run.json", "part"):
        assert "another run" in values_or_error(out)
    else:  # the rows are read from the parts
        assert same(values(out), values(ended / "out"))
    status, text = report_of(capsys, ["--out", str(out), "--resume"])
    if name == "correlations.h5":
        assert status == 0  # the file is written again
        assert same(values(out), values(ended / "out"))
    else:
        assert (status, "another run" in text) == (1, True)


def test_a_part_under_another_name_is_refused(out, capsys):
    path = place_of(out, "part")
    path.rename(path.with_name("part-other-000.h5"))
    assert report_of(capsys, ["check", str(out)])[0] == 1
    with pytest.raises(ValueError, match="under another name"):
        values(out)


def test_files_of_a_later_version_are_refused_by_name(out, capsys):
    for name in ("run.json", "inputs.json"):
        content = (out / name).read_text()
        values_ = json.loads(content)
        values_["version"] += 1
        (out / name).write_text(json.dumps(values_))
        status, text = report_of(capsys, ["--out", str(out), "--resume"])
        assert status == 1
        assert name in text
        assert f"version {values_['version']}" in text
        (out / name).write_text(content)
    index = out / "correlations.h5"
    content = index.read_bytes()
    index.write_bytes(content.replace(b'"version": 3', b'"version": 4', 1))
    status, text = report_of(capsys, ["info", str(out)])
    assert "version 4" in text
    index.unlink()
    path = place_of(out, "part")
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"version": 3', b'"version": 4', 1))
    status, text = report_of(capsys, ["info", str(out)])
    assert path.name in text
    assert "version 4" in text


# -- repair ------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES[1:])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_repaired_and_resumed_runs_have_the_same_bytes(ended, out, capsys, name, kind):
    path = place_of(out, name)
    content = bytearray(path.read_bytes())
    kind(content, read_layout(path).data_offset + 64 if name == "part" else 64)
    assert content != path.read_bytes()
    path.write_bytes(content)
    assert report_of(capsys, ["check", str(out)])[0] == 1
    assert report_of(capsys, ["check", str(out), "--repair"])[0] == 0
    assert report_of(capsys, ["--out", str(out), "--resume"])[0] == 0
    assert report_of(capsys, ["check", str(out)])[0] == 0
    assert same(values(out), values(ended / "out"))
    account = (ended / "out" / "account.tsv").read_text()
    assert (out / "account.tsv").read_text() == account


def test_an_intact_run(out, capsys):
    status, text = report_of(capsys, ["check", str(out)])
    assert status == 0
    assert "intact" in text
    assert report_of(capsys, ["check", str(out / "parts")])[0] == 2


# -- errors of the disk ------------------------------------------------------------


@pytest.mark.parametrize("words", [["info"], ["export", "--format", "npz"]])
def test_a_row_that_cannot_be_read_gives_one_line(out, capsys, monkeypatch, words):
    def fail(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    dest = [str(out.with_name("dest.npz"))] if "export" in words else []
    status, text = report_of(capsys, [*words, str(out), *dest])
    assert (status, "cannot be read (Input/output error)" in text) == (1, True)


@pytest.mark.parametrize(
    ("number", "call"),
    each_once([errno.EIO, errno.EFBIG, errno.ENOSPC], ["pwrite", "fsync"]),
)
def test_a_run_whose_writing_fails_gives_one_line_and_is_resumed(
    ended, tmp_path, capsys, monkeypatch, call, number
):
    """The n-th call fails, for each n; then the run is resumed."""
    words = json.loads((ended / "out" / "run.json").read_text())["config"]
    given = ["--stations", words["stations"], "--data", *words["data"], *OPTIONS]
    right, whole = values(ended / "out"), getattr(os, call)
    for n in (0, 1, 2, 3, 5, 8):
        out, left = tmp_path / f"out{n}", [n]

        def fail(*args, left=left):
            left[0] -= 1
            if left[0] == -1:
                raise OSError(number, os.strerror(number))
            return whole(*args)

        with monkeypatch.context() as during:
            during.setattr(os, call, fail)
            status, _ = report_of(capsys, [*given, "--out", str(out)])
        if status == 0:
            assert left[0] >= 0, "an error was not reported"
            continue
        how = ["--resume"] if (out / "run.json").exists() else ["--force"]
        assert report_of(capsys, [*given, "--out", str(out), *how])[0] == 0
        assert same(values(out), right)
