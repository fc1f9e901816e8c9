"""Times as users write them, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

__all__ = ["format_time", "parse_time", "time_ns"]


def parse_time(value: Any) -> datetime:
    """Read a time; a time without an offset is in UTC.

    Parameters
    ----------
    value : str, date or datetime
        ``2022-01-02``, ``2022-01-02T12:00`` or ``2022-137`` (day of the year); TOML has
        dates and times as values.

    Raises
    ------
    ValueError
        If it is not a time.

    Examples
    --------
    >>> parse_time("2022-01-02T12:00").isoformat()
    '2022-01-02T12:00:00+00:00'
    >>> parse_time("2022-137").date().isoformat()
    '2022-05-17'
    """
    if isinstance(value, date):
        value = value.isoformat()
    text = str(value).strip()
    julian = re.fullmatch(r"(\d{4})-(\d{3})(?:[T ](.+))?", text)
    try:
        if julian:
            year, day, clock = julian.groups()
            moment = datetime.fromisoformat(f"{year}-01-01T{clock or '00:00'}")
            moment += timedelta(days=int(day) - 1)
            if int(day) < 1 or moment.year != int(year):
                raise ValueError
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{value!r} is not a time: write 2022-01-02, 2022-01-02T12:00 or "
            "2022-137 (day of the year), in UTC"
        ) from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def format_time(moment: datetime) -> str:
    """Write a time in UTC as ISO 8601 with a final Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def time_ns(text: str) -> int:
    """Return nanoseconds since 1970 UTC of a time.

    >>> time_ns("1970-01-02")
    86400000000000
    """
    since = parse_time(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since // timedelta(microseconds=1)) * 1000
