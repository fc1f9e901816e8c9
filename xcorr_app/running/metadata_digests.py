"""Digests of the station metadata that a run uses: part of ``OUT/inputs.json``.

A digest covers the response, the direction and the place of a channel, if the run uses
them, in the epochs of its days. Metadata of other times, or another spelling of the
same metadata, do not change the digest.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from obspy import Inventory

from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.epochs import location_code
from seismo_pes.metadata.inverse import digest
from xcorr_app.config import Config
from xcorr_app.planning.plan import RunPlan
from xcorr_app.planning.steps import parse_steps

__all__ = ["History", "changed_periods", "used_metadata"]

# First period of each state of the metadata of a channel, and its digest.
History = tuple[tuple[int, str], ...]


def used_metadata(plan: RunPlan) -> dict[str, History]:
    """Return digests of the metadata that a run uses of each channel.

    Parameters
    ----------
    plan
        The plan of the run.
    """
    responses, directions, places = _kinds(plan.config)
    if not places and plan.inventory is None:
        return {}
    located = {c.id: f"{c.latitude!r} {c.longitude!r}" for c in plan.channels}
    epochs = _epochs(plan.inventory, responses, directions)
    histories: dict[str, list[tuple[int, str]]] = {}
    for span in sorted(plan.spans, key=lambda span: span.period):
        id_ = span.channel_id
        digests = [
            text
            for start_ns, end_ns, text in epochs.get(id_, ())
            if start_ns < span.end_ns and span.start_ns < end_ns
        ]
        digests += [
            f"away {max(start_ns, span.start_ns)} {min(end_ns, span.end_ns)}"
            for start_ns, end_ns in plan.checks.away.get(id_, ())
            if start_ns < span.end_ns and span.start_ns < end_ns
        ]
        if places:
            digests.append(located.get(plan.names.get(id_, id_), ""))
        history, state = histories.setdefault(id_, []), " ".join(digests)
        if not history or history[-1][1] != state:
            history.append((span.period, state))
    return {id_: tuple(history) for id_, history in histories.items()}


def _kinds(config: Config) -> tuple[bool, bool, bool]:
    """Return whether responses, directions and places of channels are used."""
    places = config.rotates or config.distance_km or config.azimuth_deg
    if config.steps is None:
        return config.response != "none", config.orient, bool(places)
    takes = any(step.takes("inventory") for step in parse_steps(config.steps))
    return takes, takes, bool(places)


def _epochs(
    inventory: Inventory | None, responses: bool, directions: bool
) -> dict[str, list[tuple[float, float, str]]]:
    """Return start, end and digest of all epochs of each channel."""
    epochs: dict[str, list[tuple[float, float, str]]] = {}
    for network in inventory or ():
        for station in network:
            for channel in station:
                location = location_code(channel)
                codes = network.code, station.code, location, channel.code
                start, end = channel.start_date, channel.end_date
                digests = [digest(channel.response)] if responses else []
                if directions:
                    digests.append(f"{channel.azimuth} {channel.dip}")
                epoch = (
                    -math.inf if start is None else start.ns,
                    math.inf if end is None else end.ns,
                    " ".join(digests),
                )
                epochs.setdefault(".".join(codes), []).append(epoch)
    return epochs


def changed_periods(
    before: dict[str, History],
    now: dict[str, History],
    spans: Iterable[ChannelSpan],
    known: Collection[int],
) -> dict[str, set[int]]:
    """Return the periods of each channel whose metadata have changed.

    Parameters
    ----------
    before, now
        Digests of earlier starts and of this start, from `used_metadata`.
    spans
        All spans of the run.
    known
        Periods of earlier starts of the run.
    """
    changed: dict[str, set[int]] = {}
    for span in spans:
        id_, period = span.channel_id, span.period
        if id_ in before and id_ in now and period in known:
            old, new = _state_at(before[id_], period), _state_at(now[id_], period)
            if old is not None and old != new:
                changed.setdefault(id_, set()).add(period)
    return changed


def _state_at(history: History, period: int) -> str | None:
    """Return the digest of the metadata in a period; None before the first."""
    digests = [text for first, text in history if first <= period]
    return digests[-1] if digests else None
