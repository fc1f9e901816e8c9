"""The outcome of a run: its numbers, its skipped data, its failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seismo_pes.items.skipped import Skipped
from xcorr_app.results.account import Account

__all__ = ["RunSummary"]

ABSENT = "the inventory has no such channel"
# Stages whose entries are remarks: the data are used.
REMARKS = ("coordinates", "quality", "select", "rotate")


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
        Data that this start could not use, or used with a remark.
    account
        Windows and skipped data of all starts of the run.
    failures
        Failures of single items, if ``--on-error skip`` lets the run continue.
    how
        ``start``, ``resume`` or ``update``.
    n_tiles, n_kept
        Tiles (pairs of blocks of channels, in one period) that this start computed, and
        tiles of earlier starts.
    n_possible
        Number of pairs without the options that select pairs; 0 if it is not known.
    between_windows
        One line if the data lie between the windows of the run, else "".
    """

    n_channels: int
    n_pairs: int
    n_rows: int
    n_windows: int
    seconds: float
    out: Path
    skipped: Sequence[Skipped] = field(default=())
    account: Account | None = None
    failures: Sequence[Any] = field(default=())
    how: str = "start"
    n_tiles: int = 0
    n_kept: int = 0
    n_possible: int = 0
    between_windows: str = ""

    def lack(self) -> str:
        """Return why no window is in any correlation; "" if there are windows."""
        if self.n_windows:
            return ""
        if self.between_windows:
            return self.between_windows
        groups: dict[str, set[str]] = {}
        for entry in self.skipped:
            if entry.stage not in REMARKS:
                reason = entry.reason.partition(ABSENT)
                text = ABSENT if reason[1] else entry.reason
                groups.setdefault(text, set()).add(entry.what)
        if not groups:
            return "no two channels have a window in common"
        text, names = max(groups.items(), key=lambda group: len(group[1]))
        first, n_more = min(names), len(names) - 1
        if text == ABSENT and len(names) == self.n_channels:
            channels = f"none of the {len(names)} channels" if n_more else first
            return f"the inventory has {channels}" if n_more else f"{first}: {ABSENT}"
        return f"{first}{f' and {n_more:,} more' if n_more else ''}: {text}"

    def losses(self) -> str:
        """Return one line about the windows of the channels; "" if none is lost."""
        account = self.account
        if account is None or account.n_used == account.n_possible:
            return ""
        return account.summary()

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
