"""The declaration of an option: a field of a dataclass, with all properties.

Mappings and the applications declare their options in this form. Commands make their
parsers, help and tables from it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

__all__ = ["Option", "declared", "flag", "options_of"]

_KEY = "option"


@dataclass(frozen=True, kw_only=True)
class Option:
    """The properties of an option, except its name, its type and its default.

    Attributes
    ----------
    help : str
        What the option does.
    metavar : str or tuple of str
        Placeholder of its value in the help.
    choices : tuple of str
        The allowed values, if there are few.
    short : str
        A second name on the command line, with one letter.
    """

    help: str
    metavar: str | tuple[str, ...] = ""
    choices: tuple[str, ...] = ()
    short: str = ""


def declared(default: Any, option: Option) -> Any:
    """Return the field of a dataclass that is also an option.

    Parameters
    ----------
    default : object
        Value if the option is not given.
    option : Option

    Returns
    -------
    object
        A field of a dataclass.
    """
    return dataclasses.field(default=default, metadata={_KEY: option})


def options_of(cls: Any) -> dict[str, Any]:
    """Return the options of a dataclass by name, in the order of its fields.

    Examples
    --------
    >>> @dataclass
    ... class Pause:
    ...     pause_s: float = declared(0.0, Option(help="pause before the run"))
    >>> options_of(Pause)["pause_s"].help
    'pause before the run'
    """
    fields = dataclasses.fields(cls)
    return {f.name: f.metadata[_KEY] for f in fields if _KEY in f.metadata}


def flag(name: str) -> str:
    """Spell an option as on the command line: ``max_lag_s`` is ``--max-lag-s``."""
    return "--" + name.replace("_", "-")
