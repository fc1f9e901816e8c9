"""The components that a run works on, by the last letters of channel codes."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Components"]

RADIAL = frozenset("RT")


@dataclass(frozen=True)
class Components:
    """The components of instruments that a run needs.

    Attributes
    ----------
    pairs : tuple of str or None
        Pairs of components such as ``ZZ`` and ``RT``. None: all components.
    together : bool
        The components of an instrument share their weights and their windows.
    oriented : bool
        The components are rotated to Z, N and E.
    rotated : bool
        Whether radial or transverse components are wanted.
    whole_instruments : bool
        Whether all components of an instrument are read if one is needed.
    letters : frozenset of str or None
        Components that are read; None: all components.
    codes : tuple of str or None
        Codes of the channels that are read, with wildcards; None: any.

    Examples
    --------
    >>> Components(("ZZ", "RT")).codes
    ('??E', '??N', '??Z')
    """

    pairs: tuple[str, ...] | None = None
    together: bool = False
    oriented: bool = False
    rotated: bool = field(init=False)
    whole_instruments: bool = field(init=False)
    letters: frozenset[str] | None = field(init=False)
    codes: tuple[str, ...] | None = field(init=False)

    def __post_init__(self) -> None:
        rotated = any(RADIAL & set(pair) for pair in self.pairs or ())
        letters, codes = None, None
        if self.pairs is not None:
            letters = frozenset(letter for pair in self.pairs for letter in pair)
            if rotated:
                letters = letters - RADIAL | set("ZNE")
            if self.together:
                letters |= set("ZNE12")
            if self.oriented:
                letters |= set("ZNE123")
            codes = tuple(f"??{letter}" for letter in sorted(letters))
        derived = {
            "rotated": rotated,
            "whole_instruments": rotated or self.together or self.oriented,
            "letters": letters,
            "codes": codes,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
