"""The number of instances of each PE, and the processes that run them.

Pure arithmetic on the demands of PEs; the graph and its routes belong to the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Processes of each instance, for each PE.
Placement = list[list[int]]


@dataclass(frozen=True)
class Demand:
    """The demand of one PE, or of one partition.

    Attributes
    ----------
    wanted : int
        Number of instances.
    limit : int or None
        Largest number that it can use; None if there is no limit.
    weight : float
        Its work, relative to other demands; in seconds if it was measured.
    """

    wanted: int = 1
    limit: int | None = None
    weight: float = 1.0

    @property
    def shares(self) -> bool:
        """Whether this demand is for a share of the processes, not for a number."""
        return self.wanted == 1 and self.limit is None

    def takes_more(self, count: int) -> bool:
        """Whether this demand can use more than ``count`` processes."""
        return self.limit is None or count < self.limit


def counts(demands: Sequence[Demand], n: int) -> list[int]:
    """Distribute processes over demands, at least one to each.

    Demands for a fixed number are met first, then the demands for a share, by weight.
    If processes remain, they go to the demands for a number, in proportion to it.

    Parameters
    ----------
    demands : sequence of Demand
    n : int
        Number of processes.

    >>> counts([Demand(1, 1), Demand(), Demand(weight=3.0), Demand(2)], 9)
    [1, 2, 4, 2]
    """
    numbers = [1] * len(demands)
    for _ in range(n - len(demands)):
        k = _next_taker(demands, numbers)
        if k is None:
            break
        numbers[k] += 1
    return numbers


def _next_taker(demands: Sequence[Demand], numbers: Sequence[int]) -> int | None:
    takers = [k for k, d in enumerate(demands) if d.takes_more(numbers[k])]
    short = [k for k in takers if numbers[k] < demands[k].wanted]
    sharing = [k for k in takers if demands[k].shares]
    if sharing and not short:
        return min(
            sharing, key=lambda k: (-demands[k].weight / numbers[k], numbers[k], k)
        )
    return min(
        short or takers, key=lambda k: (numbers[k] / demands[k].wanted, k), default=None
    )


def apart(numbers: Sequence[int]) -> Placement:
    """Give each PE processes of its own, as many as it has instances."""
    placed, first = [], 0
    for number in numbers:
        placed.append(list(range(first, first + number)))
        first += number
    return placed


def together(demands: Sequence[Demand], processes: Sequence[int]) -> Placement:
    """Give each PE an instance in every process; spread PEs that want few instances.

    The heaviest of these are placed first, each in the processes with the least work.

    Parameters
    ----------
    demands : sequence of Demand
    processes : sequence of int
    """
    load = dict.fromkeys(processes, 0.0)
    placed: Placement = [list(processes) for _ in demands]
    few = [k for k, d in enumerate(demands) if not d.shares]
    for k in sorted(few, key=lambda k: -demands[k].weight / demands[k].wanted):
        number = min(demands[k].wanted, len(processes))
        if number == len(processes):
            continue
        chosen = sorted(processes, key=lambda p: (load[p], p))[:number]
        for process in chosen:
            load[process] += max(demands[k].weight, 1e-9) / number
        placed[k] = sorted(chosen)
    _fill_idle(placed, demands, processes)
    return placed


def _fill_idle(
    placed: Placement, demands: Sequence[Demand], processes: Sequence[int]
) -> None:
    """Give processes without an instance to PEs that can use them."""
    used = {process for own in placed for process in own}
    for process in processes:
        takers = [k for k, d in enumerate(demands) if d.takes_more(len(placed[k]))]
        if process not in used and takers:
            k = min(takers, key=lambda k: (len(placed[k]) / demands[k].wanted, k))
            placed[k] = sorted([*placed[k], process])


def partition(members: Iterable[Demand], declared: int | None) -> Demand:
    """Return the demand of a partition: a number if one is declared, or a share.

    Parameters
    ----------
    members : iterable of Demand
        Demands of its PEs.
    declared : int or None
        Number of processes.
    """
    demands = list(members)
    limits = [demand.limit for demand in demands]
    limit = None if None in limits else sum(d.wanted for d in demands)
    weight = sum(demand.weight for demand in demands)
    if declared is not None:
        limit = None if limit is None else max(limit, declared)
    return Demand(declared or 1, limit, weight)


def loads(placed: Placement, weights: Sequence[float], n: int) -> list[float]:
    """Estimate the work in each process, if items go to instances that have room.

    PEs with few instances come first; the others fill up the processes with the least
    work.

    Parameters
    ----------
    placed : Placement
        Processes of each PE.
    weights : sequence of float
        Work of each PE.
    n : int
        Number of processes.

    >>> loads([[0], [0, 1]], [1.0, 4.0], 2)
    [2.5, 2.5]
    """
    load = [0.0] * n
    for k in sorted(range(len(placed)), key=lambda k: (len(placed[k]), k)):
        _pour(load, placed[k], weights[k])
    return load


def _pour(load: list[float], processes: Sequence[int], amount: float) -> None:
    """Add ``amount`` to the lowest loads, so that they end equal."""
    order = sorted(processes, key=lambda p: load[p])
    level = math.inf
    for wide in range(1, len(order) + 1):
        level = (amount + sum(load[p] for p in order[:wide])) / wide
        if wide == len(order) or level <= load[order[wide]]:
            break
    for process in order:
        load[process] = max(load[process], level)
