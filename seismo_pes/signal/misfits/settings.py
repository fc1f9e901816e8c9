"""Options of measures: each is declared once, as a field of a dataclass."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any, TypeVar, cast

from seismo_pes.signal.errors import ParameterError

__all__ = ["Setting", "Settings", "checked", "setting", "settings_of"]


@dataclass(frozen=True)
class Setting:
    """Properties of an option of a measure, except its name and its default.

    Attributes
    ----------
    help
        Its effect, without its unit and its default.
    unit
        Unit of a number.
    choices
        The allowed words.
    above, least, most
        Limits of a number: larger than `above`, from `least` to `most`.
    """

    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    above: float | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Settings:
    """Options of a measure; this class has none."""


AnySettings = TypeVar("AnySettings", bound=Settings)


def setting(default: Any, help: str, **more: Any) -> Any:
    """Declare a field of `Settings`.

    Parameters
    ----------
    default
        None if the option may be left out.
    help, more
        Attributes of `Setting`.
    """
    return dataclasses.field(
        default=default, metadata={"setting": Setting(help, **more)}
    )


def settings_of(cls: type[Settings]) -> dict[str, Setting]:
    """Return the options that a class declares, by name.

    Examples
    --------
    >>> settings_of(Settings)
    {}
    """
    return {f.name: f.metadata["setting"] for f in dataclasses.fields(cls)}


def checked(cls: type[AnySettings], given: dict[str, Any]) -> AnySettings:
    """Return options with the given values.

    Parameters
    ----------
    cls
        The class that declares them.
    given
        Values by name; the others have their defaults.

    Raises
    ------
    ParameterError
        If there is no such option, or a value is not allowed.
    """
    # the type belongs to the key, because True equals 1
    key = tuple((name, type(value), value) for name, value in given.items())
    try:
        hash(key)
    except TypeError:  # a value such as a list, which no option has
        return _made(cls, given)
    return cast(AnySettings, _checked(cast(Any, cls), key))


@lru_cache(maxsize=256)  # a run checks the same options for each station and band
def _checked(cls: Any, key: tuple[Any, ...]) -> Settings:
    return _made(cls, {name: value for name, _, value in key})


def _made(cls: type[AnySettings], given: dict[str, Any]) -> AnySettings:
    known = settings_of(cls)
    for name in given:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise ParameterError(f"{name}: no option of this measure; it has {listed}")
    options = cls(**given)
    for f in dataclasses.fields(cls):
        _check(f.name, getattr(options, f.name), f.default, known[f.name])
    return options


def _check(name: str, value: Any, default: Any, properties: Setting) -> None:
    if value is None and default is None:
        return
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ParameterError(f"{name} must be True or False, not {value!r}")
    elif properties.choices:
        if value not in properties.choices:
            listed = ", ".join(properties.choices)
            raise ParameterError(f"{name} must be one of {listed}, not {value!r}")
    elif not _is_allowed(value, isinstance(default, int), properties):
        raise ParameterError(f"{name} must be {_range(properties)}, not {value!r}")


def _is_allowed(value: Any, whole: bool, properties: Setting) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    number = float(value)
    if not math.isfinite(number) or (whole and number != int(number)):
        return False
    above, least, most = properties.above, properties.least, properties.most
    return not (
        (above is not None and number <= above)
        or (least is not None and number < least)
        or (most is not None and number > most)
    )


def _range(properties: Setting) -> str:
    parts = []
    if properties.above is not None:
        parts.append(f"above {properties.above:g}")
    if properties.least is not None:
        parts.append(f"at least {properties.least:g}")
    if properties.most is not None:
        parts.append(f"at most {properties.most:g}")
    return f"a number {' and '.join(parts)}".rstrip()
