"""The number of instances of each PE, and the processes that run them.

The functions compute with the demands of PEs only; graph and routes are in the plan.
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
        """Whether the demand is for a share of the processes, not for a number."""
        return self.wanted == 1 and self.limit is None

    def takes_more(self, count: int) -> bool:
        """Whether this demand can use more than ``count`` processes."""
        return self.limit is None or count < self.limit


def distribute(demands: Sequence[Demand], n: int) -> list[int]:
    """Distribute processes over demands, at least one to each.

    Demands for a fixed number are met first, then the demands for a share, by weight.
    If processes remain, they go to the demands for a number, in proportion to it.

    Parameters
    ----------
    demands : sequence of Demand
    n : int
        Number of processes.

    >>> distribute([Demand(1, 1), Demand(), Demand(weight=3.0), Demand(2)], 9)
    [1, 2, 4, 2]
    """
    numbers = [1] * len(demands)
    for _ in range(n - len(demands)):
        k = _next_demand(demands, numbers)
        if k is None:
            break
        numbers[k] += 1
    return numbers


def _next_demand(demands: Sequence[Demand], numbers: Sequence[int]) -> int | None:
    candidates = [k for k, d in enumerate(demands) if d.takes_more(numbers[k])]
    short = [k for k in candidates if numbers[k] < demands[k].wanted]
    sharing = [k for k in candidates if demands[k].shares]
    if sharing and not short:
        return min(
            sharing, key=lambda k: (-demands[k].weight / numbers[k], numbers[k], k)
        )
    return min(
        short or candidates,
        key=lambda k: (numbers[k] / demands[k].wanted, k),
        default=None,
    )


def place_separately(numbers: Sequence[int]) -> Placement:
    """Give each PE processes of its own, as many as it has instances."""
    placement, first = [], 0
    for number in numbers:
        placement.append(list(range(first, first + number)))
        first += number
    return placement


def place_together(demands: Sequence[Demand], processes: Sequence[int]) -> Placement:
    """Give each PE an instance in every process, or the few instances that it wants.

    PEs with much work are placed first, each in the processes with the least work.

    Parameters
    ----------
    demands : sequence of Demand
    processes : sequence of int
    """
    load = dict.fromkeys(processes, 0.0)
    placement: Placement = [list(processes) for _ in demands]
    few = [k for k, d in enumerate(demands) if not d.shares]
    for k in sorted(few, key=lambda k: -demands[k].weight / demands[k].wanted):
        number = min(demands[k].wanted, len(processes))
        if number == len(processes):
            continue
        lightest = sorted(processes, key=lambda p: (load[p], p))[:number]
        for process in lightest:
            load[process] += max(demands[k].weight, 1e-9) / number
        placement[k] = sorted(lightest)
    _fill_idle(placement, demands, processes)
    return placement


def _fill_idle(
    placement: Placement, demands: Sequence[Demand], processes: Sequence[int]
) -> None:
    """Give processes without an instance to PEs that can use them."""
    used = {process for numbers in placement for process in numbers}
    for process in processes:
        candidates = [
            k for k, d in enumerate(demands) if d.takes_more(len(placement[k]))
        ]
        if process not in used and candidates:
            k = min(
                candidates, key=lambda k: (len(placement[k]) / demands[k].wanted, k)
            )
            placement[k] = sorted([*placement[k], process])


def partition_demand(members: Iterable[Demand], declared: int | None) -> Demand:
    """Return the demand of a partition: its declared number, or a share.

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


def estimate_loads(
    placement: Placement, weights: Sequence[float], n: int
) -> list[float]:
    """Estimate the work in each process, if items go to instances that have room.

    PEs with few instances come first. PEs with more instances then fill the processes
    with the least work.

    Parameters
    ----------
    placement : Placement
        Processes of each PE.
    weights : sequence of float
        Work of each PE.
    n : int
        Number of processes.

    >>> estimate_loads([[0], [0, 1]], [1.0, 4.0], 2)
    [2.5, 2.5]
    """
    load = [0.0] * n
    for k in sorted(range(len(placement)), key=lambda k: (len(placement[k]), k)):
        _add_evenly(load, placement[k], weights[k])
    return load


def _add_evenly(load: list[float], processes: Sequence[int], amount: float) -> None:
    """Add ``amount`` to the lowest loads, so that they become equal."""
    order = sorted(processes, key=lambda p: load[p])
    level = math.inf
    for n in range(1, len(order) + 1):
        level = (amount + sum(load[p] for p in order[:n])) / n
        if n == len(order) or level <= load[order[n]]:
            break
    for process in order:
        load[process] = max(load[process], level)


def numbers_of_1x(
    declared: Sequence[int], are_sources: Sequence[bool], n: int
) -> list[int] | None:
    """Return the numbers of instances as dispel4py 1.2.1 counts them.

    A source has one instance. The remaining processes are divided by the declared
    numbers, rounded down, so that some processes may have no work.

    Parameters
    ----------
    declared : sequence of int
        ``numprocesses`` of each PE.
    are_sources : sequence of bool
        Whether each PE is a source.
    n : int
        Number of processes.

    Returns
    -------
    list of int or None
        None if there are fewer processes than declared instances.

    >>> numbers_of_1x([1, 2, 1], [True, False, False], 9)
    [1, 5, 2]
    """
    n_sources = sum(are_sources)
    n_others = sum(
        k for k, is_source in zip(declared, are_sources, strict=True) if not is_source
    )
    if n_sources + n_others > n:
        return None
    return [
        1 if is_source else k * (n - n_sources) // max(1, n_others)
        for k, is_source in zip(declared, are_sources, strict=True)
    ]
