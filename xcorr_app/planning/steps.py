"""A chain of elements written as text, ``Detrend(kind="linear"), Demean``."""

from __future__ import annotations

import ast
import difflib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from dispel4py.errors import ParameterError, suggest
from seismo_pes.element import Element, FunctionElement
from seismo_pes.preprocessing.quality import WithRemarks

__all__ = ["Step", "elements", "parse_steps", "rate_after"]

BASES = (Element, FunctionElement, WithRemarks)


@dataclass(frozen=True)
class Step:
    """An element and its parameters.

    Attributes
    ----------
    element : type
        A subclass of `seismo_pes.element.Element`.
    parameters : dict of str to object
        Values of the parameters, by name.
    """

    element: type[Element]
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        """The element's name."""
        return self.element.__name__

    def takes(self, parameter: str) -> bool:
        """Return whether the element has a parameter that is not set yet."""
        known = inspect.signature(self.element).parameters
        return parameter in known and parameter not in self.parameters

    @property
    def across_components(self) -> bool:
        """Whether the element needs all components of an instrument."""
        if self.element.per != "station":
            return False
        optional = "across_components" in inspect.signature(self.element).parameters
        return bool(self.parameters.get("across_components")) or not optional

    @property
    def divides_to_hz(self) -> float | None:
        """Highest frequency at which the element divides by amplitudes; None: none."""
        if self.name in ("Whiten", "WhitenPsd"):
            return self.parameters.get("high_hz")
        if self.name == "MultibandRam":
            bands_hz = self.parameters.get("bands_hz") or ()
            return max((band[1] for band in bands_hz), default=None)
        return None

    def build(self, **more: Any) -> Element:
        """Return the element; ``more`` are parameters that the run knows.

        Raises
        ------
        ParameterError
            If a parameter is missing or out of range.
        """
        try:
            return self.element(**self.parameters, **more)
        except TypeError as error:
            raise ParameterError(f"--steps: {self.name}: {error}") from None
        except ParameterError as error:
            raise ParameterError(f"--steps: {error}") from None


@cache
def elements() -> dict[str, type[Element]]:
    """Return the elements that change traces, by name."""
    import importlib

    from dispel4py.catalog import find_pes

    steps = {}
    for entry in find_pes("seismo_pes"):
        member = getattr(importlib.import_module(entry.module), entry.name)
        if _is_step(member):
            steps[entry.name] = member
    return steps


def _is_step(member: Any) -> bool:
    # no base classes; no rotation, because R and T are not in the channel table
    return (
        isinstance(member, type)
        and issubclass(member, Element)
        and member not in BASES
        and member.__name__ != "Rotate"
    )


def _loaded(name: str) -> type[Element] | None:
    """Return an element of a loaded module; reading the catalog takes a second."""
    for module in [key for key in sys.modules if key.startswith("seismo_pes.")]:
        member = getattr(sys.modules[module], name, None)
        if _is_step(member):
            return member
    return None


def parse_steps(text: str) -> list[Step]:
    """Read a chain of elements.

    Parameters
    ----------
    text : str
        Calls with literal parameters, by name, separated by commas.

    Raises
    ------
    ParameterError
        If the text is not a chain, or an element or parameter is unknown.

    Examples
    --------
    >>> [(s.name, s.parameters) for s in parse_steps("Demean, Taper(seconds=10)")]
    [('Demean', {}), ('Taper', {'seconds': 10})]
    """
    try:
        tree = ast.parse(f"[{text}\n]", mode="eval").body
    except SyntaxError as error:
        near = (error.text or text).strip().strip("[]").strip()
        raise ParameterError(
            f"--steps: {near!r} is not a chain of elements: {error.msg}; write "
            "'Detrend(kind=\"linear\"), Taper(seconds=10)'"
        ) from None
    assert isinstance(tree, ast.List)
    steps = [_step(node) for node in tree.elts]
    if not steps:
        raise ParameterError("--steps: the chain is empty")
    return steps


def _step(node: ast.expr) -> Step:
    name = node.func if isinstance(node, ast.Call) else node
    if not isinstance(name, ast.Name):
        raise ParameterError(
            f"--steps: {ast.unparse(node)} is not an element: write NAME(parameter=...)"
        )
    element = _loaded(name.id) or elements().get(name.id)
    if element is None:
        known = elements()
        close = difflib.get_close_matches(name.id, known, n=1)
        guess = f"did you mean {close[0]!r}? All" if close else "all"
        raise ParameterError(
            f"--steps: no element {name.id!r}: {guess} are listed by `dispel4py pes`"
        )
    parameters: dict[str, Any] = {}
    if isinstance(node, ast.Call):
        parameters = _parameters(element, node)
    return Step(element, parameters)


def _parameters(element: type[Element], node: ast.Call) -> dict[str, Any]:
    # a run reads whole days in any order, so no state is kept between days
    names = [n for n in inspect.signature(element).parameters if n != "continuous"]
    if len(node.args) > len(names):
        raise ParameterError(
            f"--steps: {element.__name__} has {len(names)} parameters, not "
            f"{len(node.args)}: {', '.join(names)}"
        )
    arguments = [*zip(names, node.args, strict=False)]
    arguments += [(keyword.arg or "**", keyword.value) for keyword in node.keywords]
    parameters: dict[str, Any] = {}
    for name, value in arguments:
        if name not in names:
            raise ParameterError(
                f"--steps: {element.__name__} has no parameter {name!r}: "
                f"{suggest(name, names)}"
            )
        try:
            parameters[name] = ast.literal_eval(value)
        except ValueError:
            raise ParameterError(
                f"--steps: {element.__name__}: {name}={ast.unparse(value)} is not a "
                "number, text or list"
            ) from None
    return parameters


def rate_after(steps: Sequence[Step], rate_hz: float) -> float:
    """Return the sampling rate of traces after a chain.

    >>> rate_after(parse_steps("Decimate(factor=4), Resample(rate_hz=5)"), 40.0)
    5.0
    """
    for step in steps:
        if "rate_hz" in step.parameters:
            rate_hz = float(step.parameters["rate_hz"])
        elif step.name == "Decimate" and "factor" in step.parameters:
            rate_hz /= float(step.parameters["factor"])
    return rate_hz
