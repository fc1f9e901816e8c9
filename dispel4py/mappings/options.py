"""The options of a run: each declared once, for Python and for the command line.

An option is a field of a dataclass. `Options` has the options of every mapping, and a
mapping with further options declares them in a subclass.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

from dispel4py.errors import ParameterError
from dispel4py.policy import STOP, Policy

_HELP = "help"


def option(
    default: Any, text: str, metavar: str | None = None, choices: Sequence[str] = ()
) -> Any:
    """Declare a field that is an option of the command line, too.

    The field gives the option its name and type: a bool is a switch, other types
    (``int | None``, ``str``) take one word.

    Parameters
    ----------
    default : object
        Value of an option that is not given.
    text : str
        The help.
    metavar : str, optional
        Word for the value in the help.
    choices : sequence of str
        The only values, if there are few.

    Returns
    -------
    object
        A field of a dataclass.
    """
    metadata = {_HELP: text, "metavar": metavar, "choices": tuple(choices) or None}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Options:
    """The options that every mapping has.

    Attributes
    ----------
    on_error : str
        Policy for an item on which a PE fails: ``stop``, ``skip`` or ``retry:K``. The
        attribute ``on_error`` of a PE takes precedence.
    dead_letters : str, optional
        File for the items that are given up.
    item_timeout_s : float, optional
        Longest time of a PE on one item.
    measure : bool
        Measure how long each PE is busy.

    Raises
    ------
    ParameterError
        If a value makes no sense.
    """

    on_error: str = option(
        STOP,
        "when a PE fails on an item: stop, skip it, or retry:K (default: stop)",
        "POLICY",
    )
    dead_letters: str | None = option(
        None, "file for the items that are given up", "FILE"
    )
    item_timeout_s: float | None = option(
        None, "a PE that works longer on one item fails on it", "SECONDS"
    )
    measure: bool = False

    def __post_init__(self) -> None:
        Policy.of(self.on_error)
        if self.item_timeout_s is not None and not self.item_timeout_s > 0:
            raise ParameterError(
                f"item_timeout_s={self.item_timeout_s}: use more than 0 s"
            )

    @property
    def policy(self) -> Policy:
        """The policy that ``on_error`` names."""
        return Policy.of(self.on_error)

    @property
    def keeps_frames(self) -> bool:
        """Whether workers keep what they sent, for a worker that is started again."""
        return False


def option_names(options: type[Options]) -> list[str]:
    """Return the names of all options of a mapping."""
    return [declared.name for declared in dataclasses.fields(options)]


def add_arguments(
    add: Callable[..., Any], options: type[Options], known: set[str]
) -> None:
    """Add the options of a mapping to a parser; options not given set no attribute.

    Parameters
    ----------
    add : callable
        Method ``add_argument`` of a parser, or of a group of it.
    options : type
        Class of the options.
    known : set of str
        Names of options that the parser has already; those added join them.
    """
    kinds = get_type_hints(options)
    for declared in dataclasses.fields(options):
        if _HELP not in declared.metadata or declared.name in known:
            continue
        known.add(declared.name)
        how: dict[str, Any] = {"help": declared.metadata[_HELP]}
        kind = kinds[declared.name]
        if kind is bool:
            how["action"] = "store_true"
        else:
            how["type"] = next(iter(get_args(kind)), kind)
            how["metavar"] = declared.metadata["metavar"]
            how["choices"] = declared.metadata["choices"]
        flag = f"--{declared.name.replace('_', '-')}"
        add(flag, default=argparse.SUPPRESS, **how)
