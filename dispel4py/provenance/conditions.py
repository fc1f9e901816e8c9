"""The tree of a condition, and how it is decided for the terms of one product.

See `dispel4py.provenance.expression` for the language. A comparison with a missing
term, or with a term of another kind, does not hold. NaN is no value.
"""

from __future__ import annotations

import math
import numbers
import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dispel4py.errors import ParameterError

ANCESTOR, DESCENDANT = "ancestor", "descendant"
_STAR = ".*"

Value = float | int | str | bool
Terms = Mapping[str, Any]

COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def kind_of(value: Any) -> str | None:
    """Return the kind of a value: ``number``, ``text``, ``boolean``; None for others.

    NaN is no value.

    >>> kind_of(3.5), kind_of("FMP"), kind_of(True), kind_of([1]), kind_of(math.nan)
    ('number', 'text', 'boolean', None, None)
    """
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, numbers.Real):
        return None if math.isnan(value) else "number"
    return None


@dataclass(frozen=True)
class Compare:
    """``name operator value``."""

    name: str
    operator: str
    value: Value

    def holds(self, terms: Terms) -> bool:
        """Return whether the condition holds for terms."""
        term: Any = terms.get(self.name)
        return kind_of(term) == kind_of(self.value) and bool(
            COMPARISONS[self.operator](term, self.value)
        )


@dataclass(frozen=True)
class OneOf:
    """``name in (value, ...)``."""

    name: str
    values: tuple[Value, ...]

    def holds(self, terms: Terms) -> bool:
        """Return whether the condition holds for terms."""
        term = terms.get(self.name)
        kind = kind_of(term)
        return kind is not None and any(
            kind == kind_of(value) and term == value for value in self.values
        )


@dataclass(frozen=True)
class Match:
    """``name ~ 'pattern'``."""

    name: str
    pattern: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "_regex", re.compile(_quick_regex(self.pattern), re.S))

    @property
    def prefix(self) -> str:
        """The characters with which every matching text begins."""
        return re.split(r"[*?[]", self.pattern, maxsplit=1)[0]

    @property
    def longest_literal(self) -> str:
        """A part of every matching text: the longest part without a special character.

        >>> Match("location", "*/CI.*.h5").longest_literal
        '/CI.'
        """
        return max(re.split(r"[*?]", self.pattern.partition("[")[0]), key=len)

    def holds(self, terms: Terms) -> bool:
        """Return whether the condition holds for terms."""
        term = terms.get(self.name)
        regex: re.Pattern[str] = self.__dict__["_regex"]
        return isinstance(term, str) and regex.fullmatch(term) is not None


@dataclass(frozen=True)
class Has:
    """``has(name)``: there is a term of this name, and it has a value."""

    name: str

    def holds(self, terms: Terms) -> bool:
        """Return whether the condition holds for terms."""
        term = terms.get(self.name)
        return term is not None and term == term  # NaN is no value


@dataclass(frozen=True)
class Not:
    """``not condition``."""

    condition: Expression

    def holds(self, terms: Terms) -> bool:
        """Return whether the condition holds for terms."""
        return not self.condition.holds(terms)


@dataclass(frozen=True)
class And:
    """``condition and condition ...``."""

    conditions: tuple[Expression, ...]

    def holds(self, terms: Terms) -> bool:
        """Return whether the condition holds for terms."""
        return all(condition.holds(terms) for condition in self.conditions)


@dataclass(frozen=True)
class Or:
    """``condition or condition ...``."""

    conditions: tuple[Expression, ...]

    def holds(self, terms: Terms) -> bool:
        """Return whether the condition holds for terms."""
        return any(condition.holds(terms) for condition in self.conditions)


@dataclass(frozen=True)
class Relative:
    """``ancestor(condition)`` or ``descendant(condition)``."""

    kind: str
    condition: Expression

    def holds(self, terms: Terms) -> bool:
        """Raise an error: terms of one product do not have its relatives.

        Raises
        ------
        ParameterError
            Always.
        """
        raise ParameterError(f"{self.kind}(...) can only be used in a search")


Expression = Compare | OneOf | Match | Has | Not | And | Or | Relative


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield a condition and all conditions in it."""
    yield expression
    if isinstance(expression, And | Or):
        for condition in expression.conditions:
            yield from walk(condition)
    elif isinstance(expression, Not | Relative):
        yield from walk(expression.condition)


def conjuncts(tree: Expression) -> list[Expression]:
    """Return the conditions that must all hold."""
    if isinstance(tree, And):
        return [part for member in tree.conditions for part in conjuncts(member)]
    return [tree]


def depth(tree: Expression) -> int:
    """Return how many conditions are within each other.

    >>> depth(And((Has("snr"), Not(Has("rms")))))
    3
    """
    if isinstance(tree, And | Or):
        return 1 + max(map(depth, tree.conditions), default=0)
    if isinstance(tree, Not | Relative):
        return 1 + depth(tree.condition)
    return 1


def names_in(expression: Expression) -> set[str]:
    """Return the names of all terms of a condition.

    >>> sorted(names_in(And((Has("snr"), Not(Compare("station", "=", "CIA"))))))
    ['snr', 'station']
    """
    return {
        part.name
        for part in walk(expression)
        if isinstance(part, Compare | OneOf | Match | Has)
    }


def regex_of(pattern: str) -> str:
    """Return the regular expression for a pattern, without anchors.

    >>> regex_of("CI.*"), regex_of("BH[!ZN]")
    ('CI\\\\..*', 'BH[^ZN]')
    """
    return "".join(_pieces(pattern))


def _quick_regex(pattern: str) -> str:
    """Return a regular expression that takes linear time for each star.

    The first place where the text after a star fits is the only one to try.
    """
    parts = [""]
    for piece in _pieces(pattern):
        if piece == _STAR:
            parts.append("")
        else:
            parts[-1] += piece
    if len(parts) == 1:
        return parts[0]
    between = "".join(f"(?>.*?{part})" for part in parts[1:-1])
    return f"{parts[0]}{between}.*{parts[-1]}"


def _pieces(pattern: str) -> list[str]:
    """Return the regular expressions of the characters of a pattern."""
    pieces: list[str] = []
    k = 0
    while k < len(pattern):
        character = pattern[k]
        is_negated = pattern[k + 1 : k + 2] == "!"
        end = pattern.find("]", k + 2 + is_negated) if character == "[" else -1
        if character == "*":
            if pieces[-1:] != [_STAR]:  # ** means the same as *
                pieces.append(_STAR)
        elif character == "?":
            pieces.append(".")
        elif end > 0:
            members = _members(pattern[k + 1 + is_negated : end])
            pieces.append(f"[{'^' * is_negated}{members}]")
            k = end
        else:
            pieces.append(re.escape(character))
        k += 1
    return pieces


def _members(members: str) -> str:
    """Return the members of a bracket as a regular expression has them."""
    text, k = "", 0
    while k < len(members):
        last = members[k + 2 : k + 3] if members[k + 1 : k + 2] == "-" else ""
        if last and last < members[k]:
            raise ParameterError(
                f"pattern: the range {members[k : k + 3]} is in the wrong order"
            )
        text += _member(members[k]) + (f"-{_member(last)}" if last else "")
        k += 3 if last else 1
    return text


def _member(character: str) -> str:
    return character if character.isalnum() else f"\\{character}"
