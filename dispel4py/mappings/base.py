"""What a mapping is: it checks a plan, then executes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dispel4py.instance import Failure
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.policy import Policy
from dispel4py.summary import ProcessReport

Shared = TypeVar("Shared")

MOST_FAILURES = 1000

#: Instance (by index) to the dicts ``{port: item}`` that it is given; for a source,
#: those that its ``process`` is called with.
SourceInputs = dict[int, list[dict[str, Any]] | range]


@dataclass
class RunResult:
    """What a run did.

    Attributes
    ----------
    outputs : dict
        ``{pe_id: {port: [items]}}`` of the output ports that lead nowhere.
    counts : dict
        ``{pe_id: (items in, items out)}``.
    failures : list of Failure
        What was given up; of very many, the first `MOST_FAILURES`.
    n_failures : int
        How many items were given up.
    processes : list of ProcessReport
        What each process did.
    seconds : float
        Wall time from the start of the workers to the end of the last.
    n_processes : int
        Processes that took part.
    complete : bool
        False in the MPI ranks other than 0, which know only their own part.
    """

    outputs: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    n_failures: int = 0
    processes: list[ProcessReport] = field(default_factory=list)
    seconds: float = 0.0
    n_processes: int = 1
    complete: bool = True

    def output(self, pe_id: str, port: str = "output") -> list[Any]:
        """Return the items of one unconnected output port."""
        return self.outputs.get(pe_id, {}).get(port, [])

    def collect(self, pe_id: str, port: str, items: list[Any]) -> None:
        """Add items of an unconnected output."""
        self.outputs.setdefault(pe_id, {}).setdefault(port, []).extend(items)

    def give_up(self, failure: Failure) -> None:
        """Note an item that was given up."""
        self.n_failures += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(failure)

    def count(self, pe_id: str, n_in: int, n_out: int) -> None:
        """Add one instance's counts."""
        known_in, known_out = self.counts.get(pe_id, (0, 0))
        self.counts[pe_id] = (known_in + n_in, known_out + n_out)


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
