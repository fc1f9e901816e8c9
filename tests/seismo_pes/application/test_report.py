"""The frame of a report: headings, tables and figures in one page."""

import struct

from dispel4py.errors import ParameterError
from seismo_pes.application import report

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 300, 200)


def test_a_page_holds_its_parts_and_escapes_texts():
    parts = [
        report.section("A < B", "<p>text</p>"),
        report.folded("Settings", report.settings_table({"level": None, "band": [1]})),
    ]
    page = report.page("Run <1>", parts)
    assert "<title>Run &lt;1&gt;</title>" in page
    assert "<h2>A &lt; B</h2>" in page
    assert "<td>level</td><td>–</td>" in page
    assert "<summary>Settings</summary>" in page
    assert "$" not in page


def test_numbers_are_aligned_right():
    table = report.table(("pair", "lag"), [("A-B", 3)], numbers_from=1)
    assert '<td>A-B</td><td class="number">3</td>' in table


def test_a_figure_is_embedded_or_its_absence_explained():
    def fails(path):
        raise ParameterError("map: no coordinates")

    drawn, missing = report.figures(
        [("Section", lambda path: path.write_bytes(PNG)), ("Map", fails)], dpi=150
    )
    assert 'width="192"' in drawn  # 300 pixels at 150 per inch
    assert "data:image/png;base64," in drawn
    assert "Not drawn: no coordinates." in missing
