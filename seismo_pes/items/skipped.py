"""Data that a stage left out, as an item that travels to the final table."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Skipped"]


@dataclass(frozen=True)
class Skipped:
    """Something that a stage could not use, or used with a remark.

    Parameters
    ----------
    stage : str
        Stage of the run: in the archive (``"scan"``, ``"select"``, ``"download"``), in
        the metadata (``"coordinates"``, ``"inventory"``), in the data (``"read"``,
        ``"merge"``, ``"quality"``, ``"epoch"``, ``"response"``, ``"rotate"``,
        ``"windows"``, ``"reject"``), or in the results (``"dvv"``, ``"disp"``,
        ``"draw"``, ``"write"``); for any other element the name of its class in lower
        case.
    what : str
        The file, channel or station.
    reason : str
        One line that a user can act on.
    count : int
        How many times it happened (files, traces, gaps).

    Examples
    --------
    >>> Skipped("read", "XX.AAA..BHZ", "no data on 2022-01-02").count
    1
    """

    stage: str
    what: str
    reason: str
    count: int = 1
