"""The account of a run: windows of each channel and day, and skipped data.

::

    OUT/account/NNNN-*.jsonl    entries of the elements in session NNNN, and its tiles
    OUT/account/plan.jsonl      entries of the plan of the last session
    OUT/account/sums.json       checksums of these files, see `account_sums`
    OUT/account.tsv             the windows of all sessions, after a session has ended

A session replaces what earlier sessions wrote about the days that it reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dispel4py.files import is_file
from seismo_pes.application.files import remove_folder, write_whole
from seismo_pes.application.skipped import interval_text, table_cell
from seismo_pes.correlating.substacks import period_name
from seismo_pes.items.account import WindowAccount
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS
from seismo_pes.writing.account_journal import (
    FOLDER,
    AccountItem,
    as_line,
    journals,
    read_journal,
)
from xcorr_app.results.account_sums import (
    check_journals,
    last_ended,
    seal_journals,
)

__all__ = [
    "ACCOUNT_FILE",
    "Account",
    "append_account",
    "entries",
    "read_account",
    "remove_account",
    "session_account",
    "write_account",
    "write_plan",
]

ACCOUNT_FILE = "account.tsv"
PLAN_FILE = "plan.jsonl"
COLUMNS = ("channel", "day", "possible", "used", "lost", "cause", "times")


@dataclass(frozen=True)
class Account:
    """Windows that were possible, used and lost, and data that were skipped.

    Attributes
    ----------
    windows : list of WindowAccount
        One entry for each channel and day, sorted.
    skipped : list of Skipped
        Those of the plan first, then by time.
    """

    windows: list[WindowAccount]
    skipped: list[Skipped]

    @property
    def n_possible(self) -> int:
        """Number of windows of all channels and days."""
        return sum(row.n_possible for row in self.windows)

    @property
    def n_used(self) -> int:
        """Number of windows that are used."""
        return sum(row.n_used for row in self.windows)

    @property
    def lost(self) -> dict[str, int]:
        """Number of lost windows by cause, the largest first."""
        return lost_by_cause(self.windows)

    def summary(self) -> str:
        """Return one line: windows that were possible, used, lost.

        >>> Account([WindowAccount("XX.A..HHZ", 0, 24, 24)], []).summary()
        'windows of 1 channel on 1 day: 24 possible, all used'
        """
        n_channels = len({row.channel_id for row in self.windows})
        n_days = len({row.period for row in self.windows})
        head = (
            f"windows of {_counted(n_channels, 'channel')} on "
            f"{_counted(n_days, 'day')}: {self.n_possible:,} possible, "
        )
        n_lost = self.n_possible - self.n_used
        if not n_lost:
            return f"{head}all used"
        causes = ", ".join(f"{cause} {n:,}" for cause, n in self.lost.items())
        return f"{head}{self.n_used:,} used, {n_lost:,} lost ({causes})"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def lost_by_cause(windows: Iterable[WindowAccount]) -> dict[str, int]:
    """Return the number of lost windows by cause, the largest first.

    Parameters
    ----------
    windows : iterable of WindowAccount
    """
    counts: Counter[str] = Counter()
    for row in windows:
        for lost in row.lost:
            counts[lost.cause] += lost.n_windows
    return dict(counts.most_common())


# ------------------------------------------------------------------ reading


def read_account(out: Path) -> Account:
    """Read the account of all sessions of a run.

    Parameters
    ----------
    out
        Folder of the run, finished or still running.

    Raises
    ------
    DataError
        If a journal is damaged.
    """
    check_journals(out)
    windows: dict[tuple[str, int], WindowAccount] = {}
    reading: dict[int, int] = {}  # the last session that has read a day
    skipped: list[tuple[int, Skipped]] = []
    for session, item in entries(out):
        if isinstance(item, Skipped):
            skipped.append((session, item))
        elif isinstance(item, WindowAccount):
            windows[item.channel_id, item.period] = item
            reading[item.period] = session
    listed: list[Skipped] = []
    for item in _planned(out):
        if isinstance(item, Skipped):
            listed.append(item)
        elif isinstance(item, WindowAccount):
            windows[item.channel_id, item.period] = item
    listed += _by_time(
        item
        for session, item in skipped
        if item.start_ns is None
        or reading.get(item.start_ns // DAY_NS, session) <= session
    )
    rows = [windows[key] for key in sorted(windows)]
    return Account(rows, listed)


def session_account(out: Path, session: int) -> Account:
    """Read the entries of the elements in one session.

    Parameters
    ----------
    out
        Folder of the run.
    session
        Its number.
    """
    items = [item for number, item in entries(out) if number == session]
    windows = [item for item in items if isinstance(item, WindowAccount)]
    skipped = [item for item in items if isinstance(item, Skipped)]
    return Account(windows, _by_time(skipped))


def _by_time(skipped: Iterable[Skipped]) -> list[Skipped]:
    """Return the distinct entries in an order that all mappings share."""
    return sorted(
        dict.fromkeys(skipped),
        key=lambda entry: (entry.start_ns or 0, entry.stage, entry.what, entry.reason),
    )


def entries(out: Path) -> Iterator[tuple[int, AccountItem]]:
    """Yield the entries of the elements in all sessions, and the numbers of these.

    Parameters
    ----------
    out
        Folder of the run.
    """
    for session, path in journals(out):
        for item in read_journal(path):
            yield session, item


def _planned(out: Path) -> Iterator[AccountItem]:
    path = out / FOLDER / PLAN_FILE
    return read_journal(path) if is_file(path) else iter(())


# ------------------------------------------------------------------ writing


def write_plan(out: Path, items: Iterable[AccountItem]) -> None:
    """Write the entries of the plan of a session; replace those of earlier sessions.

    Parameters
    ----------
    out
        Folder of the run.
    items
        Accounts of channels and days that are not read, and skipped data.
    """
    (out / FOLDER).mkdir(exist_ok=True)
    seal_journals(out, last_ended(out), without=[PLAN_FILE])
    write_whole(out / FOLDER / PLAN_FILE, "".join(map(as_line, items)))


def append_account(out: Path, session: int, items: Iterable[AccountItem]) -> None:
    """Add accounts that no element could write because a step failed.

    Parameters
    ----------
    out
        Folder of the run.
    session
        Number of the session.
    items
        The accounts.
    """
    lines = "".join(map(as_line, items))
    if lines:
        write_whole(out / FOLDER / f"{session:04d}-failed.jsonl", lines)


def write_account(out: Path, session: int, account: Account) -> Path:
    """Write ``account.tsv``: a line for each channel, day and cause; return its path.

    The session has ended; its journals get their checksums.

    Parameters
    ----------
    out
        Folder of the run.
    session
        Its number.
    account
        Of all sessions.
    """
    lines = ["\t".join(COLUMNS)]
    for row in account.windows:
        head = (
            table_cell(row.channel_id),
            period_name(row.period),
            row.n_possible,
            row.n_used,
        )
        losses = [
            (lost.n_windows, lost.cause, " ".join(map(interval_text, lost.times)))
            for lost in row.lost
        ]
        for loss in losses or [(0, "", "")]:
            lines.append("\t".join(map(str, (*head, *loss))))
    seal_journals(out, session)
    write_whole(out / ACCOUNT_FILE, "\n".join(lines) + "\n")
    return out / ACCOUNT_FILE


def remove_account(out: Path) -> None:
    """Remove the account of earlier results.

    Parameters
    ----------
    out
        Folder of the run.
    """
    remove_folder(out / FOLDER)
    (out / ACCOUNT_FILE).unlink(missing_ok=True)
