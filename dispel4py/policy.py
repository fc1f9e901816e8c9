"""The policy for items on which a PE fails."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dispel4py.errors import ParameterError, suggest

STOP, SKIP, RETRY = "stop", "skip", "retry"


@dataclass(frozen=True)
class Policy:
    """What to do if a PE fails on an item: stop the run, skip the item, or retry it.

    An item is skipped after the last retry.

    Attributes
    ----------
    kind : str
        ``stop``, ``skip`` or ``retry``.
    n_retries : int
        Number of retries.
    """

    kind: str = STOP
    n_retries: int = 0

    @classmethod
    def of(cls, text: str, where: str = "on_error") -> Policy:
        """Read a policy as users write it: ``stop``, ``skip`` or ``retry:3``.

        Parameters
        ----------
        text : str
        where : str
            Name of the option, for the message.

        Raises
        ------
        ParameterError
            If it is none of these.

        >>> Policy.of("retry:3")
        Policy(kind='retry', n_retries=3)
        """
        if text in (STOP, SKIP):
            return cls(text)
        match = re.fullmatch(r"retry(?::(\d+))?", str(text))
        if match and match[1] != "0":
            return cls(RETRY, int(match[1] or 1))
        raise ParameterError(
            f"{where}={text!r}: {suggest(text, (STOP, SKIP, RETRY))}; "
            "use stop, skip, or retry:K with K >= 1"
        )
