"""Progress of long work, for a terminal or for a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

__all__ = ["Progress", "duration", "progress_display"]


class Progress:
    """The progress of a run: for each stage the part done, the rate, the time left.

    On a terminal each stage has a bar; elsewhere a plain line is written every
    `interval_s` seconds, so that a log stays short.

    Parameters
    ----------
    stages : mapping of str to int, optional
        Names and totals of the stages; 0 is a total that is not known yet. `update`
        adds a stage that is not among them.
    stream : text stream, optional
        Standard error by default.
    interval_s : float
        Least time between two plain lines.
    clock : callable
        Returns the time in seconds; tests replace it.

    Examples
    --------
    >>> with Progress({"read": 2}) as progress:
    ...     progress.update("read", 1)
    ...     progress.line()
    'read 1/2 (50 %)'
    """

    def __init__(
        self,
        stages: Mapping[str, int] | None = None,
        stream: TextIO | None = None,
        interval_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stages = {name: _Stage(total) for name, total in (stages or {}).items()}
        self.stream = sys.stderr if stream is None else stream
        self.interval_s = interval_s
        self.clock = clock
        self._bars: Any = None
        self._shown_at = 0.0

    def __enter__(self) -> Progress:
        self._shown_at = self.clock()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def update(self, stage: str, done: int, total: int | None = None) -> None:
        """Show the progress of a stage.

        Parameters
        ----------
        stage : str
        done : int
            Number of items done.
        total : int, optional
            Number of all items, if it has changed.
        """
        if self._bars is None and self.stream.isatty():
            self._start_bars()
        known = self.stages.get(stage)
        if known is None:
            known = self.stages[stage] = _Stage(total or 0)
            self._add_bar(stage, known)
        known.update(done, total, self.clock())
        if self._bars is not None:
            self._bars.update(known.bar, completed=done, total=known.total or None)
        elif self.clock() - self._shown_at >= self.interval_s:
            self._shown_at = self.clock()
            self.stream.write(self.line() + "\n")
            self.stream.flush()

    def note(self, text: str) -> None:
        """Write a line of text above the bars, or into the log."""
        if self._bars is not None:
            self._bars.console.print(
                text, highlight=False, soft_wrap=True, markup=False
            )
        else:
            self.stream.write(text + "\n")
            self.stream.flush()

    def line(self) -> str:
        """Return the progress of all stages that have begun, in one line."""
        now = self.clock()
        begun = [(n, s) for n, s in self.stages.items() if s.started_at is not None]
        return "; ".join(f"{name} {stage.text(now)}" for name, stage in begun)

    def _start_bars(self) -> None:
        # not before the first update: a process without work shows no bars
        self._bars = _bars(self.stream)
        self._bars.start()
        for name, stage in self.stages.items():
            self._add_bar(name, stage)

    def _add_bar(self, name: str, stage: _Stage) -> None:
        if self._bars is not None:
            stage.bar = self._bars.add_task(name, total=stage.total or None)


def progress_display(quiet: bool) -> AbstractContextManager[Progress | None]:
    """Return a display of progress, or nothing if the command is to be quiet.

    Parameters
    ----------
    quiet : bool
        The option ``--quiet``.
    """
    return nullcontext() if quiet else Progress()


class _Stage:
    """The state of one stage: number of items done, total number, start."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.done_before = 0
        self.started_at: float | None = None
        self.changed_at = 0.0
        self.bar: Any = None

    def update(self, done: int, total: int | None, now: float) -> None:
        if self.started_at is None:
            self.started_at, self.done_before = now, done
        if done != self.done:
            self.changed_at = now
        self.done = done
        self.total = self.total if total is None else total

    def text(self, now: float) -> str:
        text = f"{self.done:,}"
        if self.total:
            text += f"/{self.total:,} ({100 * self.done / self.total:.0f} %)"
        until = now if self.done < self.total or not self.total else self.changed_at
        seconds = 0.0 if self.started_at is None else until - self.started_at
        if self.done <= self.done_before or seconds <= 0:
            return text
        rate = (self.done - self.done_before) / seconds
        text += f", {_rate(rate)}"
        if self.done < self.total:
            text += f", {duration((self.total - self.done) / rate)} left"
        return text


def duration(seconds: float) -> str:
    """Write a duration with its two largest units.

    >>> duration(7), duration(125), duration(7320)
    ('7 s', '2 min 5 s', '2 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.2g}/s"


def _bars(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """Items per second."""

        def render(self, task: Any) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else _rate(speed))

    return Bars(
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        console=Console(file=stream),
        refresh_per_second=5,
    )
