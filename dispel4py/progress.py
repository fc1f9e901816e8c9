"""Progress of a run: a table on a terminal, lines in a log file."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from dispel4py.observe import Count, Observer
from dispel4py.plan import Plan

__all__ = ["Progress"]

#: Seconds between two lines in a log file: a run of a day stays readable.
_PLAIN_SECONDS = 10.0
#: Seconds between two updates of the table on a terminal.
_TERMINAL_SECONDS = 0.2


class Progress(Observer):
    """Shows items in and out, rate, items waiting and failures of each PE.

    Parameters
    ----------
    stream : text stream, optional
        Standard error by default. A terminal shows a table that is kept up to date.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._live: Any = None
        self._began = self._shown_at = time.monotonic()
        #: The latest state as a line, or "".
        self.last = ""

    def started(self, plan: Plan) -> None:
        """Note the start time."""
        self._began = self._shown_at = time.monotonic()

    def progress(self, counts: dict[str, Count]) -> None:
        """Show the counts, if the interval since the last ones has passed."""
        now = time.monotonic()
        self.last = line(counts, now - self._began)
        interval_s = _TERMINAL_SECONDS if self._is_terminal else _PLAIN_SECONDS
        if now - self._shown_at < interval_s:
            return
        self._shown_at = now
        if self._is_terminal:
            self._show(counts, now - self._began)
        else:
            self._stream.write(self.last + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Stop showing, and remove the table."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def finished(self, result: Any) -> None:
        """Stop showing."""
        self.close()

    def _show(self, counts: dict[str, Count], seconds: float) -> None:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            console = Console(file=self._stream)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(_table(counts, seconds), refresh=True)


def line(counts: dict[str, Count], seconds: float) -> str:
    """Return the state of a run in one line.

    Parameters
    ----------
    counts : dict
        PE id to its `Count`.
    seconds : float
        Time since the start.

    >>> line({"Read0": Count(20, 20), "Stack1": Count(10, 0, 9, 1)}, 10.0)
    '10 s; Read0 20 (2/s); Stack1 10 (1/s), 9 waiting, 1 failed'
    """
    parts = [f"{seconds:.0f} s"]
    for pe, count in counts.items():
        text = f"{pe} {count.n_in:,} ({_rate(count, seconds)})"
        if count.n_waiting:
            text += f", {count.n_waiting:,} waiting"
        if count.n_failed:
            text += f", {count.n_failed:,} failed"
        parts.append(text)
    return "; ".join(parts)


def _rate(count: Count, seconds: float) -> str:
    return f"{count.n_in / max(seconds, 1e-9):.3g}/s"


def _table(counts: dict[str, Count], seconds: float) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(f"{seconds:.0f} s")
    for name in ("in", "out", "rate", "waiting", "failed"):
        table.add_column(name, justify="right")
    for pe, count in counts.items():
        cells = [f"{count.n_in:,}", f"{count.n_out:,}", _rate(count, seconds)]
        cells.append(f"{count.n_waiting:,}" if count.n_waiting else "")
        cells.append(f"[red]{count.n_failed:,}[/]" if count.n_failed else "")
        table.add_row(pe, *cells)
    return table
