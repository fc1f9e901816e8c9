"""The options of mappings, each declared once for Python and the command line.

An option is a field of a dataclass. `Options` has the options of every mapping, and a
mapping with further options declares them in a subclass.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

from dispel4py.declaration import Option, declared, flag, options_of
from dispel4py.errors import ParameterError
from dispel4py.policy import STOP, Policy

#: Variable of the environment with the name of the runs of a program.
NAME_VARIABLE = "DISPEL4PY_RUN_NAME"


def option(
    default: Any,
    text: str,
    metavar: str | None = None,
    choices: Sequence[str] = (),
    short: str = "",
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
    short : str
        A second name on the command line, such as ``-m``.

    Returns
    -------
    object
        A field of a dataclass.
    """
    declaration = Option(
        help=text, metavar=metavar or "", choices=tuple(choices), short=short
    )
    return declared(default, declaration)


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
        Measure how long each PE is busy.

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


def silence_option(default: float | None) -> Any:
    """Declare the longest silence of a process or a host, in seconds."""
    text = "end the run if a process, or its host, is silent for so long"
    return option(default, text, "SECONDS")


def check_silence(seconds: float) -> None:
    """Check the longest silence.

    Raises
    ------
    ParameterError
        If it is no time.
    """
    if not 0 < seconds < math.inf:
        raise ParameterError(f"silence_s={seconds}: use more than 0 s")


def run_name_option(text: str) -> Any:
    """Declare the name of a run.

    Parameters
    ----------
    text : str
        The help text.
    """
    return option(None, f"{text}, also by {NAME_VARIABLE}", "NAME")


def name_of_run(name: str | None) -> str:
    """Return the name of a run: the given one, that of the environment, or a new one.

    Raises
    ------
    ParameterError
        If a name has other characters than letters, digits and ``-_.``.

    Examples
    --------
    >>> name_of_run("words")
    'words'
    """
    name = name or os.environ.get(NAME_VARIABLE) or f"run-{os.urandom(4).hex()}"
    if not re.fullmatch(r"[\w.-]{1,100}", name):
        raise ParameterError(
            f"run_name={name!r}: use letters, digits, '-', '_' and '.'"
        )
    return name


def option_names(options: type[Options]) -> list[str]:
    """Return the names of all options of a mapping."""
    return [field.name for field in dataclasses.fields(options)]


def add_arguments(
    add: Callable[..., Any], options: type, known: set[str], is_shown: bool = True
) -> None:
    """Add declared options to a parser; they have no default values there.

    An option whose type is a tuple of texts may be given several times.

    Parameters
    ----------
    add : callable
        Method ``add_argument`` of a parser, or of a group of it.
    options : type
        Class of the options, a dataclass.
    known : set of str
        Names of options that the parser already has; the added names are put in. It
        may have short names such as ``-m``, which are then left out.
    is_shown : bool
        Whether the help of the parser has the options.
    """
    kinds = get_type_hints(options)
    for name, declaration in options_of(options).items():
        if name in known:
            continue
        known.add(name)
        text = declaration.help if is_shown else argparse.SUPPRESS
        settings: dict[str, Any] = {"help": text}
        kind = kinds[name]
        if kind is bool:
            settings["action"] = "store_true"
        else:
            settings["type"] = next(iter(get_args(kind)), kind)
            settings["metavar"] = declaration.metavar or None
            if get_origin(kind) is tuple:
                settings["action"] = "append"
            settings["choices"] = declaration.choices or None
        short = declaration.short
        names = [short, flag(name)] if short and short not in known else [flag(name)]
        add(*names, default=argparse.SUPPRESS, **settings)
