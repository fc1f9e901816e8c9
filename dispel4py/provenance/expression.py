"""The language of conditions: for capture, search and alerts.

::

    snr > 5 and station in ('FMP', 'CIA')
    3 <= snr <= 10 or not channel ~ 'BH?'
    distance_km in 100..500 and run.user = 'ana' and ancestor(station = 'CIA')

A term is a name; names with other characters stand in backquotes. A value is a number,
a text in quotes, or ``true`` or ``false``. Comparisons are ``= != < <= > >=``; ``in``
with values in parentheses or with a range ``a..b``, which includes its ends; ``~`` with
a pattern (``*`` any characters, ``?`` one, ``[ab]`` and ``[!ab]`` one of some), and
``has(term)``. They combine by ``and``, ``or``, ``not`` and parentheses.
``ancestor(...)`` and ``descendant(...)`` hold for a product if the condition holds for
one of its ancestors or descendants.

A comparison with a missing term, or with a term of another kind, does not hold: without
a term ``snr``, neither ``snr > 5`` nor ``snr != 5`` holds, and ``not snr > 5`` holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from dispel4py.errors import ParameterError
from dispel4py.provenance.bounds import LARGEST
from dispel4py.provenance.conditions import (
    ANCESTOR,
    COMPARISONS,
    DESCENDANT,
    And,
    Compare,
    Expression,
    Has,
    Match,
    Not,
    OneOf,
    Or,
    Relative,
    Value,
    names_in,
)

__all__ = ["Expression", "names_in", "parse"]

#: Largest number of characters of a condition, and of conditions within each other:
#: more than anyone types, and far below the limits of Python and SQL.
LONGEST, DEEPEST = 10_000, 50

_FLIPPED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def parse(text: str, relatives: bool = True) -> Expression:
    """Read a condition.

    Parameters
    ----------
    text : str
        The condition, in the language of this module.
    relatives : bool
        Whether ``ancestor(...)`` and ``descendant(...)`` are allowed: in a search they
        are, in capture and alerts, where only one product is known, they are not.

    Returns
    -------
    Expression
        A tree; ``holds(terms)`` tells whether the condition holds.

    Raises
    ------
    ParameterError
        If the text is no condition; the message names the place.

    Examples
    --------
    >>> good = parse("snr > 5 and station in ('FMP', 'CIA')")
    >>> good.holds({"snr": 7.5, "station": "FMP"}), good.holds({"snr": 7.5})
    (True, False)
    >>> parse("snr >> 5")
    Traceback (most recent call last):
        ...
    dispel4py.errors.ParameterError: condition 'snr >> 5', character 6: '> 5': ...
    """
    return _Reader(text, relatives).read()


_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w]))
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<quoted>`[^`]+`)
    | (?P<word>[^\W\d]\w*(?:\.\w+)*)
    | (?P<sign><=|>=|!=|==|\.\.|[=<>~(),])
    )""",
    re.X,
)
_WORDS = ("and", "or", "not", "in", "true", "false")
_HINTS = {
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not' before a condition, or !=",
    "'": "the quote does not end",
    '"': "the quote does not end",
    "`": "the backquote does not end",
    "<>": "write !=",
}


@dataclass(frozen=True)
class _Token:
    """A word, sign or value: its kind, its value, and where it begins and ends."""

    kind: str
    value: Any
    start: int


class _Reader:
    """Reads a condition from left to right."""

    def __init__(self, text: str, relatives: bool) -> None:
        self._text, self._relatives = text, relatives
        if len(text) > LONGEST:
            raise ParameterError(
                f"a condition of {len(text)} characters; use at most {LONGEST}"
            )
        self._tokens = list(self._split())
        self._next, self._depth = 0, 0

    def read(self) -> Expression:
        if self._here.kind == "end":
            self._fail("the condition is empty; write for example snr > 5")
        expression = self._any_of()
        if self._here.kind != "end":
            self._fail("'and', 'or' or the end is expected here")
        return expression

    def _split(self) -> Iterator[_Token]:
        at = 0
        end = len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                at += len(self._text[at:]) - len(self._text[at:].lstrip())
                character = self._text[at]
                hint = _HINTS.get(character, "not part of the language")
                self._fail_at(at, f"{character!r}: {hint}")
            kind = str(match.lastgroup)
            start = match.start(kind)
            yield _Token(kind, self._value(kind, match[kind], start), start)
            at = match.end()
        yield _Token("end", "", end)

    def _value(self, kind: str, text: str, start: int) -> Any:
        if kind == "number":
            return self._number(text, start)
        if kind == "text":
            value = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.S)
            if any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in value):
                self._fail_at(start, "the text has a character that cannot be stored")
            return value
        if kind == "quoted":
            if any(c in "\"\\'" or ord(c) < 32 for c in text):
                self._fail_at(start, "names have no quotes and no backslashes")
            return text[1:-1]
        if kind == "word":
            return text.lower() if text.lower() in _WORDS else text
        return "=" if text == "==" else text

    def _number(self, text: str, start: int) -> float | int:
        value: float | int = float(text)
        if math.isinf(value):
            self._fail_at(start, f"the number {text} is too large")
        if re.fullmatch(r"[+-]?\d{1,19}", text) and abs(int(text)) <= LARGEST:
            value = int(text)
        return value

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *values: str) -> str | None:
        """Go past the next word or sign if it is one of ``values``; return it."""
        here = self._here
        if here.kind in ("word", "sign") and here.value in values:
            self._next += 1
            return str(here.value)
        return None

    def _need(self, value: str) -> None:
        if self._take(value) is None:
            self._fail(f"{value!r} is expected here")

    def _any_of(self) -> Expression:
        parts = [self._all_of()]
        while self._take("or"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all_of(self) -> Expression:
        parts = [self._condition()]
        while self._take("and"):
            parts.append(self._condition())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _condition(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"more than {DEEPEST} conditions within each other")
        try:
            if self._take("not"):
                inner = self._condition()
                return inner.condition if isinstance(inner, Not) else Not(inner)
            if self._take("("):
                inner = self._any_of()
                self._need(")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Expression:
        here = self._here
        if here.kind in ("number", "text") or here.value in ("true", "false"):
            return self._value_first()
        name = self._name()
        is_quoted = here.kind == "quoted"
        if not is_quoted and self._take("("):
            return self._function(name, here)
        negated = self._take("not") is not None
        if negated or self._here.value == "in":
            self._need("in")
            return Not(self._members_of(name)) if negated else self._members_of(name)
        if self._take("~"):
            pattern = self._literal()
            if not isinstance(pattern, str):
                self._next -= 1
                self._fail("a pattern in quotes is expected here, such as 'BH?'")
            try:
                return Match(name, pattern)
            except ParameterError as error:
                self._next -= 1
                self._fail(str(error))
        sign = self._take(*COMPARISONS)
        if sign is None:
            self._fail(
                f"a comparison of {name} is expected here, such as {name} > 5; "
                f"has({name}) holds if there is one"
            )
        return Compare(name, sign, self._literal())

    def _value_first(self) -> Expression:
        """Read ``value < name``, and the range ``value < name < value``."""
        value = self._literal()
        sign = self._take(*COMPARISONS)
        if sign is None:
            self._fail("a comparison is expected here, such as 3 < snr")
        name = self._name()
        first = Compare(name, _FLIPPED[sign], value)
        sign = self._take(*COMPARISONS)
        if sign is None:
            return first
        return And((first, Compare(name, sign, self._literal())))

    def _function(self, name: str, token: _Token) -> Expression:
        if name == "has":
            term = self._name()
            self._need(")")
            return Has(term)
        if name not in (ANCESTOR, DESCENDANT):
            self._fail_at(
                token.start,
                f"{name}(...) is unknown; there are ancestor, descendant, has",
            )
        if not self._relatives:
            self._fail_at(token.start, f"{name}(...) can only be used in a search")
        inner = self._any_of()
        self._need(")")
        return Relative(name, inner)

    def _members_of(self, name: str) -> Expression:
        if self._take("("):
            values = [self._literal()]
            while self._take(","):
                values.append(self._literal())
            self._need(")")
            return OneOf(name, tuple(values))
        low = self._literal()
        self._need("..")
        high = self._literal()
        return And((Compare(name, ">=", low), Compare(name, "<=", high)))

    def _name(self) -> str:
        here = self._here
        is_name = here.kind == "word" and here.value not in _WORDS
        if not is_name and here.kind != "quoted":
            self._fail("the name of a term is expected here")
        self._next += 1
        return str(here.value)

    def _literal(self) -> Value:
        here = self._here
        if here.value in ("true", "false") and here.kind == "word":
            self._next += 1
            return bool(here.value == "true")
        if here.kind not in ("number", "text"):
            if here.kind == "word":
                self._fail(f"a value is expected here; write text as '{here.value}'")
            self._fail("a number, or a text in quotes, is expected here")
        self._next += 1
        value: Value = here.value
        return value

    def _fail(self, reason: str) -> NoReturn:
        here = self._here
        at = self._text[here.start : here.start + 12]
        self._fail_at(here.start, f"{at!r}: {reason}" if at else reason)

    def _fail_at(self, start: int, reason: str) -> NoReturn:
        text = self._text if len(self._text) <= 80 else f"{self._text[:77]}..."
        raise ParameterError(f"condition {text!r}, character {start + 1}: {reason}")
