"""The options of mappings, each declared once for Python and the command line.

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
    """Declare a field of a dataclass that is also an option of the command line.

    The option has the name and type of the field. A bool is a switch; other types
    (``int | None``, ``str``) take one word.

    Parameters
    ----------
    default : object
        Value if the option is not given.
    text : str
        The help text.
    metavar : str, optional
        Name of the value in the help text.
    choices : sequence of str
        The allowed values, if there are few.

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
        File for the skipped items.
    item_timeout_s : float, optional
        Longest time that a PE may work on one item.
    measure : bool
        Measure settings long each PE is busy.

    Raises
    ------
    ParameterError
        If a value is invalid.
    """

    on_error: str = option(
        STOP,
        "when a PE fails on an item: stop, skip it, or retry:K (default: stop)",
        "POLICY",
    )
    dead_letters: str | None = option(None, "file for the skipped items", "FILE")
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
        """The policy in ``on_error``."""
        return Policy.of(self.on_error)

    @property
    def keeps_frames(self) -> bool:
        """Whether workers keep sent batches for a worker that is started again."""
        return False


def option_names(options: type[Options]) -> list[str]:
    """Return the names of all options of a mapping."""
    return [declared.name for declared in dataclasses.fields(options)]


def add_arguments(
    add: Callable[..., Any], options: type[Options], known: set[str]
) -> None:
    """Add the options of a mapping to a parser; they have no default values there.

    Parameters
    ----------
    add : callable
        Method ``add_argument`` of a parser, or of a group of it.
    options : type
        Class of the options.
    known : set of str
        Names of options that the parser already has; the added names are put in.
    """
    kinds = get_type_hints(options)
    for declared in dataclasses.fields(options):
        if _HELP not in declared.metadata or declared.name in known:
            continue
        known.add(declared.name)
        settings: dict[str, Any] = {"help": declared.metadata[_HELP]}
        kind = kinds[declared.name]
        if kind is bool:
            settings["action"] = "store_true"
        else:
            settings["type"] = next(iter(get_args(kind)), kind)
            settings["metavar"] = declared.metadata["metavar"]
            settings["choices"] = declared.metadata["choices"]
        flag = f"--{declared.name.replace('_', '-')}"
        add(flag, default=argparse.SUPPRESS, **settings)
