"""Repeating requests that failed for a reason that may be temporary."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from dispel4py.errors import DataError

__all__ = ["call_with_retries", "failures", "reason"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
TEMPORARY = (ConnectionError, TimeoutError)
WAITS_S = (0.5, 2.0)  # seconds before the second and before the third attempt


def call_with_retries(label: str, request: Callable[[], T]) -> T:
    """Call ``request`` up to three times, as long as the connection fails.

    Parameters
    ----------
    label : str
        Name of the request, for messages.
    request : callable
        The request.

    Returns
    -------
    T
        What ``request`` returns.

    Raises
    ------
    DataError
        After the third failure of the connection, or at once for any other of
        `failures`; its message is one line.
    """
    for wait_s in (*WAITS_S, None):
        try:
            return request()
        except TEMPORARY as error:
            if wait_s is None:
                raise DataError(f"{label}: {reason(error)}") from error
            logger.info("%s: %s; next attempt in %g s", label, reason(error), wait_s)
            time.sleep(wait_s)
        except FileNotFoundError as error:
            raise DataError(f"{label}: no such file") from error
        except failures() as error:
            raise DataError(f"{label}: {reason(error)}") from error
    raise AssertionError  # not reached: the last attempt returns or raises


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of file systems, with those of AWS if that is imported."""
    aws = sys.modules.get("botocore.exceptions")
    return (OSError,) if aws is None else (OSError, aws.BotoCoreError)


def reason(error: Exception, max_length: int = 200) -> str:
    """Return the message of an exception in one line of at most ``max_length``."""
    text = " ".join(str(error).split())[:max_length] or type(error).__name__
    if type(error).__name__ == "NoCredentialsError":
        text += (
            " (set credentials as for the AWS tools; for a bucket that is open to "
            "everyone, set FSSPEC_S3_ANON=true)"
        )
    return text
