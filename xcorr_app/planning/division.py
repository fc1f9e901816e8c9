"""How the work of a run is divided: blocks of channels, groups of periods, rounds.

The results, to the last byte, depend on the blocks and groups. They are chosen once,
when a run starts, and stored in ``run.json``; later starts of the run only add to them.
The shares of the memory are chosen at each start: they decide only which data wait on
disk.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seismo_pes.correlating.substacks import Substacks, period_name
from seismo_pes.correlating.tiles.blocks import block_size, wanted_tiles
from xcorr_app.planning.memory import MB, Load, Resources, shares
from xcorr_app.planning.pairs import ChosenPairs
from xcorr_app.planning.plan import RunPlan

__all__ = [
    "Division",
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

# Shortest computing time of a group, in seconds: an interrupted run loses at most it.
CHECKPOINT_S = 300.0
# Largest fraction of the time for writing and reading the rows of groups.
CHECKPOINT_PART = 0.1
# Approximate times on one core of 2020, to choose between divisions.
SPAN_S = 0.02  # seconds to open and read one span
BYTES_PER_S = 100 * MB  # rate of reading and preprocessing samples
PAIR_S = 30e-6  # seconds to correlate one pair in one period
DISK_BYTES_PER_S = 300 * MB  # rate of writing or reading rows


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
class Division:
    """How a run is divided.

    Parameters
    ----------
    blocks
        First channel of each block, and the channel after its last.
    unit
        ``window``, ``hour``, ``day`` or ``group``: the interval of substacks.
    groups
        The groups of the unit ``group``.
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
        """Whether the stack of the whole run is made from several substacks."""
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
        """Return the block of a channel; -1 for radial and transverse channels."""
        for k, (first, stop) in enumerate(self.blocks):
            if first <= channel < stop:
                return k
        return -1

    def to_dict(self) -> dict[str, Any]:
        """Return the division in the form of ``run.json``."""
        return {
            "blocks": [list(block) for block in self.blocks],
            "unit": self.unit,
            "groups": [
                {"name": group.name, "stretches": list(group.periods)}
                for group in self.groups
            ],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Division:
        """Return the division from which `to_dict` made the values."""
        groups = [
            Group(group["name"], tuple(group["stretches"]))
            for group in values["groups"]
        ]
        blocks = [(first, stop) for first, stop in values["blocks"]]
        return cls(tuple(blocks), values["unit"], tuple(groups))


# ------------------------------------------------------------------ dividing


def divide(plan: RunPlan, resources: Resources) -> Division:
    """Divide the work of a run that starts.

    Parameters
    ----------
    plan
        The plan of the run.
    resources
        Processes and memory.

    Raises
    ------
    ParameterError
        If the memory is too small.
    """
    config, load = plan.config, Load.of(plan)
    blocks = _blocks(plan, 0, _block_size(plan, resources, load))
    periods = sorted({span.period for span in plan.spans})
    if config.substack != "none":
        return Division(blocks, config.substack)
    whole = Division(blocks, "group", (Group("all", tuple(periods)),))
    if len(periods) == 1:
        return whole
    pairs = pairs_of_tiles(plan.pairs, blocks)
    sums = sum(pairs.values()) * load.sums
    n_rounds = len(_batches(pairs, load.sums, shares(resources, load, sums).sums))
    length = _group_length(plan, sum(pairs.values()), load, n_rounds, len(periods))
    n_groups = math.ceil(len(periods) / length)
    if n_groups == 1:
        return whole
    groups = [part.tolist() for part in np.array_split(periods, n_groups)]
    return Division(blocks, "group", _groups(groups))


def _group_length(
    plan: RunPlan, n_pairs: int, load: Load, n_rounds: int, n_periods: int
) -> int:
    """Return the number of periods that are stacked before a row is written.

    Each round reads all data again. With a row for each day one round is enough, but
    each row is written once and read once; this division is used if it takes less time.
    Otherwise groups are as short as `CHECKPOINT_PART` allows, because an interrupted
    run loses its present group.
    """
    reading_s = len(plan.spans) * (SPAN_S + load.trace / BYTES_PER_S)
    rows_s = (
        2 * n_pairs * load.row / DISK_BYTES_PER_S
    )  # seconds for the rows of one group
    if (n_rounds - 1) * reading_s > n_periods * rows_s:
        return 1
    period_s = n_rounds * reading_s / n_periods + n_pairs * PAIR_S
    return math.ceil(max(CHECKPOINT_S, rows_s / CHECKPOINT_PART) / period_s)


def _block_size(plan: RunPlan, resources: Resources, load: Load) -> int:
    """Return the number of channels in a block."""
    fitting = shares(resources, load).block // max(load.spectrum, 1)
    if (
        fitting > 1
    ):  # a power of two, so that small changes of the memory do not change the results
        fitting = 2 ** int(math.log2(fitting))
    usual = block_size(len(plan.pairs.recorded), resources.processes)
    return max(min(usual, fitting), 1)


def _blocks(plan: RunPlan, first: int, size: int) -> tuple[Place, ...]:
    """Divide the channels from ``first`` on into blocks of whole instruments."""
    ids = [channel.id for channel in plan.channels]
    recorded = [k for k in plan.pairs.recorded if k >= first]
    blocks: list[list[int]] = []
    for _, group in itertools.groupby(recorded, key=lambda k: ids[k][:-1]):
        members = list(group)
        last = blocks[-1] if blocks else []
        adjacent = bool(last) and last[-1] + 1 == members[0]
        if adjacent and len(last) + len(members) <= size:
            last += members
        else:
            blocks.append(members)
    ranges = itertools.chain.from_iterable(map(_consecutive, blocks))
    return tuple((block[0], block[-1] + 1) for block in ranges)


def _consecutive(channels: list[int]) -> list[list[int]]:
    """Divide a block if rotated channels lie between its channels."""
    jumps = np.flatnonzero(np.diff(channels) != 1) + 1
    return [block.tolist() for block in np.split(np.array(channels), jumps)]


def _groups(groups: Sequence[Sequence[int]]) -> tuple[Group, ...]:
    return tuple(Group(f".{period_name(g[0])}", tuple(g)) for g in groups)


def extend(
    old: Division, plan: RunPlan, n_known: int, resources: Resources
) -> Division:
    """Add new channels and new periods to a division.

    Parameters
    ----------
    old
        The division of earlier starts.
    plan
        The plan of the run, with new channels and periods.
    n_known
        Number of channels of earlier starts. New channels follow them in the table.
    resources
        Processes and memory.
    """
    size = _block_size(plan, resources, Load.of(plan))
    blocks = old.blocks + _blocks(plan, n_known, size)
    if old.unit != "group":
        return Division(blocks, old.unit)
    known = {period for group in old.groups for period in group.periods}
    new = sorted({span.period for span in plan.spans} - known)
    single = all(len(group.periods) == 1 for group in old.groups)
    if not new:
        added: tuple[Group, ...] = ()
    elif single and len(old.groups) > 1:
        added = _groups([[period] for period in new])
    else:
        added = _groups([new])
    return Division(blocks, old.unit, old.groups + added)


# ------------------------------------------------------------------ tiles and rounds


def pairs_of_tiles(pairs: ChosenPairs, blocks: Sequence[Place]) -> dict[Place, int]:
    """Return the number of pairs of each tile that has any.

    Parameters
    ----------
    pairs
        The pairs of the run.
    blocks
        First channel of each block, and the channel after its last.
    """
    selection, rotation = pairs.selection, pairs.rotation
    channels = [np.arange(first, stop) for first, stop in blocks]
    counts = {}
    for row, column in wanted_tiles(blocks, selection, rotation):
        i, j = channels[row], channels[column]
        n = int((selection.allowed(i, j) & (i[:, None] <= j)).sum())
        if rotation is not None:
            n += int(rotation.pairs(i, j, selection).wanted.sum())
        counts[row, column] = n
    return counts


def rounds_of(
    needed: Needed, division: Division, pairs: Mapping[Place, int], load: Load,
    sums: int,
) -> list[Needed]:  # fmt: skip
    """Divide the needed tiles so that the sums of each round fit the memory.

    Parameters
    ----------
    needed
        For each period, (row, column) of the tiles to compute.
    division
        The division of the run.
    pairs
        Number of pairs of each tile.
    load
        Sizes of the items of the run.
    sums
        Bytes for all sums of a round.

    Returns
    -------
    list of mapping
        The needed tiles of each round. Without needed tiles there is no round.
    """
    tiles = set().union(*needed.values()) if needed else set()
    if not tiles:
        return []
    if not division.sums_up:
        return [needed]
    counts = {place: n for place, n in sorted(pairs.items()) if place in tiles}
    rounds: list[Needed] = []
    for batch in _batches(counts, load.sums, sums):
        chosen = {s: frozenset(places & batch) for s, places in needed.items()}
        rounds.append({s: places for s, places in chosen.items() if places})
    return rounds


def _batches(pairs: Mapping[Place, int], n_bytes: int, most: int) -> list[set[Place]]:
    """Divide tiles into batches of similar size whose sums fit the memory."""
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
