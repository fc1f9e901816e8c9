"""Warnings of other libraries, recorded to be told in our own words."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["record_warnings"]

# what Python records is that of all threads, and restored in the wrong order by two
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def record_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Record the warnings of what is done inside, instead of showing them.

    Examples
    --------
    >>> with record_warnings() as caught:
    ...     warnings.warn("the tide is high")
    >>> [str(one.message) for one in caught]
    ['the tide is high']
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
