"""Slow modules that the elements of a run import where they use them."""

from __future__ import annotations

import importlib

from dispel4py.core import GenericPE
from seismo_pes.comparing import PreprocessPair
from seismo_pes.measuring.misfit_settings import MisfitSettings

__all__ = ["import_slow_modules"]

#: Measures with Slepian tapers.
MULTITAPER = frozenset({"mt_time", "mt_amplitude", "dd_mt"})


def import_slow_modules(preprocess: GenericPE, settings: MisfitSettings) -> None:
    """Import the slow modules that a run needs, which workers that are forked share.

    Parameters
    ----------
    preprocess
        The element that follows `ReadPair`.
    settings
        Of the element that measures.
    """
    measures = {name for name, _ in (*settings.measures, *settings.pair_measures)}
    if not isinstance(preprocess, PreprocessPair):
        importlib.import_module("scipy.signal")  # 0.7 s
        return
    if measures & MULTITAPER or settings.convention != "native":
        importlib.import_module("scipy.signal")
    if preprocess.settings.response:
        importlib.import_module("obspy.signal")  # its evalresp; 1 s, with matplotlib
