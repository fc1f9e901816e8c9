"""Codes from files never become paths, commands of a terminal, or formulas."""

from __future__ import annotations

import logging
import os
from io import StringIO

import numpy as np
import pytest
from obspy import Stream, Trace

from dispel4py.command_line import report_line
from dispel4py.run import run
from dispel4py.terminal import printable, printable_line, start_logging
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.application import report
from seismo_pes.application.skipped import read_skipped, skipped_table, write_skipped
from seismo_pes.items.codes import LONGEST_ID, defective_code, file_name_of
from seismo_pes.items.events import Event
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.plotting import DrawWaveform, save
from seismo_pes.plotting.figure import add_figure_heading, add_heading, new_figure
from seismo_pes.reading.archives.header_index import scan_indexed
from seismo_pes.reading.archives.scan import scan_file
from seismo_pes.reading.spans import read_span
from seismo_pes.writing import WriteMiniseed, WriteSac
from xcorr_app.cli import main as xcorr_main

HOSTILE = ["/tmp/pw/", "..", "../../x", "a\x1b[2J", "=1+1", "a\nb", "\\\\h\\x", "a\0"]


@pytest.mark.parametrize(
    "id_", ["CI.FMP..BHZ", ".A..", "X-1.S_2.--.b z", "GR.GRB1.. BZ", "É.ä.00.HHZ"]
)
def test_codes_of_networks_are_accepted(id_):
    assert defective_code(id_) == ""


@pytest.mark.parametrize("code", HOSTILE)
def test_other_codes_are_refused(code):
    for position in range(4):
        codes = ["XX", "AAA", "", "HHZ"]
        codes[position] = code
        assert defective_code(".".join(codes))


@pytest.mark.parametrize("code", HOSTILE)
@pytest.mark.parametrize(
    "element",
    [WriteSac, WriteMiniseed, DrawWaveform],
    ids=lambda e: e.__name__,
)
@pytest.mark.filterwarnings("ignore:Glyph")
def test_files_stay_in_their_folder(tmp_path, element, code):
    folder = tmp_path / "a" / "b"
    header = {"station": "AAA", "network": code, "channel": code}
    stream = Stream([Trace(np.arange(50.0), header)])
    graph, pe = WorkflowGraph(), element(folder)
    graph.add(pe)
    result = run(graph, {pe: [{"input": stream}]})
    port = "drawn" if element is DrawWaveform else "written"
    paths = result.output(pe.id, port)
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(paths) == len(everything) == 1 - len(result.output(pe.id, "skipped"))
    assert all(path.parent == folder for path in everything)
    assert all(path.name.isprintable() for path in everything)


def test_hostile_headers_are_listed(tmp_path):
    path = tmp_path / "data.sac"
    trace = Trace(np.arange(100.0, dtype="f4"), {"network": "/tmp/pw/", "station": "A"})
    trace.write(str(path), "SAC")
    entries, skipped = scan_file(path)
    assert not entries
    assert "'/tmp/pw/': a code has letters and digits" in skipped[0].reason
    _, skipped = read_span(ChannelSpan("/tmp/pw/.A..", 0, 10**11, (str(path),), 0))
    assert "'/tmp/pw/': a code has letters and digits" in skipped[0].reason


def test_a_terminal_shows_escapes(capsys, monkeypatch):
    report_line("xcorr-app", "error: day\x1b[2J.mseed: no file\udcff", 1)
    assert capsys.readouterr().err == (
        "xcorr-app: error: day\\x1b[2J.mseed: no file\\udcff\n"
    )
    table = skipped_table([Skipped("read", "a\x1b]0;title\x07", "broken\x9b1m")])
    assert "\x1b" not in table
    assert "a\\x1b]0;title\\x07" in table
    stream = StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    start_logging("warning")
    logging.getLogger("seismo_pes").warning("%s", "a\x1b[2J")
    assert stream.getvalue() == "WARNING seismo_pes: a\\x1b[2J\n"
    assert printable("tab\tnew line\nÄ 日本") == "tab\tnew line\nÄ 日本"


def test_tables_hold_text_and_no_formulas(tmp_path):
    write_skipped(tmp_path, [Skipped("read", "=cmd|'x'!A1", "a\tb\udcff")])
    (row,) = read_skipped(tmp_path)
    assert row[:3] == ["read", "'=cmd|'x'!A1", "a b\\udcff"]


def test_names_of_files():
    assert file_name_of("CI.FMP..BHZ_CI.CIA..BHZ") == "CI.FMP..BHZ_CI.CIA..BHZ"
    assert file_name_of("/tmp/a\\b\0:") == "_tmp_a_b__"


NAMES = [
    b"esc\x1b[31m.mseed",
    b"new\nWARNING line.mseed",
    b"tab\t.mseed",
    "bidi\u202e\u2066.mseed".encode(),
    "zero\u200bwidth.mseed".encode(),
    b"bytes\xff\xfe.mseed",
    b"$\\frac$.mseed",
    b"[bold]x[red].mseed",
    b"n" * 249 + b".mseed",
]


@pytest.fixture
def named_files(tmp_path):
    """Intact files and damaged files, in turn, with names of strangers."""
    folder = tmp_path / "data"
    folder.mkdir()
    for n, name in enumerate(NAMES):
        path = folder / os.fsdecode(name)
        header = {"network": "XX", "station": f"S{n}", "channel": "HHZ"}
        with path.open("wb") as file:
            if n % 2:
                file.write(b"no waveforms")
            else:
                Stream([Trace(np.arange(100.0), header)]).write(file, format="MSEED")
    return folder


def check_lines(text):
    """Check that a text is UTF-8, and has no hidden characters and no false lines."""
    assert text.encode()
    assert all(line.isprintable() for line in text.split("\n"))
    assert not any(line.startswith("WARNING") for line in text.split("\n"))


def test_files_of_any_name_are_scanned_and_listed(named_files, tmp_path, capsys):
    words = ["scan", "--data", str(named_files), "--quiet", "--output"]
    assert xcorr_main([*words, str(tmp_path / "figure.png")]) == 0
    shown = capsys.readouterr().out
    check_lines(shown)
    assert shown.count("XX.S") == 5
    assert "new\\nWARNING line.mseed: not a waveform" in shown


def test_an_index_has_files_of_any_name(named_files, tmp_path):
    paths = sorted(named_files.iterdir())
    for _ in range(2):
        skipped: list[Skipped] = []
        entries = scan_indexed(paths, skipped, tmp_path / "index.sqlite")
        assert [e.path for e in entries] == [
            str(path) for path in paths if path.stat().st_size > 100
        ]
        assert len(skipped) == 4


def test_a_message_is_one_line(capsys, monkeypatch):
    name = os.fsdecode(b"a\xff\nWARNING b\x1b\t\xc2\x9b")
    report_line("xcorr-app", f"error: {name}", 1)
    line = "a\\udcff\\nWARNING b\\x1b\\t\\x9b"
    assert capsys.readouterr().err == f"xcorr-app: error: {line}\n"
    assert printable_line(name) == line
    stream = StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    start_logging("warning")
    try:
        raise ValueError("of a test")
    except ValueError:
        logging.getLogger("seismo_pes").warning("%s", name, exc_info=True)
    head, *rest = stream.getvalue().splitlines()
    assert head == f"WARNING seismo_pes: {line}"
    assert rest[-1] == "ValueError: of a test"
    table = skipped_table([Skipped("read", name, name)])
    assert len(table.splitlines()) == 3
    check_lines(table)


def test_a_page_shows_hidden_characters():
    name = os.fsdecode(b"<b>\xff\x1b") + "\u202e\u200b"
    page = report.page(name, [report.table((name,), [(name,)])])
    shown = "&lt;b&gt;\\udcff\\x1b\\u202e\\u200b"
    assert page.count(shown) == 4
    check_lines(page)


@pytest.mark.parametrize("name", [r"$\frac$", "$x$", "a\udcff\x1b\u202e"])
def test_a_figure_shows_names_as_they_are(name, tmp_path):
    figure = new_figure(4, 3)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.plot([1, 1000], [1, 2], label=name)
    axes.legend()
    add_heading(axes, name, name)
    add_figure_heading(figure, name)
    text = save(figure, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text.count(f"<!-- {printable(name)} -->") >= 3
    assert r"$\mathdefault{10^{1}}$" in text


@pytest.mark.parametrize("letter", ["L", "É"])
def test_long_names_become_files(letter, tmp_path):
    id_ = f"XX.{letter * LONGEST_ID}..HHZ"
    assert "is longer than 100 bytes" in defective_code(id_)
    id_ = f"XX.{letter * (90 // len(letter.encode()))}..HHZ"
    assert not defective_code(id_)
    label = Event(f"smi:a/{letter * 1000}", 0, 0.0, 0.0).label
    for name in (f"{id_}_{id_}.all.sac", f"report_{label}_2.html"):
        (tmp_path / file_name_of(name)).write_text("")
