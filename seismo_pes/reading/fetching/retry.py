"""Ask again where a failure may pass."""

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
PASSING = (ConnectionError, TimeoutError)
WAITS_S = (0.5, 2.0)


def call_with_retries(what: str, ask: Callable[[], T]) -> T:
    """Call ``ask``, and again after a while where the reason may pass.

    Raises
    ------
    DataError
        In one line, for any of `failures`; at once if it is no matter of connection.
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
        except failures() as error:
            raise DataError(f"{what}: {reason(error)}") from error
    raise AssertionError  # the last round returns or raises


def failures() -> tuple[type[Exception], ...]:
    """Return what file systems raise when they cannot, those of the network as well."""
    aws = sys.modules.get("botocore.exceptions")
    return (OSError,) if aws is None else (OSError, aws.BotoCoreError)


def reason(error: Exception, longest: int = 200) -> str:
    """Return what an exception says, in one line."""
    text = " ".join(str(error).split())[:longest] or type(error).__name__
    if type(error).__name__ == "NoCredentialsError":
        text += (
            " (set them up as for the AWS tools; FSSPEC_S3_ANON=true asks without, "
            "where all may read)"
        )
    return text
