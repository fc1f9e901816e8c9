"""The account of a run for people and programs: windows used and lost, and why."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seismo_pes.application import report
from seismo_pes.application.skipped import interval_text
from seismo_pes.correlating.substacks import period_name, window_name
from seismo_pes.items.account import CAUSES, LostWindows, WindowAccount
from seismo_pes.items.intervals import Interval, union
from seismo_pes.items.times import DAY_NS
from xcorr_app.results.account import Account

__all__ = ["account_as_html", "account_as_json", "account_as_lines", "times_text"]

COLUMNS = ("channel", "possible", "used", "lost", "cause", "times")
FIRST_ROWS = 40  # rows of the text, unless all are asked for
MOST_ROWS = 500  # rows of the table in the report
MOST_TIMES = 4  # intervals of a row of the text


@dataclass(frozen=True)
class ChannelLoss:
    """The windows that a channel lost for one cause, over all days.

    Attributes
    ----------
    channel_id : str
    n_possible, n_used : int
        All windows of the channel, and those that are used.
    lost : LostWindows
    """

    channel_id: str
    n_possible: int
    n_used: int
    lost: LostWindows


def channel_losses(windows: Iterable[WindowAccount]) -> list[ChannelLoss]:
    """Combine the days of each channel.

    Parameters
    ----------
    windows : iterable of WindowAccount
        Sorted by channel and day.

    Returns
    -------
    list of ChannelLoss
        In the order of the channels; the largest loss of a channel first.
    """
    rows = []
    for channel_id, group in itertools.groupby(windows, lambda row: row.channel_id):
        days = list(group)
        n_possible = sum(day.n_possible for day in days)
        n_used = sum(day.n_used for day in days)
        causes: dict[str, list[LostWindows]] = {}
        for lost in itertools.chain.from_iterable(day.lost for day in days):
            causes.setdefault(lost.cause, []).append(lost)
        losses = [
            LostWindows(
                cause,
                sum(lost.n_windows for lost in parts),
                tuple(union(times for lost in parts for times in lost.times)),
            )
            for cause, parts in causes.items()
        ]
        losses.sort(key=lambda lost: -lost.n_windows)
        rows += [ChannelLoss(channel_id, n_possible, n_used, lost) for lost in losses]
    return rows


# ------------------------------------------------------------------ text


def account_as_lines(account: Account, every: bool = False) -> list[str]:
    """Return the account as lines of text: a line for each channel and cause.

    Parameters
    ----------
    account : Account
    every : bool
        List all lines, and all times; by default the first 40, and four times each.
    """
    lines = [account.summary()]
    losses = channel_losses(account.windows)
    shown = losses if every else losses[:FIRST_ROWS]
    if not shown:
        return lines
    lines += _columns([COLUMNS, *_rows(shown, None if every else MOST_TIMES)])
    if len(shown) < len(losses):
        n_more = len(losses) - len(shown)
        lines.append(f"... and {n_more:,} more lines; --all lists them")
    return lines


def _rows(losses: Iterable[ChannelLoss], most: int | None) -> list[tuple[str, ...]]:
    """Return a row of cells for each loss; a channel is named in its first row."""
    rows: list[tuple[str, ...]] = []
    before = ""
    for loss in losses:
        head = loss.channel_id, f"{loss.n_possible:,}", f"{loss.n_used:,}"
        if loss.channel_id == before:
            head = "", "", ""
        lost = loss.lost
        times = times_text(lost.times, most)
        rows.append((*head, f"{lost.n_windows:,}", lost.cause, times))
        before = loss.channel_id
    return rows


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = "<>>><<"
    return [
        "  ".join(
            f"{cell:{side}{width}}"
            for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def times_text(times: Sequence[Interval], most: int | None = None) -> str:
    """Return intervals in words, day by day.

    Parameters
    ----------
    times : sequence of (int, int)
        Nanoseconds since 1970, ascending.
    most : int, optional
        The others are counted only.

    Examples
    --------
    >>> hour = 3_600 * 10**9
    >>> times_text([(3 * hour, 5 * hour), (7 * hour, 24 * hour)])
    '1970-01-01 03:00-05:00, 07:00-24:00'
    >>> times_text([(0, 24 * hour), (96 * hour, 240 * hour)])
    '1970-01-01; 1970-01-05 to 1970-01-10'
    >>> times_text([(22 * hour, 50 * hour), (60 * hour, 61 * hour)], 1)
    '1970-01-01 22:00 to 1970-01-03 02:00 and 1 more'
    """
    shown = times if most is None else times[:most]
    days: list[tuple[str, list[str]]] = []
    for start_ns, end_ns in shown:
        day, last = start_ns // DAY_NS, (end_ns - 1) // DAY_NS
        if start_ns % DAY_NS == end_ns % DAY_NS == 0:
            whole = dict.fromkeys((period_name(day), period_name(last)))
            days.append((" to ".join(whole), []))
        elif day != last:
            end = f"{period_name(end_ns // DAY_NS)} {_clock(end_ns)}"
            days.append((f"{period_name(day)} {_clock(start_ns)} to {end}", []))
        else:
            name = period_name(day)
            if not (days and days[-1][0] == name and days[-1][1]):
                days.append((name, []))
            end = "24:00" if end_ns % DAY_NS == 0 else _clock(end_ns)
            days[-1][1].append(f"{_clock(start_ns)}-{end}")
    text = "; ".join(f"{day} {', '.join(parts)}".rstrip() for day, parts in days)
    n_more = len(times) - len(shown)
    return f"{text} and {n_more:,} more" if n_more else text


def _clock(time_ns: int) -> str:
    """Return hours and minutes of a time, and its seconds if it has any."""
    text = window_name(time_ns)[11:]
    return text.removesuffix(":00") if len(text) == 8 else text


# ------------------------------------------------------------------ programs


def account_as_json(account: Account) -> dict[str, Any]:
    """Return the account of each channel and day, ready for JSON.

    Parameters
    ----------
    account : Account
    """
    return {
        "n_possible": account.n_possible,
        "n_used": account.n_used,
        "lost": account.lost,
        "channels": [
            {
                "channel": row.channel_id,
                "day": period_name(row.period),
                "n_possible": row.n_possible,
                "n_used": row.n_used,
                "lost": [
                    {
                        "cause": lost.cause,
                        "n_windows": lost.n_windows,
                        "times": [interval_text(times) for times in lost.times],
                    }
                    for lost in row.lost
                ],
            }
            for row in account.windows
        ],
    }


# ------------------------------------------------------------------ report


def account_as_html(account: Account) -> str:
    """Return the account as HTML: a summary, a table, and the meaning of its words.

    Parameters
    ----------
    account : Account
    """
    text = account.summary()
    parts = [f"<p>{html.escape(text[0].upper() + text[1:])}.</p>"]
    losses = channel_losses(account.windows)
    if not losses:
        return parts[0]
    rows = _rows(losses[:MOST_ROWS], MOST_TIMES)
    parts.append(report.table(COLUMNS, rows, 1, 4))
    if len(losses) > MOST_ROWS:
        n_more = len(losses) - MOST_ROWS
        parts.append(f"<p>{n_more:,} more in account.tsv.</p>")
    meanings = [(cause, CAUSES[cause]) for cause in account.lost if cause in CAUSES]
    parts.append("<p>The causes:</p>")
    parts.append(report.table(None, meanings))
    return "\n".join(parts)
