"""A set of options with their values, checked as a whole.

The values come from the command line, from a TOML file or from Python. This module
applies the declaration of each option (`seismo_pes.application.options.Option`): its
kind, its conditions, its value if the user gives none, and its check.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dispel4py.errors import ParameterError, suggest
from seismo_pes.application.options import Option, defaults_of, flag, options_of
from seismo_pes.application.toml_file import read_toml
from seismo_pes.application.values import convert

__all__ = ["Configuration"]


class Configuration:
    """Base of a frozen dataclass whose fields are options.

    A new instance has the values in their usual form, the options that were left out
    have the values that follow from the others, and all checks have been made. None
    means that an option is not given.

    Raises
    ------
    ParameterError
        If a value, or a combination of values, makes no sense.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from seismo_pes.application.options import When, option
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Settings(Configuration):
    ...     window_s: float = option("w", "number", "length", 3600.0, above=0)
    ...     step_s: float = option("w", "number", "step", fill=lambda c: c.window_s)
    ...     clip: bool = option("w", "flag", "cut off peaks", False)
    ...     level: float = option("w", "number", "level", fill=3.0,
    ...                           only_with=When("clip"))
    >>> Settings(window_s="900", clip=True)
    Settings(window_s=900.0, step_s=900.0, clip=True, level=3.0)
    """

    def __post_init__(self) -> None:
        options = options_of(type(self))
        self._convert(options)
        for name, opt in options.items():
            if opt.required and getattr(self, name) is None:
                raise ParameterError(f"{_spelled(name, opt)} is missing")
        for name in self._given(options):
            self._check_conditions(name, options)
        self._fill(options)
        for name, opt in options.items():
            value = getattr(self, name)
            if opt.check is not None and value is not None:
                opt.check(value, flag(name), self)
        self.check()

    def check(self) -> None:
        """Check relations between several options; the base class has none."""

    # -- declarations of the options ------------------------------------------------

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _convert(self, options: Mapping[str, Option]) -> None:
        defaults = defaults_of(type(self))
        for name, opt in options.items():
            value, default = getattr(self, name), defaults[name]
            is_default = value is None or value == default
            self._set(name, default if is_default else convert(opt, value, flag(name)))

    def _given(self, options: Mapping[str, Option]) -> list[str]:
        """Return the options whose values are not their defaults."""
        defaults = defaults_of(type(self))
        return [name for name in options if getattr(self, name) != defaults[name]]

    def _check_conditions(self, name: str, options: Mapping[str, Option]) -> None:
        opt, value = options[name], getattr(self, name)
        other = opt.replaced_by
        if other and getattr(self, other) is not None:
            way_out = f"{opt.replaced_how} or " if opt.replaced_how else ""
            raise ParameterError(
                f"{flag(other)} replaces {flag(name)}: {way_out}leave {flag(name)} out"
            )
        if opt.only_with is not None and not opt.only_with.holds(self):
            raise ParameterError(self._without_effect(name, opt))
        for needs in opt.needs:
            concerned = not needs.values or value in needs.values
            if concerned and not any(c.holds(self) for c in needs.conditions):
                words = f"{flag(name)} {value}" if opt.kind == "choice" else flag(name)
                raise ParameterError(f"{words} {needs.message}")
        rivals = [name, *(o for o in opt.excludes if getattr(self, o))]
        if len(rivals) > 1:
            raise ParameterError(
                f"{' and '.join(map(flag, rivals))}: give one of them (see --help)"
            )

    def _without_effect(self, name: str, opt: Option) -> str:
        assert opt.only_with is not None
        other, values = opt.only_with.option, opt.only_with.values
        if not values:
            return (
                f"{flag(name)} has no effect without {flag(other)}: add it or leave "
                f"{flag(name)} out"
            )
        return (
            f"{flag(name)} has no effect with {flag(other)} {getattr(self, other)}: "
            f"add {flag(other)} {'|'.join(values)} or leave {flag(name)} out"
        )

    def _fill(self, options: Mapping[str, Option]) -> None:
        for name, opt in options.items():
            if opt.fill is None or getattr(self, name) is not None:
                continue
            if opt.only_with is None or opt.only_with.holds(self):
                self._set(name, opt.fill(self) if callable(opt.fill) else opt.fill)

    # -- sources of the values ------------------------------------------------------

    @classmethod
    def resolve(
        cls,
        given: Mapping[str, Any],
        config_file: str | Path | None = None,
        earlier: Mapping[str, Any] | None = None,
    ) -> Self:
        """Combine command line, file and defaults, in this order of precedence.

        A key of the file is ignored if an option of the command line leaves it without
        effect (``--whiten none`` with a file that has ``whiten_hz``).

        Parameters
        ----------
        given : mapping of str to object
            Options of the command line.
        config_file : str or Path, optional
            A TOML file.
        earlier : mapping of str to object, optional
            Options of the run that is continued; the file has precedence over them.

        Raises
        ------
        ParameterError
            If the file cannot be read, or the values contradict each other.
        """
        values = dict(earlier or {})
        if config_file is not None:
            values |= read_toml(cls, config_file)
        for name, opt in options_of(cls).items():
            if opt.replaced_by in given or _loses_effect(opt, given):
                values.pop(name, None)
        return cls(**{**values, **given})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a configuration from a dictionary; refuse unknown keys.

        Raises
        ------
        ParameterError
            If a key is unknown, or the values contradict each other.
        """
        known = options_of(cls)
        for name in values:
            if name not in known:
                raise ParameterError(f"unknown parameter: {suggest(name, known)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return all options and their values, ready for JSON."""
        return {name: _listed(getattr(self, name)) for name in options_of(type(self))}


def _spelled(name: str, opt: Option) -> str:
    return f"{flag(name)} {opt.placeholder}"


def _loses_effect(opt: Option, given: Mapping[str, Any]) -> bool:
    """Return whether the given options leave another option without effect."""
    condition = opt.only_with
    if condition is None or condition.option not in given:
        return False
    return not condition.admits(given[condition.option])


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_listed(entry) for entry in value]
    return dict(value) if isinstance(value, Mapping) else value
