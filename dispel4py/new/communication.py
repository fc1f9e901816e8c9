"""The destinations of an item, in the form of the mappings of dispel4py 1.x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispel4py.core import GROUPING, GenericPE
from dispel4py.errors import PlanError
from dispel4py.grouping import ALL, GLOBAL, GROUP_BY, Grouping


class _Communication:
    """Chooses the destinations of items."""

    name: Any = None

    def __init__(self, destinations: Sequence[int]) -> None:
        self.destinations = destinations

    def get_destination(self, data: Any) -> Sequence[int]:
        """Return the destinations of ``data``, a dict ``{input: item}``."""
        raise NotImplementedError

    def getDestination(self, data: Any) -> Sequence[int]:
        """Return what `get_destination` returns."""
        return self.get_destination(data)


class ShuffleCommunication(_Communication):
    """Round robin; the start depends on the position of ``rank`` in the sources."""

    def __init__(
        self, rank: int, sources: Sequence[int], destinations: Sequence[int]
    ) -> None:
        super().__init__(destinations)
        self.currentIndex = list(sources).index(rank) % len(destinations) - 1

    def get_destination(self, data: Any) -> Sequence[int]:
        """Return the next destination."""
        self.currentIndex = (self.currentIndex + 1) % len(self.destinations)
        return [self.destinations[self.currentIndex]]


class GroupByCommunication(_Communication):
    """Items with equal parts go to the same destination."""

    def __init__(
        self, destinations: Sequence[int], input_name: str, groupby: Sequence[Any]
    ) -> None:
        super().__init__(destinations)
        self.input_name = input_name
        self.name = self.groupby = groupby
        self._grouping = Grouping.of(list(groupby))

    def get_destination(self, data: Any) -> Sequence[int]:
        """Return the destination of an item."""
        (selection,) = self._grouping.select(
            data[self.input_name], len(self.destinations)
        )
        return [self.destinations[selection]]


class AllToOneCommunication(_Communication):
    """All items go to the first destination."""

    name = "global"

    def get_destination(self, data: Any) -> Sequence[int]:
        """Return the first destination."""
        return [self.destinations[0]]


class OneToAllCommunication(_Communication):
    """All items go to every destination."""

    name = "all"

    def get_destination(self, data: Any) -> Sequence[int]:
        """Return all destinations."""
        return self.destinations


class CustomCommunication(_Communication):
    """A function of the item chooses the destinations."""

    def __init__(
        self, destinations: Sequence[int], input_name: str, grouping: Grouping
    ) -> None:
        super().__init__(destinations)
        self.input_name = input_name
        self.name = grouping.function
        self._grouping = grouping

    def get_destination(self, data: Any) -> Sequence[int]:
        """Return the destinations that the function chooses."""
        selection = self._grouping.select(data[self.input_name], len(self.destinations))
        return [self.destinations[k] for k in selection]


def communication(
    rank: int,
    sources: Sequence[int],
    pe: GenericPE,
    input_name: str,
    destinations: Sequence[int],
) -> _Communication:
    """Return how the process ``rank`` sends to an input of ``pe``."""
    if input_name not in pe.inputconnections:
        raise PlanError(f"{pe.id} has no input {input_name!r}")
    declared = pe.inputconnections[input_name].get(GROUPING)
    grouping = Grouping.of(declared, f"input {input_name!r} of {pe.id}")
    if grouping.kind == GROUP_BY:
        return GroupByCommunication(destinations, input_name, grouping.keys)
    if grouping.kind == ALL:
        return OneToAllCommunication(destinations)
    if grouping.kind == GLOBAL:
        return AllToOneCommunication(destinations)
    if grouping.function is not None:
        return CustomCommunication(destinations, input_name, grouping)
    return ShuffleCommunication(rank, sources, destinations)
