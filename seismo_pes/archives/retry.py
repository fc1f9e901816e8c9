"""Ask again where a failure may pass."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from dispel4py.errors import DataError

__all__ = ["reason", "tried"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
PASSING = (ConnectionError, TimeoutError)
WAITS_S = (0.5, 2.0)


def tried(what: str, ask: Callable[[], T]) -> T:
    """Call ``ask``, and again after a while where the reason may pass.

    Raises
    ------
    DataError
        In one line, for any `OSError`; at once if it is no matter of connection.
    """
    for wait_s in (*WAITS_S, None):
        try:
            return ask()
        except PASSING as error:
            if wait_s is None:
                raise DataError(f"{what}: {reason(error)}") from error
            logger.info("%s: %s; next try in %g s", what, reason(error), wait_s)
            time.sleep(wait_s)
        except FileNotFoundError as error:
            raise DataError(f"{what}: no such file") from error
        except OSError as error:
            raise DataError(f"{what}: {reason(error)}") from error
    raise AssertionError  # the last round returns or raises


def reason(error: Exception) -> str:
    """Return what an exception says, in one line."""
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__
