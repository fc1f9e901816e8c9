"""The components that a run works on, by the last letters of channel codes."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    pairs: tuple[str, ...] | None = None
    together: bool = False
    oriented: bool = False

    @property
    def rotated(self) -> bool:
        """Whether radial or transverse components are wanted."""
        return any(RADIAL & set(pair) for pair in self.pairs or ())

    @property
    def whole_instruments(self) -> bool:
        """Whether all components of an instrument are read if one is needed."""
        return self.rotated or self.together or self.oriented

    @property
    def letters(self) -> frozenset[str] | None:
        """Components that are read; None: all components."""
        if self.pairs is None:
            return None
        letters = {letter for pair in self.pairs for letter in pair}
        if self.rotated:
            letters = letters - RADIAL | set("ZNE")
        if self.together:
            letters |= set("ZNE12")
        if self.oriented:
            letters |= set("ZNE123")
        return frozenset(letters)

    @property
    def codes(self) -> tuple[str, ...] | None:
        """Codes of the channels that are read, with wildcards; None: any.

        >>> Components(("ZZ", "RT")).codes
        ('??E', '??N', '??Z')
        """
        if self.letters is None:
            return None
        return tuple(f"??{letter}" for letter in sorted(self.letters))
