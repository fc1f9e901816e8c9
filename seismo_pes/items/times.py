"""Times are integers: nanoseconds since 1970-01-01T00:00:00 UTC."""

from __future__ import annotations

from typing import overload

NS = 1_000_000_000  # nanoseconds in a second
DAY_NS = 86_400 * NS


@overload
def nanoseconds(seconds: float) -> int: ...
@overload
def nanoseconds(seconds: None) -> None: ...
def nanoseconds(seconds: float | None) -> int | None:
    """Return seconds as whole nanoseconds; None stays None.

    >>> nanoseconds(0.1), nanoseconds(None)
    (100000000, None)
    """
    return None if seconds is None else round(seconds * NS)
