"""Instrument responses by evalresp, without what its package loads besides.

obspy keeps evalresp in `obspy.signal`, which on import also loads PPSD, its plots and
all of matplotlib: a second, in every process. Here PPSD waits until it is asked for.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np
from obspy.core.inventory import Response

__all__ = ["evaluated"]

_SIGNAL = "obspy.signal"
_PLOTS = f"{_SIGNAL}.spectral_estimation"


def evaluated(response: Response, freqs_hz: np.ndarray, output: str) -> np.ndarray:
    """Return a response at some frequencies.

    Parameters
    ----------
    response : obspy.core.inventory.Response
        Of a channel.
    freqs_hz : numpy.ndarray
        Shape (n,).
    output : str
        ``DISP``, ``VEL``, ``ACC`` or ``DEF``: of which motion it is the response.

    Returns
    -------
    numpy.ndarray
        Shape (n,), complex128, in counts by metres, seconds.
    """
    _import_signal()
    return np.asarray(
        response.get_evalresp_response_for_frequencies(
            freqs_hz, output=output, hide_sensitivity_mismatch_warning=True
        )
    )


def _import_signal() -> None:
    """Import `obspy.signal`; its PPSD is imported when it is first asked for."""
    if _SIGNAL in sys.modules:
        return
    sys.modules[_PLOTS] = stand_in = ModuleType(_PLOTS)
    stand_in.__dict__["PPSD"] = None
    try:
        package = importlib.import_module(_SIGNAL)
    finally:
        del sys.modules[_PLOTS]
    del package.PPSD
    package.__dict__["__getattr__"] = _late


def _late(name: str) -> Any:
    """Return what `obspy.signal` has besides, once it is asked for (PEP 562)."""
    package = sys.modules[_SIGNAL]
    if name not in ("PPSD", "spectral_estimation"):
        raise AttributeError(f"module {_SIGNAL!r} has no attribute {name!r}")
    package.__dict__["PPSD"] = importlib.import_module(_PLOTS).PPSD
    return package.__dict__[name]
