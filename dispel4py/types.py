"""The declared types of ports, and whether an output fits an input.

A declared type is one of

- a class, or a hint of `typing`: ``float``, ``list[int]``, ``int | None``,
  ``Stream``, ``NDArray[np.float32]``;
- a tuple or list of types: the item is a sequence with elements of these types;
- a text or a list of texts (``["number"]``), as in dispel4py 1.x: a name, which fits
  only an equal name. Two names that differ give a warning, and are connected.

`typing.Any`, ``object`` and ports without a declaration fit every type. A name and a
class cannot be compared, so they fit, too.
"""

from __future__ import annotations

import collections.abc
import functools
import operator
import types
import typing
from collections.abc import Iterable
from typing import Any

__all__ = ["fits", "is_text", "type_name"]

_WIDER_NUMBERS = ((int, (float, complex)), (float, (complex,)))
_SEQUENCES = (list, tuple, collections.abc.Sequence)


def fits(given: Any, wanted: Any) -> bool:
    """Return whether every item of one type is an item of another type.

    As for type checkers, an ``int`` is a ``float``, and a container may have a narrower
    type than the needed type: ``list[int]`` fits ``Sequence[float]``.

    Parameters
    ----------
    given : object
        Type of the items.
    wanted : object
        Type that is needed.

    >>> fits(bool, int), fits(int | str, int), fits(["number"], ["word"])
    (True, False, False)
    """
    given, wanted = _plain(given), _plain(wanted)
    if _is_open(given) or _is_open(wanted):
        return True
    if is_text(given) or is_text(wanted):
        return not (is_text(given) and is_text(wanted)) or _equal_text(given, wanted)
    if _is_union(given):
        return all(fits(member, wanted) for member in typing.get_args(given))
    if _is_union(wanted):
        return any(fits(given, member) for member in typing.get_args(wanted))
    if isinstance(given, list | tuple) or isinstance(wanted, list | tuple):
        return _elements_fit(given, wanted)
    return _classes_fit(given, wanted)


def type_name(declared: Any) -> str:
    """Return a declared type as users write it.

    >>> type_name(list[int]), type_name((int, str)), type_name(["number"])
    ('list[int]', '(int, str)', "['number']")
    """
    if declared is None:
        return "anything"
    if isinstance(declared, list | tuple) and not is_text(declared):
        inner = ", ".join(map(type_name, declared))
        return f"({inner})" if isinstance(declared, tuple) else f"[{inner}]"
    if typing.get_origin(declared) is typing.Annotated:
        return type_name(typing.get_args(declared)[0])
    if _is_union(declared):
        return " | ".join(
            "None" if member is type(None) else type_name(member)
            for member in typing.get_args(declared)
        )
    if typing.get_args(declared):
        return _name_with_arguments(declared)
    if isinstance(declared, type):
        return declared.__qualname__
    return str(declared).removeprefix("typing.")


def _name_with_arguments(declared: Any) -> str:
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is typing.Literal:
        return str(declared).removeprefix("typing.")
    inner = ", ".join(
        "..."
        if argument is ...
        else f"[{', '.join(map(type_name, argument))}]"
        if isinstance(argument, list)
        else type_name(argument)
        for argument in arguments
    )
    return f"{type_name(origin)}[{inner}]"


def _plain(declared: Any) -> Any:
    """Return the type without annotations, new names and type variables."""
    if typing.get_origin(declared) is typing.Annotated:
        return _plain(typing.get_args(declared)[0])
    if isinstance(declared, typing.TypeVar):
        if declared.__constraints__:
            return _union(declared.__constraints__)
        return _plain(declared.__bound__)
    if isinstance(declared, typing.NewType):
        return _plain(declared.__supertype__)
    if typing.get_origin(declared) is typing.Literal:
        return _union(type(value) for value in typing.get_args(declared))
    return declared


def _union(members: Iterable[Any]) -> Any:
    return functools.reduce(operator.or_, members)


def _is_open(declared: Any) -> bool:
    return declared is None or declared is Any or declared in (object, (), [])


def _is_union(declared: Any) -> bool:
    return typing.get_origin(declared) in (typing.Union, types.UnionType)


def is_text(declared: Any) -> bool:
    """Return whether a declaration is a name, or a list of names, and not a type.

    >>> is_text("number"), is_text(["number"]), is_text(int), is_text([int])
    (True, True, False, False)
    """
    if isinstance(declared, str):
        return True
    if isinstance(declared, list | tuple):
        return any(isinstance(entry, str) for entry in declared)
    return typing.get_origin(declared) is None and not isinstance(declared, type)


def _equal_text(given: Any, wanted: Any) -> bool:
    first, second = (
        tuple(t) if isinstance(t, list | tuple) else t for t in (given, wanted)
    )
    return bool(first == second)


def _elements_fit(given: Any, wanted: Any) -> bool:
    """Compare two types; one of them lists the elements of a sequence."""
    if isinstance(given, list | tuple) and isinstance(wanted, list | tuple):
        return len(given) == len(wanted) and all(map(fits, given, wanted))
    listed, other = (
        (given, wanted) if isinstance(given, list | tuple) else (wanted, given)
    )
    origin = typing.get_origin(other) or other
    if origin not in _SEQUENCES:
        # a list of elements fits a superclass of sequences; the reverse does not hold
        return listed is given and any(_is_subclass(s, origin) for s in (list, tuple))
    arguments = typing.get_args(other)
    if origin is tuple and arguments and arguments[-1] is not ...:
        entries: tuple[Any, ...] = arguments
        if len(entries) != len(listed):
            return False
    else:
        entries = (arguments[0] if arguments else None,) * len(listed)
    pairs = zip(listed, entries, strict=True)
    return all(fits(a, b) if listed is given else fits(b, a) for a, b in pairs)


def _classes_fit(given: Any, wanted: Any) -> bool:
    given_class = typing.get_origin(given) or given
    wanted_class = typing.get_origin(wanted) or wanted
    if any(
        wanted_class in wider and _is_subclass(given_class, number)
        for number, wider in _WIDER_NUMBERS
    ):
        return True
    if not _is_subclass(given_class, wanted_class):
        return False
    inner, outer = typing.get_args(given), typing.get_args(wanted)
    if not inner or not outer:
        return True
    if given_class is tuple:
        return _tuples_fit(inner, outer if wanted_class is tuple else (*outer, ...))
    if len(inner) != len(outer):
        return True
    return all(map(_argument_fits, inner, outer))


def _argument_fits(given: Any, wanted: Any) -> bool:
    # the shape of an array and the parameters of a callable are not compared
    if isinstance(given, list) or isinstance(wanted, list):
        return True
    return given is ... or wanted is ... or fits(given, wanted)


def _tuples_fit(inner: tuple[Any, ...], outer: tuple[Any, ...]) -> bool:
    if outer[-1] is ...:
        return all(fits(entry, outer[0]) for entry in inner if entry is not ...)
    if inner[-1] is ...:
        return all(fits(inner[0], entry) for entry in outer)
    return len(inner) == len(outer) and all(map(fits, inner, outer))


def _is_subclass(given: Any, wanted: Any) -> bool:
    try:
        return issubclass(given, wanted)
    except TypeError:
        # a protocol with attributes, or not a class: it cannot be compared
        return True
