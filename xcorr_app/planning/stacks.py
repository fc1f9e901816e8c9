"""The stacks of a run, tried on noise before the run starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.items.correlation import Correlation
from seismo_pes.signal.errors import ParameterError as SignalError
from seismo_pes.stacking.stacks import stack

__all__ = ["check_stacks"]


def check_stacks(
    kinds: Mapping[str, str], options: Mapping[str, Any] | None, rate_hz: float
) -> None:
    """Try kinds of stacks with their options on noise.

    Parameters
    ----------
    kinds : mapping of str to str
        Option of the command line, such as ``--stack``, to the kind of stack.
    options : mapping, optional
        Parameters of the stacks that are not linear.
    rate_hz : float
        Sampling rate of the correlations.

    Raises
    ------
    ParameterError
        If a parameter is unknown, missing or out of range.
    """
    noise = np.random.default_rng(0).standard_normal((5, 65))
    alike = noise[0] + 0.1 * noise[1:]  # so that a selective stack keeps all rows
    rows = Correlation.of("X.A..Z", "X.B..Z", alike, rate_hz)
    for option, kind in kinds.items():
        if kind == "linear":
            continue
        try:
            stack(rows, kind, **(options or {}))
        except (ParameterError, SignalError) as error:
            reason = str(error).removeprefix(f"stack {kind!r}: ")
            raise ParameterError(
                f"--stack-options for {option} {kind}: {reason}"
            ) from None
