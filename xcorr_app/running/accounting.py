"""The account of a run at the start and at the end of a session."""

from __future__ import annotations

from seismo_pes.items.skipped import Skipped
from xcorr_app.planning.absent import absent_windows, lost_days
from xcorr_app.results.account import (
    Account,
    append_account,
    read_account,
    session_account,
    write_account,
    write_plan,
)
from xcorr_app.running.work import Work

__all__ = ["close_account", "open_account"]


def open_account(work: Work) -> None:
    """Write the channels and days that the plan of a session leaves out.

    Parameters
    ----------
    work
        The work of the session.
    """
    plan = work.plan
    write_plan(work.out, [*absent_windows(plan), *plan.skipped])


def close_account(work: Work) -> tuple[Account, list[Skipped]]:
    """Complete the account of a finished session.

    Channels and days for which an element failed have no account yet.

    Parameters
    ----------
    work
        The work of the session.

    Returns
    -------
    account : Account
        The account of all sessions.
    skipped : list of Skipped
        Data that this session skipped.
    """
    plan = work.plan
    assert work.run is not None
    session = work.run.session
    own = session_account(work.out, session)
    written = {(row.channel_id, row.period) for row in own.windows}
    periods = {period for needed in work.rounds for period in needed}
    failed = (
        account
        for span in plan.spans
        for name in (plan.names[span.channel_id],)
        if span.period in periods and (name, span.period) not in written
        for account in lost_days(plan, name, [span.period], "failed")
    )
    append_account(work.out, session, failed)
    account = read_account(work.out)
    write_account(work.out, session, account)
    return account, [*plan.skipped, *own.skipped]
