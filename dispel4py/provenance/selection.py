"""The selection of terms: which terms of which products are stored, and when."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError, suggest
from dispel4py.provenance.expression import Expression, parse

__all__ = ["Rule", "Selection", "read_selection"]

EVERY = "*"


@dataclass(frozen=True)
class Rule:
    """What is stored about the products of a PE.

    Attributes
    ----------
    terms : tuple of str, optional
        Names of terms; by default all that take no time to compute.
    when : str
        Terms are stored only for products for which this condition holds; "" for all.
        Other products keep their place in the lineage.
    parts : bool
        Also store the parts of large items, such as the pairs of a tile.
    digests : bool
        Compute the SHA-256 of files that are read or written.
    """

    terms: tuple[str, ...] | None = None
    when: str = ""
    parts: bool = False
    digests: bool = True

    def condition(self) -> Expression | None:
        """Return the condition; None if there is none.

        Raises
        ------
        ParameterError
            If it is not a condition.
        """
        return parse(self.when, relatives=False) if self.when else None


_KINDS = {"terms": list, "when": str, "parts": bool, "digests": bool}


@dataclass(frozen=True)
class Selection:
    """The rule of each PE.

    Attributes
    ----------
    rules : mapping of str to Rule
        By id or name of a PE; ``*`` is for all other PEs.
    """

    rules: Mapping[str, Rule] = field(default_factory=dict)

    def rule_of(self, pe: GenericPE) -> Rule:
        """Return the rule of a PE."""
        for name in (pe.id, pe.name, EVERY):
            if name in self.rules:
                return self.rules[name]
        return Rule()

    def check(self, pes: Iterable[GenericPE], others: Iterable[str] = ()) -> None:
        """Check that the graph has all PEs that have a rule.

        Parameters
        ----------
        pes : iterable of GenericPE
            The PEs of the graph.
        others : iterable of str
            Names that other graphs have.

        Raises
        ------
        ParameterError
            If it has not.
        """
        known = {name for pe in pes for name in (pe.id, pe.name)} | set(others)
        for name in self.rules:
            if name != EVERY and name not in known:
                raise ParameterError(
                    f"capture: the graph has no element {name!r}: "
                    f"{suggest(name, sorted(known))}"
                )


def read_selection(source: str | Path | Mapping[str, Any] | None) -> Selection:
    """Read the selection of terms.

    Parameters
    ----------
    source : path, mapping or None
        A TOML file with a table for each PE, by name or id, and ``"*"`` for all others;
        or the same as a mapping. None: everything is stored that takes no time.

    Raises
    ------
    ParameterError
        If the file cannot be read, or has other keys than the fields of `Rule`.

    Examples
    --------
    >>> selection = read_selection({"Stack": {"terms": ["snr"], "when": "snr > 5"}})
    >>> selection.rules["Stack"].terms
    ('snr',)
    """
    if source is None:
        return Selection()
    where = "capture" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else _read(Path(source))
    rules = {name: _rule(f"{where}, {name}", value) for name, value in content.items()}
    return Selection(rules)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"{path}: {reason}") from error


def _rule(where: str, value: Any) -> Rule:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{where}: a table is needed, with {', '.join(_KINDS)}")
    for key, entry in value.items():
        if key not in _KINDS:
            raise ParameterError(f"{where}: no key {key!r}: {suggest(key, _KINDS)}")
        if not isinstance(entry, _KINDS[key]):
            raise ParameterError(f"{where}: {key} must be a {_KINDS[key].__name__}")
    fields = dict(value)
    if "terms" in fields:
        if not all(isinstance(name, str) for name in fields["terms"]):
            raise ParameterError(f"{where}: terms must be texts")
        fields["terms"] = tuple(fields["terms"])
    rule = Rule(**fields)
    try:
        rule.condition()
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from error
    return rule
