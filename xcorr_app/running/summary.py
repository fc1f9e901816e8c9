"""What a run did, and what it had to leave out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seismo_pes.items.skipped import Skipped

SKIPPED_FILE = "skipped.tsv"


@dataclass(frozen=True)
class RunSummary:
    """Outcome of one run.

    Attributes
    ----------
    n_channels, n_pairs, n_rows, n_windows
        Channels used, pairs with a result, rows written (pairs times stacks), and
        windows that entered the stacks, over all pairs.
    seconds
        Wall time.
    out
        Folder of the results.
    skipped
        What could not be used, and why.
    failures
        What raised, where ``--on-error skip`` let the run go on; each has a
        ``summary``.
    how
        ``start``, ``resume`` or ``update``.
    n_tiles, n_kept
        Tiles (pairs of blocks of channels, of one day) that were made now, and that
        were there before.
    n_possible
        Pairs that there would be without a choice of them; 0 if that is not known.
    """

    n_channels: int
    n_pairs: int
    n_rows: int
    n_windows: int
    seconds: float
    out: Path
    skipped: Sequence[Skipped] = field(default=())
    failures: Sequence[Any] = field(default=())
    how: str = "start"
    n_tiles: int = 0
    n_kept: int = 0
    n_possible: int = 0

    @property
    def n_skipped(self) -> int:
        """Number of things skipped."""
        return sum(one.count for one in self.skipped)

    def headline(self) -> str:
        """Return one line: what there is now, and where."""
        made = ""
        if self.how != "start":
            made = f"{self.how}: {self.n_tiles:,} tiles made, {self.n_kept:,} kept; "
        chosen = self.n_pairs < self.n_possible
        of_all = f" (of {self.n_possible:,} possible)" if chosen else ""
        return (
            f"{made}{self.n_pairs:,} pairs{of_all} of {self.n_channels:,} channels, "
            f"{self.n_windows:,} windows stacked, in {self.seconds:.1f} s: {self.out}"
        )

    def table(self, n_examples: int = 3, width: int | None = None) -> str:
        """Return a table of what was skipped, by stage and reason; "" if nothing.

        Parameters
        ----------
        n_examples
            How many files, channels or stations are named for each reason.
        width
            Columns of the terminal; examples that do not fit are shortened.
        """
        groups: dict[tuple[str, str], list[Skipped]] = {}
        for one in self.skipped:
            groups.setdefault((one.stage, one.reason), []).append(one)
        if not groups:
            return ""
        width = width or shutil.get_terminal_size((100, 24)).columns
        stage_width = max(len(stage) for stage, _ in groups)
        lines = [f"{self.n_skipped:,} skipped or used with a remark:"]
        for (stage, reason), members in groups.items():
            count = sum(one.count for one in members)
            lines.append(f"  {stage:<{stage_width}} {count:>7,}  {reason}")
            examples = _examples([one.what for one in members], n_examples)
            indent = " " * (stage_width + 12)
            lines.append(_shortened(indent + examples, max(width, 60)))
        return "\n".join(lines)

    def write(self, out: str | Path) -> Path:
        """Write all that was skipped to ``OUT/skipped.tsv``; return its path.

        What earlier starts of a run that went on have skipped stays there.
        """
        path = Path(out) / SKIPPED_FILE
        rows = [("stage", "what", "reason", "count")]
        rows += [(s.stage, s.what, s.reason, str(s.count)) for s in self.skipped]
        lines = ["\t".join(" ".join(cell.split()) for cell in row) for row in rows]
        if self.how != "start" and path.is_file():
            before = path.read_text(encoding="utf-8").splitlines()
            lines = [lines[0], *dict.fromkeys([*before[1:], *lines[1:]])]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def _examples(names: list[str], n_examples: int) -> str:
    distinct = list(dict.fromkeys(names))
    more = len(distinct) - n_examples
    tail = f" and {more:,} more" if more > 0 else ""
    return ", ".join(distinct[:n_examples]) + tail


def _shortened(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
