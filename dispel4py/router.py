"""The choice of the instances that get an item; the transport is elsewhere.

A `Router` belongs to one source instance and one edge of the graph. It knows the
grouping and the number of instances, but no channel, process or worker. So a partition
of Spark, a bolt of Storm or a consumer of Redis chooses the same instances as the
workers of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from dispel4py.errors import PlanError
from dispel4py.grouping import SHUFFLE, Grouping


class Router:
    """Chooses the instances that get an item.

    The choice is the same in every process, on every host, for the same sequence of
    items. A router can be pickled; the copy continues with the same instance.

    Parameters
    ----------
    grouping : Grouping
        Grouping of the input that the edge leads to.
    n : int
        Number of instances of the PE with this input.
    first : int
        Instance at which the round of a shuffle starts. The number of the source
        instance is a good choice, because several sources then start at different
        instances.

    Attributes
    ----------
    choose : callable
        ``choose(item)`` returns the instances that get the item, as a sequence of
        numbers from 0 to n - 1. A shuffle takes the instances in turn, as it cannot
        know which of them are busy. `ItemError` is raised if an item has no key to
        group by, or if the function of a custom grouping chooses an instance that does
        not exist.
    turn : int
        The instance that a shuffle takes next.

    Raises
    ------
    PlanError
        If there are no instances.

    Examples
    --------
    >>> router = Router(Grouping.of(None), 3, first=1)
    >>> [router.choose(item) for item in "abcd"]
    [(1,), (2,), (0,), (1,)]
    >>> by_station = Router(Grouping.of(["station"]), 2)
    >>> [by_station.choose({"station": name}) for name in ("CCA", "HEC", "CCA")]
    [(1,), (0,), (1,)]
    """

    choose: Callable[[Any], Sequence[int]]

    def __init__(self, grouping: Grouping, n: int, first: int = 0) -> None:
        if n < 1:
            raise PlanError(f"an edge needs 1 instance or more, not {n}")
        self.n = n
        self.turn = first % n
        # decided once, not for every item
        is_shuffle = grouping.kind == SHUFFLE
        self.choose = (
            self._next_instance if is_shuffle else partial(grouping.select, n=n)
        )

    def round(self) -> list[int]:
        """Return all instances, in the order in which a shuffle takes them next."""
        return [*range(self.turn, self.n), *range(self.turn)]

    def _next_instance(self, item: Any) -> Sequence[int]:
        selection = (self.turn,)
        self.turn = (self.turn + 1) % self.n
        return selection
