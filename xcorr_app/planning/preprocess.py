"""The preprocessing of a run as one element."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Collection, Iterator, Mapping

from dispel4py.base import CompositePE
from dispel4py.core import GenericPE
from seismo_pes.gathering.components import GatherComponents
from seismo_pes.preprocessing.grid import NameSpans
from seismo_pes.preprocessing.normalization import Agc, RunningAbsoluteMean
from seismo_pes.preprocessing.orientation import Orient
from seismo_pes.preprocessing.response import RemoveResponse
from xcorr_app.planning.plan import RunPlan

__all__ = ["Preprocess"]


class Preprocess(CompositePE):
    """Preprocess raw traces to traces on the common grid, at the common rate.

    Ports ``input`` and ``output``: Waveforms; ``skipped``: Skipped. It has only the
    steps that the configuration asks for. From the first step that needs all components
    of an instrument, they stay together. ``recorded`` are the channels of every period,
    for live data; by default each period has those of the plan.
    """

    def __init__(self, plan: RunPlan, recorded: Collection[str] | None = None) -> None:
        super().__init__()
        by_period = plan.recorded if recorded is None else recorded
        steps = list(_gathered(plan, plan.chain.elements(), by_period))
        if any(isinstance(step, RemoveResponse) for step in steps):
            # it takes 0.4 s, which workers that are forked later share
            importlib.import_module("scipy.interpolate")
        for before, after in itertools.pairwise(steps):
            self.connect(before, "output", after, "input")
        self.add(steps[0])
        self._map_input("input", steps[0], "input")
        self._map_output("output", steps[-1], "output")
        for step in steps:
            if "skipped" in step.outputconnections:
                self._map_output("skipped", step, "skipped")


# -- components together ------------------------------------------------------------


def _gathered(
    plan: RunPlan,
    steps: list[GenericPE],
    recorded: Mapping[int, Collection[str]] | Collection[str],
) -> Iterator[GenericPE]:
    """Gather components before the first step that needs all of them."""
    waiting = True
    for step in steps:
        if waiting and _needs_all(step):
            yield GatherComponents(recorded)
            waiting = False
        yield step
        if isinstance(step, Orient):
            yield NameSpans(plan.names)
    if waiting and plan.settings.coherent:
        yield GatherComponents(recorded)


def _needs_all(step: GenericPE) -> bool:
    if getattr(step, "per", "") != "station":
        return False
    parameters = getattr(step, "parameters", {})
    optional = isinstance(step, RunningAbsoluteMean | Agc) or (
        "across_components" in parameters
    )
    return bool(parameters.get("across_components")) if optional else True
