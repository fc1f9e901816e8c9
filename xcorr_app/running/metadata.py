"""What a run has used of station metadata, by content: part of ``OUT/inputs.json``.

Of each channel the response, the direction and the place count, as far as the run uses
them, in the epochs of its days: what is added for other times, or written in another
way, changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.inverse import digest
from xcorr_app.config import Config
from xcorr_app.planning.plan import RunPlan
from xcorr_app.planning.steps import parse_steps

__all__ = ["History", "renewed", "used_metadata"]

# periods from which on the metadata of a channel are others, and their digests
History = tuple[tuple[int, str], ...]


def used_metadata(plan: RunPlan) -> dict[str, History]:
    """Return digests of what is used of the metadata of each channel."""
    responses, directions, places = _used(plan.config)
    if not (responses or directions or places):
        return {}
    located = {c.id: f"{c.latitude!r} {c.longitude!r}" for c in plan.channels}
    epochs = _epochs(plan.inventory, responses, directions)
    found: dict[str, list[tuple[int, str]]] = {}
    for span in sorted(plan.spans, key=lambda span: span.period):
        id_ = span.channel_id
        said = [
            text
            for start_ns, end_ns, text in epochs.get(id_, ())
            if start_ns < span.end_ns and span.start_ns < end_ns
        ]
        if places:
            said.append(located.get(plan.names.get(id_, id_), ""))
        history, now = found.setdefault(id_, []), " ".join(said)
        if not history or history[-1][1] != now:
            history.append((span.period, now))
    return {id_: tuple(history) for id_, history in found.items()}


def _used(config: Config) -> tuple[bool, bool, bool]:
    """Say whether responses, directions and places of channels enter the results."""
    places = config.rotates or config.distance_km or config.azimuth_deg
    if config.steps is None:
        return config.response != "none", config.orient, bool(places)
    takes = any(step.takes("inventory") for step in parse_steps(config.steps))
    return takes, takes, bool(places)


def _epochs(
    inventory: Any, responses: bool, directions: bool
) -> dict[str, list[tuple[float, float, str]]]:
    """Return start, end and digest of all epochs of each channel."""
    found: dict[str, list[tuple[float, float, str]]] = {}
    for network in inventory or ():
        for station in network:
            for channel in station:
                codes = network.code, station.code, channel.location_code, channel.code
                start, end = channel.start_date, channel.end_date
                said = [digest(channel.response)] if responses else []
                if directions:
                    said.append(f"{channel.azimuth} {channel.dip}")
                epoch = (
                    -math.inf if start is None else start.ns,
                    math.inf if end is None else end.ns,
                    " ".join(said),
                )
                found.setdefault(".".join(codes), []).append(epoch)
    return found


def renewed(
    before: dict[str, History],
    now: dict[str, History],
    spans: Iterable[ChannelSpan],
    known: Collection[int],
) -> dict[str, set[int]]:
    """Return the channels and periods whose metadata are others than before.

    Parameters
    ----------
    before, now
        From `used_metadata`.
    spans
        What is read now.
    known
        Periods that the run had; of others nothing was used.
    """
    found: dict[str, set[int]] = {}
    for span in spans:
        id_, period = span.channel_id, span.period
        if id_ in before and id_ in now and period in known:
            old, new = _at(before[id_], period), _at(now[id_], period)
            if old is not None and old != new:
                found.setdefault(id_, set()).add(period)
    return found


def _at(history: History, period: int) -> str | None:
    found = None
    for first, text in history:
        if first > period:
            break
        found = text
    return found
