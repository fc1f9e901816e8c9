"""The chain file of the VERCE platform, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError, suggest

__all__ = ["DETRENDS", "TAPS", "VerceChain"]

MOTIONS = ("displacement", "velocity", "acceleration")
OUTPUTS = {"DISP": "displacement", "VEL": "velocity", "ACC": "acceleration"}
SIDES = {"data_processing": "observed", "synthetics_processing": "synthetic"}
# The steps, and the parameters that each must have.
STEPS: dict[str, tuple[str, ...]] = {
    "detrend": (),
    "taper": (),
    "remove_response": (),
    "pre_filter": (),
    "filter_lowpass": ("frequency", "corners", "zerophase"),
    "filter_highpass": ("frequency", "corners", "zerophase"),
    "filter_bandpass": ("min_frequency", "max_frequency", "corners", "zerophase"),
    "plot_stream": ("source", "output_dir", "tag"),
    "store_stream": ("source", "output_dir", "tag"),
}
OPTIONAL = {
    "detrend": ("method",),
    "taper": ("taper_type", "max_percentage"),
    "remove_response": ("pre_filt", "response_output"),
    "pre_filter": ("pre_filt",),
}
DETRENDS = {"linear": "linear", "demean": "demean", "constant": "demean"}
TAPS = ("plot_stream", "store_stream")

Step = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class VerceChain:
    """The contents of a chain file such as ``pipelines.json``.

    Attributes
    ----------
    motion : str
        ``output_units``: displacement, velocity or acceleration.
    rotates : bool
        ``rotate_to_ZRT``.
    observed, synthetic : tuple of (str, mapping)
        Types and parameters of the steps of each side.
    """

    motion: str
    rotates: bool
    observed: tuple[Step, ...]
    synthetic: tuple[Step, ...]

    @classmethod
    def of(cls, content: Any) -> VerceChain:
        """Make a chain from the contents of its JSON file.

        Raises
        ------
        ParameterError
            If a type of step or a parameter is unknown or missing.
        """
        if not isinstance(content, Mapping):
            raise ParameterError("the chain is not a JSON object")
        known = ("output_units", "rotate_to_ZRT", *SIDES)
        for name in content:
            if name not in known:
                raise ParameterError(f"unknown key {name!r}: {suggest(name, known)}")
        motion = str(content.get("output_units", "velocity")).lower()
        if motion not in MOTIONS:
            raise ParameterError(
                f"output_units {motion!r}: one of {', '.join(MOTIONS)} is known"
            )
        rotates = content.get("rotate_to_ZRT", False)
        if not isinstance(rotates, bool):
            raise ParameterError(f"rotate_to_ZRT {rotates!r}: must be true or false")
        sides = {side: _steps(content.get(key, []), key) for key, side in SIDES.items()}
        return cls(motion, rotates, **sides)


def _steps(entries: Any, key: str) -> tuple[Step, ...]:
    if not isinstance(entries, list):
        raise ParameterError(f"{key}: must be a list of steps")
    steps = []
    for entry in entries:
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        if kind not in STEPS:
            raise ParameterError(
                f"{key}: {kind!r} is not a type of step: {suggest(str(kind), STEPS)}"
            )
        parameters = entry.get("parameters") or {}
        needed = STEPS[kind]
        allowed = (*needed, *OPTIONAL.get(kind, ()))
        for name in parameters:
            if name not in allowed:
                hint = suggest(name, allowed)
                raise ParameterError(
                    f"{key}: {kind}: unknown parameter {name!r}: {hint}"
                )
        for name in needed:
            if name not in parameters:
                raise ParameterError(f"{key}: {kind}: the parameter {name} is missing")
        _check_values(key, kind, parameters)
        steps.append((kind, dict(parameters)))
    return tuple(steps)


def _check_values(key: str, kind: str, parameters: Mapping[str, Any]) -> None:
    """Refuse values that no data could make valid.

    Raises
    ------
    ParameterError
        If there is one.
    """
    method = parameters.get("method", "linear")
    if method not in DETRENDS:
        listed = ", ".join(DETRENDS)
        raise ParameterError(f"{key}: detrend method {method!r}: one of {listed}")
    output = parameters.get("response_output", "VEL")
    if output not in OUTPUTS:
        listed = ", ".join(OUTPUTS)
        raise ParameterError(f"{key}: response_output {output!r}: one of {listed}")
    corners = parameters.get("pre_filt", (1, 2, 3, 4))
    is_rising = len(corners) == 4 and all(np.diff(np.array(corners, float)) > 0)
    if not is_rising:
        raise ParameterError(f"{key}: {kind}: pre_filt must be four rising corners")
