"""Sampling rates as fractions."""

from fractions import Fraction
from functools import lru_cache

from seismo_pes.signal._arrays import require_rate
from seismo_pes.signal.errors import ParameterError

_NEAR = 1e-6
_LARGEST_DENOMINATOR = 100_000
_LOWEST_HZ = 1e-6


def exact_rate(rate_hz: float, name: str = "rate_hz") -> Fraction:
    """Return the sampling rate as the fraction that its decimals stand for.

    Times are converted to sample indices by it, so that a rate of a third of a hertz
    does not drift. A rate within a millionth of a whole number of hertz, or, below
    1 Hz, of seconds, is that number: SAC has intervals in single precision. Other rates
    become the nearest fraction with a denominator of at most 100,000.

    Parameters
    ----------
    rate_hz
        Sampling rate.
    name
        Name of the parameter, for messages.

    Raises
    ------
    ParameterError
        If the rate is not a finite number of at least 1e-6 Hz.

    Examples
    --------
    >>> exact_rate(1 / 3), exact_rate(100.00000223), exact_rate(31.25)
    (Fraction(1, 3), Fraction(100, 1), Fraction(125, 4))
    """
    rate_hz = require_rate(rate_hz, name)
    if rate_hz < _LOWEST_HZ * (1 - _NEAR):
        raise ParameterError(f"{name} must be at least {_LOWEST_HZ} Hz, not {rate_hz}")
    return _fraction(rate_hz)


@lru_cache(maxsize=256)
def _fraction(rate_hz: float) -> Fraction:
    if rate_hz < 1:
        return 1 / _fraction(1 / rate_hz)
    if abs(rate_hz / round(rate_hz) - 1) < _NEAR:
        return Fraction(round(rate_hz))
    return Fraction(rate_hz).limit_denominator(_LARGEST_DENOMINATOR)
