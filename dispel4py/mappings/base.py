"""What a mapping is: it checks a plan, then executes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.policy import Policy
from dispel4py.result import RunResult

Shared = TypeVar("Shared")

#: Instance (by index) to the dicts ``{port: item}`` that it is given; for a source,
#: those that its ``process`` is called with.
SourceInputs = dict[int, list[dict[str, Any]] | range]


@dataclass(frozen=True)
class Options:
    """How to run, the same for every mapping.

    Attributes
    ----------
    on_error : Policy
        What to do when a PE fails on an item; a PE's own ``on_error`` counts first.
    start_method : str, optional
        How `multi` starts its workers: fork, spawn or forkserver.
    dead_letters : str, optional
        File for the items that are given up.
    item_timeout_s : float, optional
        How long a PE may work on one item.
    restart_workers : bool
        Start a worker again that was killed, if its PEs have no state.
    measure : bool
        Measure how long each PE is busy.
    """

    on_error: Policy = field(default_factory=Policy)
    start_method: str | None = None
    dead_letters: str | None = None
    item_timeout_s: float | None = None
    restart_workers: bool = False
    measure: bool = False


class Mapping(ABC):
    """Runs a plan on some kind of resource.

    A mapping is one module with one subclass, and one line in the registry of
    `dispel4py.mappings`; it must pass ``tests/mappings/test_conformance.py``.
    """

    name: str

    def __init__(self, options: Options) -> None:
        self.options = options

    def require(self) -> None:  # noqa: B027 - most run anywhere
        """Raise `MappingUnavailable` if the mapping cannot run here; start nothing."""

    @abstractmethod
    def processes(self, wanted: int | None) -> int:
        """Return how many processes to plan for.

        Raises
        ------
        MappingUnavailable
            If the mapping cannot run here.
        """

    @property
    def is_root(self) -> bool:
        """Whether this process is the one that tells of the run."""
        return True

    def share(self, make: Callable[[], Shared]) -> Shared:
        """Return ``make()``, called once however many processes run this program."""
        return make()

    def check(self, plan: Plan) -> None:  # noqa: B027 - most need no check
        """Raise before anything starts if ``plan`` cannot be executed here."""

    @abstractmethod
    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Run ``plan``; raise `RunError` if it failed."""
