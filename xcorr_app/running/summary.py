"""The outcome of a run: its numbers, its skipped data, its failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seismo_pes.items.skipped import Skipped

__all__ = ["RunSummary"]


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
        Data that could not be used, or were used with a remark.
    failures
        Failures of single items, if ``--on-error skip`` lets the run continue.
    how
        ``start``, ``resume`` or ``update``.
    n_tiles, n_kept
        Tiles (pairs of blocks of channels, in one period) that this start computed, and
        tiles of earlier starts.
    n_possible
        Number of pairs without the options that select pairs; 0 if it is not known.
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

    def headline(self) -> str:
        """Return one line about the contents of the folder of the results."""
        work = ""
        if self.how != "start":
            work = (
                f"{self.how}: {self.n_tiles:,} blocks of correlations computed, "
                f"{self.n_kept:,} kept; "
            )
        are_selected = self.n_pairs < self.n_possible
        possible = f" (of {self.n_possible:,} possible)" if are_selected else ""
        return (
            f"{work}{self.n_pairs:,} pairs{possible} of {self.n_channels:,} channels, "
            f"{self.n_windows:,} windows stacked, in {self.seconds:.1f} s: {self.out}"
        )
