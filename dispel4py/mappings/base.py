"""The interface of mappings."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from dispel4py.errors import MappingUnavailable
from dispel4py.mappings.options import Options as MappingOptions

if TYPE_CHECKING:
    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult

Shared = TypeVar("Shared")

#: Instance (by index) to its inputs: dicts ``{port: item}``, or a range for calls with
#: an empty dict.
SourceInputs = dict[int, list[dict[str, Any]] | range | Iterator[dict[str, Any]]]


class Place(NamedTuple):
    """The place of a process among the processes that a launcher started.

    Attributes
    ----------
    mapping : str
        Name of the mapping of this launcher; "" without a launcher.
    rank, size : int
        Number of this process, and number of all processes.
    """

    mapping: str = ""
    rank: int = 0
    size: int = 1


class Mapping(ABC):
    """Runs a plan on some kind of resource.

    A mapping is one module with one subclass, and one line in the registry of
    `dispel4py.mappings`; it must pass `dispel4py.testing.conformance`. Commands import
    the modules of all mappings, for their options. So the module of a mapping imports
    the code that executes a plan only in `execute`.

    Attributes
    ----------
    name : str
        Name of the mapping for users.
    Options : type
        Its options: a subclass of `dispel4py.mappings.options.Options`.
    commands : str
        Further commands of the mapping, which run no graph, for its help; see
        `companion`.
    launcher : str
        The command that starts other commands in N processes, such as ``mpiexec -n N``;
        "" if the mapping starts its processes itself.
    in_one_process : bool
        Whether a run happens in the calling process, one item at a time.
    apart : bool
        Whether each instance is a process of its own, as the engine divides the work.
    in_stages : bool
        Whether each PE runs only after the PEs before it have ended, so that data
        without an end never reach the second one.
    start_s : float
        Seconds needed to start the processes, for estimates.
    """

    name: str
    Options: ClassVar[type[MappingOptions]] = MappingOptions
    commands: ClassVar[str] = ""
    launcher: ClassVar[str] = ""
    in_one_process: ClassVar[bool] = False
    apart: bool = False
    in_stages: ClassVar[bool] = False
    start_s: ClassVar[float] = 1.0

    def __init__(self, options: MappingOptions) -> None:
        self.options = options

    # -- before a run, without starting anything --------------------------------

    @classmethod
    def summary(cls) -> str:
        """Return a description of the mapping, in one line."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    @classmethod  # noqa: B027 - most run anywhere
    def require(cls) -> None:
        """Check that the mapping can run here; most can run anywhere.

        Raises
        ------
        MappingUnavailable
            If it cannot run here.
        """

    @classmethod
    @abstractmethod
    def expected(cls, wanted: int | None) -> int:
        """Return the number of processes that a run would have.

        Parameters
        ----------
        wanted : int, optional
            The number that the user wants.
        """

    @classmethod
    def joined(cls) -> Place | None:
        """Return the place of this process, if a launcher of this mapping started it.

        Launchers set variables in the environment, which are read here.
        """
        return None

    @classmethod
    def must_launch(cls) -> bool:
        """Return whether `launch` must start the processes of a command."""
        return bool(cls.launcher) and cls.joined() is None

    @classmethod
    def launch(cls, n: int, command: Sequence[str]) -> int:
        """Run a command in several processes, and wait for their end.

        Parameters
        ----------
        n : int
            Number of processes.
        command : sequence of str
            The command of each process, the program first.

        Returns
        -------
        int
            The exit status of the command.

        Raises
        ------
        MappingUnavailable
            If there is no launcher.
        """
        raise MappingUnavailable(f"the mapping {cls.name!r} has no launcher")

    @classmethod
    def membership(cls, program: str) -> contextlib.AbstractContextManager[None]:
        """Return the context of a command in a process that a launcher started.

        If only this process fails in it, the other processes must not wait for it.

        Parameters
        ----------
        program : str
            Name of the command, for messages.
        """
        return contextlib.nullcontext()

    @classmethod
    def companion(cls, words: Sequence[str]) -> int | None:
        """Run a command of this mapping that runs no graph, such as to join a run.

        Parameters
        ----------
        words : sequence of str
            The words of ``dispel4py MAPPING WORDS``.

        Returns
        -------
        int or None
            The exit status; None if the words are not such a command.
        """
        return None

    # -- a run -------------------------------------------------------------------

    def processes(self, wanted: int | None) -> int:
        """Return the number of processes for the plan.

        Parameters
        ----------
        wanted : int, optional
            The number that the user wants.

        Raises
        ------
        MappingUnavailable
            If the mapping cannot run here.
        """
        self.require()
        return self.expected(wanted)

    @property
    def is_root(self) -> bool:
        """Whether this process reports the run."""
        return True

    def share(self, make: Callable[[], Shared]) -> Shared:
        """Return ``make()``, which is called once for all processes of the program."""
        return make()

    def check(self, plan: Plan) -> None:  # noqa: B027 - most need no check
        """Raise `PlanError`, before anything starts, if a plan cannot be executed."""

    @abstractmethod
    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Run a plan.

        Parameters
        ----------
        plan : Plan
        inputs : dict
            Instance (by index) to its inputs.
        observers : Observers

        Raises
        ------
        RunError
            If the run failed.
        """
