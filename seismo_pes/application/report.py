"""The frame of a report: one HTML page with its figures and tables inside.

The page needs no other file: it opens without a network and can be sent by mail.
"""

from __future__ import annotations

import base64
import html
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from dispel4py.errors import ParameterError
from dispel4py.terminal import printable
from seismo_pes.full_disk import name_errors

__all__ = [
    "Figure",
    "figures",
    "folded",
    "page",
    "picture",
    "section",
    "settings_table",
    "table",
]

CSS_DPI = 96  # pixels per inch of a web page

#: The title of a figure, and the function that draws it to a PNG file.
Figure = tuple[str, Callable[[Path], Any]]


def page(title: str, parts: Iterable[str]) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    title : str
    parts : iterable of str
        The contents as HTML, in their order.

    Examples
    --------
    >>> "<h1>A &amp; B</h1>" in page("A & B", [table(None, [("pairs", 3)])])
    True
    """
    filled = PAGE.substitute(title=html.escape(title), body="\n".join(parts))
    return printable(filled)  # names may change the direction of writing


def section(title: str, body: str) -> str:
    """Return a part of a page under a heading.

    Parameters
    ----------
    title : str
    body : str
        HTML.
    """
    return f"<h2>{html.escape(title)}</h2>\n{body}"


def folded(title: str, body: str, is_open: bool = True) -> str:
    """Return a part of a page that the reader can fold away.

    Parameters
    ----------
    title : str
    body : str
        HTML.
    is_open : bool
        Whether the part is visible at first.
    """
    summary = f"<summary>{html.escape(title)}</summary>"
    return f"<details{' open' if is_open else ''}>{summary}\n{body}\n</details>"


def figures(drawings: Iterable[Figure], dpi: float) -> Iterator[str]:
    """Draw figures; yield each as HTML, or the reason why it cannot be drawn.

    Parameters
    ----------
    drawings : iterable of (str, callable)
        Titles, and functions that draw to a PNG file; a `ParameterError` that they
        raise is the reason.
    dpi : float
        Pixels per inch of the PNG files: at one scale, the text of all figures has the
        same size.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, (title, draw) in enumerate(drawings):
            path = Path(folder) / f"{number}.png"
            try:
                draw(path)
            except ParameterError as error:
                reason = html.escape(str(error).rpartition(": ")[2])
                yield section(title, f"<p>Not drawn: {reason}.</p>")
                continue
            yield section(title, picture(path, title, dpi))


def picture(path: Path, title: str, dpi: float) -> str:
    """Return a PNG file as HTML.

    Parameters
    ----------
    path : Path
    title : str
        Shown where pictures are not.
    dpi : float
        Pixels per inch of the file.
    """
    with name_errors(path):
        png = path.read_bytes()
    data = base64.b64encode(png).decode("ascii")
    # bytes 16 to 19 of a PNG are its width in pixels
    width = round(int.from_bytes(png[16:20], "big") * CSS_DPI / dpi)
    return (
        f'<div class="wide"><img alt="{html.escape(title)}" width="{width}" '
        f'src="data:image/png;base64,{data}"></div>'
    )


def settings_table(settings: Mapping[str, Any]) -> str:
    """Return a table of settings and their values.

    Parameters
    ----------
    settings : mapping of str to object
        Anything that JSON can hold; None is shown as a dash.
    """
    rows = [
        (
            name,
            "\N{EN DASH}" if value is None else json.dumps(value, ensure_ascii=False),
        )
        for name, value in settings.items()
    ]
    return table(("parameter", "value"), rows)


def table(
    head: Sequence[str] | None,
    rows: Iterable[Iterable[Any]],
    numbers_from: int = 1_000,
    numbers_to: int = 1_000,
) -> str:
    """Return a table.

    Parameters
    ----------
    head : sequence of str, optional
        Headings of the columns.
    rows : iterable of iterables
        Cells; each is shown as its text.
    numbers_from, numbers_to : int
        Columns from the first index to before the second contain numbers and are
        aligned right.
    """

    def format_row(cells: Iterable[Any], tag: str) -> str:
        row = []
        for column, cell in enumerate(cells):
            is_number = numbers_from <= column < numbers_to
            kind = ' class="number"' if is_number else ""
            row.append(f"<{tag}{kind}>{html.escape(str(cell))}</{tag}>")
        return f"<tr>{''.join(row)}</tr>"

    top = f"<thead>{format_row(head, 'th')}</thead>" if head else ""
    body = "\n".join(format_row(row, "td") for row in rows)
    kind = "data" if numbers_from < len(head or ()) <= numbers_to else "text"
    element = f'<table class="{kind}">{top}<tbody>\n{body}\n</tbody></table>'
    return f'<div class="wide">{element}</div>'


PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #22304a; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 1rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
img { max-width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: top;
  border-bottom: 1px solid #e9ebef; }
th { color: #5b667a; font-weight: 600; }
th, .data td, td:first-child { white-space: nowrap; }
.text td + td:not(.number) { min-width: 8rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { margin-top: 1rem; }
  h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
  img { width: 42rem; max-width: none; } /* wider than a phone: text stays legible */
}
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
details { margin-top: 2rem; }
summary { font-size: 1.2rem; font-weight: bold; cursor: pointer; }
@media print { details > * { display: block; } }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")
