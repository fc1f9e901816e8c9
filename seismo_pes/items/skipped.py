"""Data that a stage left out, as an item that travels to the final table."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["FAILED_READ", "Skipped"]

#: Stage of files that the operating system could not read. They may be read later.
FAILED_READ = "input"


@dataclass(frozen=True)
class Skipped:
    """Something that a stage could not use, or used with a remark.

    Parameters
    ----------
    stage : str
        Stage of the run: in the archive (``"scan"``, ``"select"``, ``"download"``), in
        the metadata (``"coordinates"``, ``"inventory"``), in the data (``"input"``,
        ``"read"``, ``"merge"``, ``"quality"``, ``"epoch"``, ``"response"``,
        ``"rotate"``, ``"windows"``, ``"reject"``), or in the results (``"dvv"``,
        ``"disp"``, ``"draw"``, ``"write"``); for any other element the name of its
        class in lower case.
    what : str
        The file, channel or station.
    reason : str
        One line that a user can act on.
    count : int
        How many times it happened (files, traces, gaps).
    start_ns, end_ns : int, optional
        The time that it concerns, nanoseconds since 1970. None: all the time.

    Examples
    --------
    >>> Skipped("read", "XX.AAA..BHZ", "no data on 2022-01-02").count
    1
    """

    stage: str
    what: str
    reason: str
    count: int = 1
    start_ns: int | None = None
    end_ns: int | None = None

    def within(self, start_ns: int, end_ns: int) -> Skipped:
        """Return the entry with its time cut to an interval.

        An entry without a time, or of another time, gets the interval.

        Parameters
        ----------
        start_ns, end_ns : int
            The interval, nanoseconds since 1970.
        """
        if self.start_ns is not None and self.end_ns is not None:
            start, end = max(self.start_ns, start_ns), min(self.end_ns, end_ns)
            if start < end:
                start_ns, end_ns = start, end
        return replace(self, start_ns=start_ns, end_ns=end_ns)
