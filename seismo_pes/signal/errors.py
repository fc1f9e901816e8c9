"""Errors that the functions of this package raise."""

from collections.abc import Mapping


class ParameterError(ValueError):
    """A parameter outside its allowed range; the message names both."""


class Rejected(ValueError):
    """Data on which a measure has no value; the reason and numbers say why.

    Parameters
    ----------
    reason
        A few words that are the same for all data with this defect, such as ``"cycle
        skip"``.
    numbers
        What was measured before the rejection, with units in the names.

    Examples
    --------
    >>> str(Rejected("cycle skip", {"dt_s": 7.25, "period_s": 10.0}))
    'cycle skip: dt_s 7.25, period_s 10'
    """

    def __init__(self, reason: str, numbers: Mapping[str, float] | None = None) -> None:
        super().__init__(reason, numbers)
        self.reason = reason
        self.numbers = dict(numbers or {})

    def __str__(self) -> str:
        listed = ", ".join(f"{name} {x:g}" for name, x in self.numbers.items())
        return f"{self.reason}: {listed}" if listed else self.reason
