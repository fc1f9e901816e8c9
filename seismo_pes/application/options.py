"""The declaration of an option of an application, with its unit and its conditions.

It is a `dispel4py.declaration.Option` with more properties. `option` declares a field
of a dataclass with its default, its unit, the conditions under which it has an effect,
the value that it gets if the user leaves it out, and its checks. The command line, the
TOML file, the table in the documentation and the checked values of
`seismo_pes.application.configuration.Configuration` are made from that declaration.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from dispel4py import declaration
from dispel4py.declaration import declared, flag

__all__ = [
    "MANY",
    "Needs",
    "Option",
    "When",
    "command_option",
    "default_text",
    "defaults_of",
    "flag",
    "help_text",
    "option",
    "options_of",
]

# Kinds of options that take one or more words.
MANY = ("texts", "paths", "choices", "bands", "crosses", "settings", "numbers")
# Placeholders of values in the help, by their unit.
PLACEHOLDERS = {
    "s": "SECONDS",
    "h": "HOURS",
    "Hz": "HZ",
    "km": "KM",
    "km/s": "KM_S",
    "dB": "DB",
    "GB": "GB",
    "%": "PERCENT",
    "octaves": "OCTAVES",
    "counts": "COUNTS",
}
KIND_PLACEHOLDERS: dict[str, str | tuple[str, ...]] = {
    "band": ("LO", "HI"),
    "range": ("LO", "HI"),
    "bands": "LO-HI",
    "pair": ("A", "B"),
    "pairs": ("A", "B"),
    "time": "TIME",
}


class When:
    """A condition: another option has one of some values, or any value.

    Parameters
    ----------
    option : str
        Name of the other option.
    *values : object
        Its values under which the condition holds. Without any, it holds if the other
        option is given (a switch: if it is on).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> When("whiten", "band", "psd").holds(SimpleNamespace(whiten="none"))
    False
    >>> When("drop_clipped").holds(SimpleNamespace(drop_clipped=True))
    True
    """

    def __init__(self, option: str, *values: Any) -> None:
        self.option = option
        self.values = values

    def holds(self, config: Any) -> bool:
        """Return whether the condition holds for the values of a configuration."""
        return self.admits(getattr(config, self.option))

    def admits(self, value: Any) -> bool:
        """Return whether the condition holds if the other option has this value."""
        if self.values:
            return value in self.values
        return value is not None and value is not False


@dataclass(frozen=True)
class Needs:
    """The other options that an option needs.

    Attributes
    ----------
    conditions : tuple of When
        One of them must hold.
    message : str
        End of the message ``--option VALUE ...``: what is needed, and the way out.
    values : tuple
        Values of the option that need the other options; empty: all but the default.
    """

    conditions: tuple[When, ...]
    message: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Option(declaration.Option):
    """The properties of an option of an application.

    Attributes
    ----------
    table : str
        Table of the TOML file, and group of the help.
    kind : str
        One of `seismo_pes.application.values.KINDS`.
    help : str
        What the option does, without its unit and its default.
    metavar : str or tuple of str
        Placeholder of its values in the help; by default the placeholder of its unit or
        kind.
    choices : tuple of str
        The values that the kinds ``choice`` and ``choices`` accept.
    unit : str
        Unit of its numbers.
    short : str
        A second spelling, such as ``-n``.
    positional : bool
        The command line takes it by its position, without a name.
    required : bool
        There must be a value.
    fill : object or callable
        Value of an option that is not given (where ``only_with`` holds): the value,
        or a function that returns it from the configuration.
    otherwise : str
        What holds if the option is not given, in words; needed where neither the
        default nor ``fill`` is a value.
    example : str
        TOML value in the comment for an option without a value.
    above, least : float, optional
        Numbers must be larger than ``above``, and not smaller than ``least``.
    parse : callable, optional
        Takes the value and its label, returns the value in its usual form.
    only_with : When, optional
        The option has an effect only under this condition; it is refused otherwise.
    needs : tuple of Needs
        Options that must be given with it.
    replaced_by : str
        Another option that replaces this one.
    replaced_how : str
        What the user can do if both are given, besides leaving this option out.
    excludes : tuple of str
        Options that cannot be given with it.
    check : callable, optional
        Takes the value, its label and the complete configuration; raises
        ``ParameterError``.
    rare : bool
        The short help leaves it out.
    """

    table: str
    kind: str
    unit: str = ""
    positional: bool = False
    required: bool = False
    fill: Any = None
    otherwise: str = ""
    example: str = ""
    above: float | None = None
    least: float | None = None
    parse: Callable[[Any, str], Any] | None = None
    only_with: When | None = None
    needs: tuple[Needs, ...] = ()
    replaced_by: str = ""
    replaced_how: str = ""
    excludes: tuple[str, ...] = ()
    check: Callable[[Any, str, Any], None] | None = None
    rare: bool = False

    @property
    def placeholder(self) -> str | tuple[str, ...]:
        """The placeholder of the values in the help."""
        usual = "N" if self.kind in ("number", "count") else "TEXT"
        by_kind = KIND_PLACEHOLDERS.get(self.kind)
        return self.metavar or by_kind or PLACEHOLDERS.get(self.unit, usual)


def option(table: str, kind: str, help: str, default: Any = None, **more: Any) -> Any:
    """Declare a field of a dataclass that is also an option.

    Parameters
    ----------
    table, kind, help
        See the attributes of `Option`.
    default
        Value of an option that is not given; None: no value, or the value of ``fill``.
    **more
        Other attributes of `Option`.
    """
    return declared(default, Option(table, kind, help=help, **more))


#: Declares an option of a command, which stands in no table of a TOML file: `option`
#: without its first argument.
command_option = partial(option, "")


def options_of(cls: Any) -> dict[str, Option]:
    """Return the options of a dataclass by name, in the order of reading.

    Positional options come first, then those of the class itself, then those of its
    bases.
    """
    options = declaration.options_of(cls)
    positional = [name for name, opt in options.items() if opt.positional]
    declared = [name for base in cls.__mro__ for name in inspect.get_annotations(base)]
    names = dict.fromkeys([*positional, *declared])
    return {name: options[name] for name in names if name in options}


def defaults_of(cls: Any) -> dict[str, Any]:
    """Return the defaults of the options of a dataclass by name."""
    return {f.name: f.default for f in dataclasses.fields(cls)}


# ------------------------------------------------------------------------ the help


def help_text(opt: Option, default: Any) -> str:
    """Return the help of an option, with its unit and its default.

    Examples
    --------
    >>> help_text(Option("windows", "number", help="length", unit="s"), 3600.0)
    'length (default: 3600 s)'
    >>> help_text(Option("pairs", "range", help="distance", unit="km"), None)
    'distance (km)'
    """
    words = default_text(opt, default)
    notes = [f"default: {words}"] if words else []
    if opt.required and not opt.positional:
        notes = ["must be given"]
    if opt.unit and not words.endswith(f" {opt.unit}"):
        notes.insert(0, opt.unit)
    return f"{opt.help} ({'; '.join(notes)})" if notes else opt.help


def default_text(opt: Option, default: Any) -> str:
    """Return the default of an option in words; "" if it has no default."""
    if opt.otherwise:
        return opt.otherwise
    value = opt.fill if default is None and not callable(opt.fill) else default
    if value is None:
        return ""
    if opt.kind == "flag":
        return "on" if value else ""
    words = value if isinstance(value, tuple | list) else [value]
    text = " ".join(f"{w:g}" if isinstance(w, float) else str(w) for w in words)
    return f"{text} {opt.unit}" if text and opt.unit else text
