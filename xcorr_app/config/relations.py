"""Relations between several options of a run, which no single option declares."""

from __future__ import annotations

from typing import Any

from dispel4py.errors import ParameterError

__all__ = ["check_relations"]


def check_relations(config: Any) -> None:
    """Raise for options that contradict each other.

    Raises
    ------
    ParameterError
        If options contradict each other; the message names them and a remedy.
    """
    _check_orientation(config)
    _check_kind(config)
    _check_components(config)


def _check_orientation(config: Any) -> None:
    if config.orients and config.components is None and config.channels is None:
        raise ParameterError(
            "--orient needs all components of an instrument, but only verticals are "
            "read: add --components ZNE, or --components ZZ for verticals only (or "
            "--channels 'BH?')"
        )


def _check_kind(config: Any) -> None:
    kind = config.kind
    if config.whiten != "none" and kind in ("coherency", "deconvolution"):
        raise ParameterError(
            f"--kind {kind} divides by the amplitude itself: leave --whiten "
            f"{config.whiten} out, and give the band by --bands-hz"
        )
    if kind == "pcc2" and len(config.bands_hz or ()) > 1:
        raise ParameterError(
            "--kind pcc2 takes one band, because the phases of each band differ: make "
            "one run for each of --bands-hz"
        )
    if kind in ("cc", "coherency"):
        return
    components = f"--components {' '.join(config.components or ())}"
    for name, is_given in (
        ("--across-components", config.across_components),
        (components, config.rotates),
    ):
        if is_given:
            raise ParameterError(
                f"{name} with --kind {kind}: it is not linear in the components; use "
                "--kind cc or coherency"
            )


def _check_components(config: Any) -> None:
    letters = {letter for pair in config.components or () for letter in pair}
    if letters & {"R", "T"} and letters & {"N", "E", "1", "2"}:
        raise ParameterError(
            f"--components {' '.join(config.components)}: R and T replace N "
            "and E: make one run for R and T, and one for N and E"
        )
