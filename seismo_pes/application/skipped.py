"""The list of skipped data: a table for the terminal, and ``skipped.tsv`` in a folder.

Data that a run cannot use are listed, each with its stage and its reason.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # its room imports numpy and obspy
    from seismo_pes.items.skipped import Skipped

__all__ = [
    "SKIPPED_FILE",
    "n_skipped",
    "read_skipped",
    "skipped_table",
    "write_skipped",
]

SKIPPED_FILE = "skipped.tsv"
COLUMNS = ("stage", "what", "reason", "count")
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
        lines.append(_shortened(" " * (stage_width + 12) + examples, width))
    return "\n".join(lines)


def write_skipped(
    folder: str | Path, skipped: Sequence[Skipped], keep: bool = False
) -> Path:
    """Write skipped data to ``skipped.tsv`` in a folder; return its path.

    Parameters
    ----------
    folder : str or Path
    skipped : sequence of Skipped
    keep : bool
        Keep the rows that earlier starts of the run have written.
    """
    path = Path(folder) / SKIPPED_FILE
    rows = [[s.stage, s.what, s.reason, str(s.count)] for s in skipped]
    lines = ["\t".join(" ".join(cell.split()) for cell in row) for row in rows]
    if keep:
        earlier = ["\t".join(row) for row in read_skipped(folder)]
        lines = list(dict.fromkeys([*earlier, *lines]))
    path.write_text("\n".join(["\t".join(COLUMNS), *lines]) + "\n", encoding="utf-8")
    return path


def read_skipped(folder: str | Path) -> list[list[str]]:
    """Return the rows of ``skipped.tsv`` in a folder: stage, what, reason, count.

    Parameters
    ----------
    folder : str or Path
        Without the file in it, there are no rows.
    """
    path = Path(folder) / SKIPPED_FILE
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


def _examples(names: list[str], n_examples: int) -> str:
    distinct = list(dict.fromkeys(names))
    more = len(distinct) - n_examples
    tail = f" and {more:,} more" if more > 0 else ""
    return ", ".join(distinct[:n_examples]) + tail


def _shortened(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
