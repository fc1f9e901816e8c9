"""The mapping ``multi``: processes of this host (`dispel4py.mappings.multi_run`)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dispel4py.errors import MappingUnavailable, ParameterError
from dispel4py.mappings import options
from dispel4py.mappings.base import Mapping, SourceInputs
from dispel4py.mappings.options import option
from dispel4py.mappings.process import available_cores

if TYPE_CHECKING:
    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult

START_METHODS = ("fork", "spawn", "forkserver")


@dataclass(frozen=True)
class MultiOptions(options.Options):
    """The options of ``multi``.

    Attributes
    ----------
    start_method : str, optional
        How workers are started: fork, spawn or forkserver. The default is fork on
        Linux, and spawn on other systems.
    restart_workers : bool
        Start a killed worker again, if its PEs have no state.

    Raises
    ------
    ParameterError
        If a value is invalid, or the system does not have the start method.
    """

    start_method: str | None = option(
        None, "how processes are started", choices=START_METHODS
    )
    restart_workers: bool = option(
        False,
        "start killed workers again, if their PEs have no state; they get unfinished "
        "items again, so some items may arrive twice",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        import multiprocessing  # slow to import

        known = multiprocessing.get_all_start_methods()
        if self.method not in known:
            raise ParameterError(
                f"unknown start method {self.method!r}; there are {', '.join(known)}"
            )

    @property
    def method(self) -> str:
        """The start method that is used."""
        default = "fork" if sys.platform.startswith("linux") else "spawn"
        return self.start_method or default

    @property
    def keeps_frames(self) -> bool:
        """Whether workers keep sent batches for a worker that is started again."""
        return self.restart_workers


class Multi(Mapping):
    """Runs each process of the plan as a process of this host."""

    name = "multi"
    Options = MultiOptions
    options: MultiOptions

    @classmethod
    def require(cls) -> None:
        """Check that there are Unix sockets.

        Raises
        ------
        MappingUnavailable
            If there are no Unix sockets.
        """
        import socket  # slow to import

        if not hasattr(socket, "AF_UNIX"):
            raise MappingUnavailable(
                "the mapping 'multi' needs Unix sockets; use 'simple' or 'mpi'"
            )

    @classmethod
    def expected(cls, wanted: int | None) -> int:
        """Return the wanted number, or one per core."""
        return available_cores() if wanted is None else wanted

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Start the workers, gather their results, and end them in any case."""
        from dispel4py.mappings.multi_run import run_crew

        return run_crew(plan, inputs, observers, self.options, self.options.method)
