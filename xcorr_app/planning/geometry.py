"""How a run is divided: blocks of channels, periods of time, shares of the memory.

Blocks and periods decide the bytes of the results, so they are settled once, when a run
starts, and kept in ``run.json``; later starts only add to them. Shares of the memory
are settled anew at each start: they decide what waits on disk, and nothing else.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seismo_pes.correlating.tiles.gathering import block_size, wanted_tiles
from seismo_pes.correlating.windows.substacks import Substacks, period_name
from xcorr_app.planning.job import Job
from xcorr_app.planning.memory import MB, Load, Shares, in_one_process, shares

__all__ = [
    "Geometry",
    "Group",
    "Needed",
    "Place",
    "divide",
    "extend",
    "pairs_of_tiles",
    "rounds_of",
]

Place = tuple[int, int]
Needed = Mapping[int, frozenset[Place]]

# A row of each group takes disk, but what it holds need not be computed again.
CHECKPOINT_S = 300.0
CHECKPOINT_PART = 0.1  # of the time may go into writing and reading these rows
SPAN_S = 0.02  # rough costs, for decisions only: a span to be read,
BYTES_PER_S = 100 * MB  # and prepared,
PAIR_S = 30e-6  # a pair to be correlated,
DISK_BYTES_PER_S = 300 * MB  # rows to be written or read


@dataclass(frozen=True)
class Group:
    """Periods that are stacked together.

    Parameters
    ----------
    name
        Name of the stack.
    periods
        Days since 1970, ascending.
    """

    name: str
    periods: tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    """How a run is divided.

    Parameters
    ----------
    blocks
        First channel of each block, and the one after its last.
    unit
        ``window``, ``hour``, ``day`` or ``group``: the substack of base rows.
    groups
        Of the unit ``group``.
    """

    blocks: tuple[Place, ...]
    unit: str
    groups: tuple[Group, ...] = ()

    @property
    def substacks(self) -> Substacks:
        """Intervals over which windows are stacked first."""
        table = {
            period: (group.periods[0], group.name)
            for group in self.groups
            for period in group.periods
        }
        return Substacks(self.unit, table)

    @property
    def derives(self) -> bool:
        """Whether the stack of all is made of several base rows."""
        return self.unit != "group" or len(self.groups) > 1

    @property
    def sums_up(self) -> bool:
        """Whether sums are kept from one period to the next."""
        return any(len(group.periods) > 1 for group in self.groups)

    def keys(self, periods: Iterable[int]) -> dict[int, int]:
        """Return the third element of the tiles' keys for each period."""
        substacks = self.substacks
        return {period: substacks.key(period) for period in periods}

    def block_of(self, channel: int) -> int:
        """Return the block of a channel; -1 for channels that are made of others."""
        for k, (first, stop) in enumerate(self.blocks):
            if first <= channel < stop:
                return k
        return -1

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "blocks": [list(block) for block in self.blocks],
            "unit": self.unit,
            "groups": [
                {"name": group.name, "stretches": list(group.periods)}
                for group in self.groups
            ],
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Geometry:
        """Make it from what `to_dict` returned."""
        groups = [Group(one["name"], tuple(one["stretches"])) for one in told["groups"]]
        blocks = [(first, stop) for first, stop in told["blocks"]]
        return cls(tuple(blocks), told["unit"], tuple(groups))


# ------------------------------------------------------------------ dividing


def divide(job: Job, processes: int, memory_bytes: int) -> Geometry:
    """Divide a run that starts.

    Raises
    ------
    ParameterError
        If the memory does not do.
    """
    config, load = job.config, Load.of(job)
    simple = in_one_process(config)
    share = shares(memory_bytes, processes, load, 0, simple)
    blocks = _blocks(job, 0, _block_size(job, processes, load, share))
    periods = sorted({span.period for span in job.spans})
    if config.substack != "none":
        return Geometry(blocks, config.substack)
    whole = Geometry(blocks, "group", (Group("all", tuple(periods)),))
    if len(periods) == 1:
        return whole
    pairs = pairs_of_tiles(job, whole)
    sums = sum(pairs.values()) * load.sums
    share = shares(memory_bytes, processes, load, sums, simple)
    n_rounds = len(_batches(pairs, load.sums, share.sums))
    length = _group_length(job, sum(pairs.values()), load, n_rounds, len(periods))
    n_groups = math.ceil(len(periods) / length)
    if n_groups == 1:
        return whole
    groups = [part.tolist() for part in np.array_split(periods, n_groups)]
    return Geometry(blocks, "group", _groups(groups))


def _group_length(
    job: Job, n_pairs: int, load: Load, n_rounds: int, n_periods: int
) -> int:
    """Return how many periods are stacked together before a row is written.

    Each round reads everything again; a row each day is written and read once, and
    needs one round only. Else groups are as short as the price of their rows allows,
    so that not much is lost when a run is broken off.
    """
    reading_s = len(job.spans) * (SPAN_S + load.trace / BYTES_PER_S)
    rows_s = 2 * n_pairs * load.row / DISK_BYTES_PER_S  # of one group
    if (n_rounds - 1) * reading_s > n_periods * rows_s:
        return 1
    period_s = n_rounds * reading_s / n_periods + n_pairs * PAIR_S
    return math.ceil(max(CHECKPOINT_S, rows_s / CHECKPOINT_PART) / period_s)


def _block_size(job: Job, processes: int, load: Load, share: Shares) -> int:
    fitting = share.block // max(load.spectrum, 1)
    if fitting > 1:  # so that a bit more or less of free memory changes no bytes
        fitting = 2 ** int(math.log2(fitting))
    return max(min(block_size(len(_real(job)), processes), fitting), 1)


def _real(job: Job) -> list[int]:
    """Return the channels that are not made of others."""
    made = set()
    if job.rotation is not None:
        for z, r, t in job.rotation.rotated.values():
            made |= {r, t} - {z}
    return [k for k in range(len(job.channels)) if k not in made]


def _blocks(job: Job, first: int, size: int) -> tuple[Place, ...]:
    """Divide the channels from ``first`` on; an instrument is never cut in two."""
    ids = [channel.id for channel in job.channels]
    real = [k for k in _real(job) if k >= first]
    found: list[list[int]] = []
    for _, group in itertools.groupby(real, key=lambda k: ids[k][:-1]):
        members = list(group)
        last = found[-1] if found else []
        joins = bool(last) and last[-1] + 1 == members[0]
        if joins and len(last) + len(members) <= size:
            last += members
        else:
            found.append(members)
    return tuple((one[0], one[-1] + 1) for one in _uncut(found))


def _uncut(blocks: list[list[int]]) -> list[list[int]]:
    """Cut where channels between them are made of others."""
    made = []
    for one in blocks:
        jumps = np.flatnonzero(np.diff(one) != 1) + 1
        made += [part.tolist() for part in np.split(np.array(one), jumps)]
    return made


def _groups(groups: Sequence[Sequence[int]]) -> tuple[Group, ...]:
    return tuple(Group(f".{period_name(g[0])}", tuple(g)) for g in groups)


def extend(
    old: Geometry, job: Job, n_known: int, processes: int, memory_bytes: int
) -> Geometry:
    """Add new channels, those behind ``n_known``, and new periods to a geometry."""
    load = Load.of(job)
    share = shares(
        memory_bytes,
        processes,
        load,
        0,
        in_one_process(job.config),
    )
    size = _block_size(job, processes, load, share)
    blocks = old.blocks + _blocks(job, n_known, size)
    if old.unit != "group":
        return Geometry(blocks, old.unit)
    known = {one for group in old.groups for one in group.periods}
    new = sorted({span.period for span in job.spans} - known)
    single = all(len(group.periods) == 1 for group in old.groups)
    if not new:
        added: tuple[Group, ...] = ()
    elif single and len(old.groups) > 1:
        added = _groups([[one] for one in new])
    else:
        added = _groups([new])
    return Geometry(blocks, old.unit, old.groups + added)


# ------------------------------------------------------------------ what is to be done


def pairs_of_tiles(job: Job, geometry: Geometry) -> dict[Place, int]:
    """Return how many pairs each tile has; tiles without any are not among them."""
    channels = [np.arange(first, stop) for first, stop in geometry.blocks]
    found = {}
    for row, column in wanted_tiles(geometry.blocks, job.selection, job.rotation):
        i, j = channels[row], channels[column]
        n = int((job.selection.allowed(i, j) & (i[:, None] <= j)).sum())
        if job.rotation is not None:
            n += int(job.rotation.pairs(i, j, job.selection).wanted.sum())
        found[row, column] = n
    return found


def rounds_of(
    needed: Needed, geometry: Geometry, pairs: Mapping[Place, int], load: Load,
    sums: int,
) -> list[Needed]:  # fmt: skip
    """Divide what is needed so that the sums of each round fit their share.

    Parameters
    ----------
    needed
        Period to (row, column) of the tiles that are to be made.
    geometry
        How the run is divided.
    pairs
        How many pairs each tile has.
    load
        What the pieces weigh.
    sums
        Bytes for all sums.

    Returns
    -------
    list of mapping
        One for each round; none if nothing is needed.
    """
    tiles = set().union(*needed.values()) if needed else set()
    if not tiles:
        return []
    if not geometry.sums_up:
        return [needed]
    some = {place: n for place, n in sorted(pairs.items()) if place in tiles}
    rounds: list[Needed] = []
    for batch in _batches(some, load.sums, sums):
        chosen = {s: frozenset(places & batch) for s, places in needed.items()}
        rounds.append({s: places for s, places in chosen.items() if places})
    return rounds


def _batches(pairs: Mapping[Place, int], n_bytes: int, most: int) -> list[set[Place]]:
    """Divide tiles so that the sums of each batch fit, and they are about equal."""
    total = sum(pairs.values()) * n_bytes
    n_batches = max(math.ceil(total / max(most, 1)), 1)
    aim = total / n_batches
    batches: list[set[Place]] = [set()]
    held = 0
    for place, n in pairs.items():
        if batches[-1] and held + n * n_bytes > max(aim * 1.02, 1):
            batches.append(set())
            held = 0
        batches[-1].add(place)
        held += n * n_bytes
    return batches
