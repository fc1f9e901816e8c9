"""The list of skipped data: a table for the terminal, and ``skipped.tsv`` in a folder.

Data that a run cannot use are listed, each with its stage and its reason.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dispel4py.errors import DataError
from dispel4py.files import is_file
from dispel4py.terminal import printable_line
from seismo_pes.full_disk import name_errors
from seismo_pes.whole_file import whole_file

if TYPE_CHECKING:  # its room imports numpy and obspy
    from seismo_pes.items.skipped import Skipped

__all__ = [
    "SKIPPED_FILE",
    "interval_text",
    "n_skipped",
    "read_skipped",
    "skipped_rows",
    "skipped_table",
    "skipped_text",
    "table_cell",
    "write_skipped",
]

SKIPPED_FILE = "skipped.tsv"
COLUMNS = ("stage", "what", "reason", "count", "times")
MS_NS = 1_000_000  # nanoseconds: times are shown to the millisecond
FORMULA = ("=", "+", "-", "@")  # how formulas of spreadsheet programs begin
NARROWEST = 60  # columns: a narrower terminal wraps the lines instead
USUAL_TERMINAL = (100, 24)  # columns and lines, where the size is not known


def n_skipped(skipped: Sequence[Skipped]) -> int:
    """Return how many files, traces or gaps were skipped.

    >>> from seismo_pes.items.skipped import Skipped
    >>> n_skipped([Skipped("read", "a.sac", "broken"), Skipped("merge", "A", "gap", 2)])
    3
    """
    return sum(entry.count for entry in skipped)


def skipped_table(
    skipped: Sequence[Skipped], n_examples: int = 3, width: int | None = None
) -> str:
    """Return a table of skipped data, one entry for each stage and reason.

    Parameters
    ----------
    skipped : sequence of Skipped
    n_examples : int
        How many files, channels or stations are named for each reason.
    width : int, optional
        Columns of the terminal; longer lists of examples are shortened.

    Returns
    -------
    str
        Lines of text; "" if nothing was skipped.
    """
    groups: dict[tuple[str, str], list[Skipped]] = {}
    for entry in skipped:
        groups.setdefault((entry.stage, entry.reason), []).append(entry)
    if not groups:
        return ""
    width = max(width or shutil.get_terminal_size(USUAL_TERMINAL).columns, NARROWEST)
    stage_width = max(len(stage) for stage, _ in groups)
    lines = [f"{n_skipped(skipped):,} skipped or used with a remark:"]
    for (stage, reason), members in groups.items():
        lines.append(f"  {stage:<{stage_width}} {n_skipped(members):>7,}  {reason}")
        examples = _examples([entry.what for entry in members], n_examples)
        examples += _days(members)
        lines.append(_shortened(" " * (stage_width + 12) + examples, width))
    return "\n".join(map(printable_line, lines))


def skipped_rows(
    skipped: Iterable[Skipped],
    show: Callable[[Sequence[tuple[int, int]]], str] | None = None,
) -> list[list[str]]:
    """Return a row for each stage, what and reason: equal ones are put together.

    Parameters
    ----------
    skipped : iterable of Skipped
    show : callable, optional
        Takes intervals, nanoseconds since 1970; returns a text. By default it is that
        of `interval_text`, with blanks between.

    Returns
    -------
    list of list of str
        Stage, what, reason, count, and the intervals of time, as `interval_text`.
    """
    from seismo_pes.items.intervals import union

    groups: dict[tuple[str, str, str], list[Skipped]] = {}
    for entry in skipped:
        groups.setdefault((entry.stage, entry.what, entry.reason), []).append(entry)
    rows = []
    for key, members in groups.items():
        times = union(
            (entry.start_ns, entry.end_ns)
            for entry in members
            if entry.start_ns is not None and entry.end_ns is not None
        )
        text = " ".join(map(interval_text, times)) if show is None else show(times)
        cells = *key, str(n_skipped(members)), text
        rows.append([table_cell(cell) for cell in cells])
    return rows


def table_cell(text: str) -> str:
    """Return a text as a cell that a spreadsheet program shows and does not compute.

    >>> table_cell("=1+1"), table_cell("-3.5"), table_cell("a\tb")
    ("'=1+1", '-3.5', 'a b')
    """
    cell = printable_line(" ".join(text.split()))
    if not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def interval_text(interval: tuple[int, int]) -> str:
    """Return an interval of nanoseconds since 1970 in ISO 8601, to the millisecond.

    >>> interval_text((0, 3_600_500_000_000))
    '1970-01-01T00:00:00/1970-01-01T01:00:00.500'
    """
    return "/".join(map(_time_text, interval))


def _time_text(time_ns: int) -> str:
    seconds, ms = divmod((time_ns + MS_NS // 2) // MS_NS, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ms:03d}" if ms else text


def write_skipped(folder: str | Path, skipped: Iterable[Skipped]) -> Path:
    """Write skipped data to ``skipped.tsv`` in a folder; return its path.

    Parameters
    ----------
    folder : str or Path
    skipped : iterable of Skipped
    """
    path = Path(folder) / SKIPPED_FILE
    with whole_file(path) as temporary:
        temporary.write_text(skipped_text(skipped_rows(skipped)), encoding="utf-8")
    return path


def skipped_text(rows: Iterable[Sequence[str]]) -> str:
    """Return the content of ``skipped.tsv``.

    Parameters
    ----------
    rows : iterable of sequence of str
        See `skipped_rows`.
    """
    lines = ["\t".join(row) for row in rows]
    return "\n".join(["\t".join(COLUMNS), *lines]) + "\n"


def read_skipped(folder: str | Path) -> list[list[str]]:
    """Return the rows of ``skipped.tsv`` in a folder, see `skipped_rows`.

    Parameters
    ----------
    folder : str or Path
        Without the file in it, there are no rows.

    Raises
    ------
    DataError
        If it is not text.
    """
    path = Path(folder) / SKIPPED_FILE
    if not is_file(path):
        return []
    try:
        with name_errors(path):
            lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text, or damaged: {error.reason}") from None
    return [line.split("\t") for line in lines[1:]]


def _examples(names: list[str], n_examples: int) -> str:
    distinct = list(dict.fromkeys(names))
    more = len(distinct) - n_examples
    tail = f" and {more:,} more" if more > 0 else ""
    return ", ".join(distinct[:n_examples]) + tail


def _days(members: Iterable[Skipped]) -> str:
    times = [
        (entry.start_ns, max(entry.start_ns, entry.end_ns - MS_NS))
        for entry in members
        if entry.start_ns is not None and entry.end_ns is not None
    ]
    if not times:
        return ""
    first, last = min(start for start, _ in times), max(end for _, end in times)
    days = list(dict.fromkeys(_time_text(time_ns)[:10] for time_ns in (first, last)))
    return f": {' to '.join(days)}"


def _shortened(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
