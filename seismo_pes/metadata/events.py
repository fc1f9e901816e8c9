"""Events of QuakeML: origin, depth and magnitude, the preferred ones if stated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from obspy import UTCDateTime

from dispel4py.errors import DataError, ParameterError, suggest
from seismo_pes.items.events import Event
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.epochs import is_position
from seismo_pes.metadata.xml import parse_xml
from seismo_pes.regular_file import open_regular

__all__ = ["choose_events", "read_events"]


def read_events(path: str | Path) -> tuple[list[Event], list[Skipped]]:
    """Read the events of a QuakeML file.

    The origin is the preferred one; without a preference it is the only one, or the
    first. The same holds for the magnitude.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    events : list of Event
        In the order of the file.
    skipped : list of Skipped
        Events without time or place, and preferred origins that are not in the file,
        stage ``"event"``.

    Raises
    ------
    DataError
        If the file cannot be read, or has no event.
    """
    try:
        with open_regular(path) as file:
            root = parse_xml(file)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except DataError as error:
        text = str(error).removeprefix(f"{path}: ")
        raise DataError(f"{path}: {text}") from error
    nodes = [node for node in root.iter() if _name(node) == "event"]
    if not nodes:
        raise DataError(f"{path}: has no event; a QuakeML file is needed")
    events, skipped = [], []
    for node in nodes:
        public_id = str(node.get("publicID", ""))
        try:
            events.append(_event(node, public_id))
        except DataError as error:
            skipped.append(Skipped("event", public_id or str(path), str(error)))
    return events, skipped


def choose_events(events: Sequence[Event], ids: Sequence[str]) -> list[Event]:
    """Return the events with exactly these ids; all events without ids.

    Parameters
    ----------
    events : sequence of Event
    ids : sequence of str
        Public ids.

    Raises
    ------
    ParameterError
        If an id is not among the events, or several events have it.

    Examples
    --------
    >>> choose_events([Event("smi:a/1", 0, 0.0, 0.0)], ["smi:a/1"])[0].id
    'smi:a/1'
    """
    chosen = []
    for public_id in dict.fromkeys(ids or (event.id for event in events)):
        same = [event for event in events if event.id == public_id]
        if not same:
            known = [event.id for event in events]
            raise ParameterError(
                f"--event-id {public_id}: no event has this id: "
                f"{suggest(public_id, known)}"
            )
        if len(same) > 1:
            raise ParameterError(
                f"--event: {len(same)} different events have the id {public_id}"
            )
        chosen += same
    return chosen


def _event(node: Any, public_id: str) -> Event:
    if not public_id:
        raise DataError("an event without publicID")
    origin = _preferred(node, "origin", "preferredOriginID")
    if origin is None:
        raise DataError("the event has no origin")
    magnitude = _preferred(node, "magnitude", "preferredMagnitudeID")
    time = _value(origin, "time")
    try:
        time_ns = UTCDateTime(time).ns
    except Exception as error:  # obspy raises anything for a text that is no time
        raise DataError(f"the time of its origin, {time!r}, is not a time") from error
    latitude = _number(_value(origin, "latitude"))
    longitude = _number(_value(origin, "longitude"))
    if latitude is None or longitude is None or not is_position(latitude, longitude):
        raise DataError("its origin has no latitude and longitude")
    depth_m = _number(_value(origin, "depth"))
    size = None if magnitude is None else _number(_value(magnitude, "mag"))
    return Event(public_id, time_ns, latitude, longitude, depth_m, size)


def _preferred(node: Any, kind: str, preference: str) -> Any:
    """Return the preferred child of a kind, or the first; None without any."""
    children = [child for child in node if _name(child) == kind]
    wanted = [child for child in node if _name(child) == preference]
    if not wanted:
        return children[0] if children else None
    public_id = (wanted[0].text or "").strip()
    for child in children:
        if child.get("publicID") == public_id:
            return child
    if kind == "magnitude":
        return None
    raise DataError(f"its preferred {kind} {public_id} is not in the file")


def _value(node: Any, name: str) -> str:
    """Return the text of ``<name><value>``; "" without it."""
    for child in node:
        if _name(child) == name:
            for value in child:
                if _name(value) == "value":
                    return (value.text or "").strip()
    return ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _name(node: Any) -> str:
    """Return the name of an element without its namespace; "" of a comment."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
