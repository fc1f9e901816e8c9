"""The mapping ``mpi``: the processes that an MPI launcher started.

What enters: a plan and its inputs. What leaves: the result of the run. Every process
builds the same graph and computes the same plan; process k of the plan is rank k.
`launch` starts the launcher, and `family` says which launcher belongs to the MPI
library. In a rank: `world` is the group of all ranks, `run` is the work of one rank,
`post` carries items between ranks, and `heartbeat` notices a silent host. MPI itself is
loaded by `world`, when it is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dispel4py.errors import Dispel4pyError, ParameterError
from dispel4py.mappings import options
from dispel4py.mappings.base import Mapping, Place, Shared, SourceInputs
from dispel4py.mappings.mpi import launch
from dispel4py.mappings.options import check_silence, silence_option
from dispel4py.mappings.process import available_cores

if TYPE_CHECKING:
    from dispel4py.mappings.mpi.world import World
    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult


@dataclass(frozen=True)
class MPIOptions(options.Options):
    """The options of ``mpi``.

    Attributes
    ----------
    silence_s : float
        A run ends if nothing has come from a rank for so many seconds.

    Raises
    ------
    ParameterError
        If a value is invalid.
    """

    silence_s: float = silence_option(600.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_silence(self.silence_s)


class MPI(Mapping):
    """Runs each process of the plan as an MPI rank, on one host or many."""

    name = "mpi"
    Options = MPIOptions
    options: MPIOptions
    launcher = "mpiexec -n N"
    start_s = 1.5

    @classmethod
    def require(cls) -> None:
        """Check that there is an MPI library; MPI is not started."""
        from dispel4py.mappings.mpi.world import mpi_library

        mpi_library()

    @classmethod
    def expected(cls, wanted: int | None) -> int:
        """Return the wanted number, else that of the launcher, else one per core."""
        place = cls.joined()
        return wanted or (place.size if place else available_cores())

    @classmethod
    def joined(cls) -> Place | None:
        """Return the rank of this process, from the variables of its launcher."""
        if not launch.launched_by_mpi():
            return None
        sizes = launch.launcher_sizes()
        size = max(sizes.values(), default=1)
        return Place(cls.name, launch.launcher_rank(), size)

    @classmethod
    def launch(cls, n: int, command: Sequence[str]) -> int:
        """Run a command under ``mpiexec``; see `dispel4py.mappings.mpi.launch`."""
        return launch.launch(n, command)

    @classmethod
    @contextlib.contextmanager
    def membership(cls, program: str) -> Iterator[None]:
        """Join the other ranks; if only this rank fails in the context, all ranks end.

        If a rank failed before it had joined, the other ranks would wait in MPI_Init,
        and no launcher would end them.

        Parameters
        ----------
        program : str
            Name of the command, for the message if only this rank fails. The first rank
            always shows its error.
        """
        world = _world()
        try:
            yield
        except Dispel4pyError as error:
            if world.rank:
                world.exit_message = f"{program}: error: rank {world.rank}: {error}\n"
            raise

    def processes(self, wanted: int | None) -> int:
        """Return the number of ranks.

        Parameters
        ----------
        wanted : int, optional
            The number that the user wants; it must be the same.

        Raises
        ------
        ParameterError
            If the numbers differ.
        """
        size = _world().size
        if wanted in (None, size):
            return size
        if self.joined() is not None:
            raise ParameterError(
                f"{wanted} processes are requested, but the MPI launcher started "
                f"{size}: use the same number, or give it to the launcher only"
            )
        raise ParameterError(
            f"the mapping 'mpi' has 1 process here, not {wanted}: "
            f"start it by 'mpiexec -n {wanted} ...'"
        )

    @property
    def is_root(self) -> bool:
        """Whether this is rank 0."""
        return _world().rank == 0

    def share(self, make: Callable[[], Shared]) -> Shared:
        """Return the value of ``make()``, which is called on rank 0 only."""
        return _world().share(make)

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Do the work of this rank; return when all ranks have finished."""
        from dispel4py.mappings.mpi.run import run_rank

        return run_rank(plan, inputs, observers, self.options, self.options.silence_s)


def _world() -> World:
    from dispel4py.mappings.mpi.world import world

    return world()
