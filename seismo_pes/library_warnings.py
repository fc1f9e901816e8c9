"""Recording the warnings of other libraries, so that our messages can report them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["record_warnings"]

# Python has one list of warning filters for all threads. Two threads that record at the
# same time would restore it in the wrong order.
_LOCK = threading.RLock()


@contextmanager
def record_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Record the warnings of the code inside the ``with``, instead of showing them.

    Yields
    ------
    list of warnings.WarningMessage
        Grows with each warning. Warnings of other threads are in it, too.

    Examples
    --------
    >>> with record_warnings() as caught:
    ...     warnings.warn("the tide is high")
    >>> [str(warning.message) for warning in caught]
    ['the tide is high']
    """
    with _LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
