"""The mapping of a run that a launcher started in several processes."""

from __future__ import annotations

from dispel4py.errors import ParameterError
from dispel4py.mappings import place


def mapping_here(given: str | None) -> str | None:
    """Return the mapping to use, as given or as the launcher implies.

    Raises
    ------
    ParameterError
        If several processes were started that would all do the same.
    """
    here = place()
    if here.size == 1:
        return given
    if given is not None and given.lower() != here.mapping:
        raise ParameterError(
            f"--mapping {given}: {here.size} processes were started by a launcher, and "
            "each would do the whole run: start one, or use --mapping "
            f"{here.mapping}"
        )
    return here.mapping
