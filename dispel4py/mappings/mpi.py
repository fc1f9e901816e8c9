"""The mapping ``mpi``: the processes that an MPI launcher started.

Every process builds the same graph and computes the same plan; process k of the plan
is rank k. MPI itself is loaded when it is used (`dispel4py.mappings.mpi_run`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from dispel4py.errors import Dispel4pyError, ParameterError
from dispel4py.mappings import mpi_launch
from dispel4py.mappings.base import Mapping, Place, Shared, SourceInputs
from dispel4py.mappings.process import available_cores

if TYPE_CHECKING:
    from dispel4py.mappings.mpi_world import World
    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult


class MPI(Mapping):
    """Runs each process of the plan as an MPI rank, on one host or many."""

    name = "mpi"
    launcher = "mpiexec -n N"
    start_s = 1.5

    @classmethod
    def require(cls) -> None:
        """Check that there is an MPI library; MPI is not started."""
        from dispel4py.mappings.mpi_world import mpi_library

        mpi_library()

    @classmethod
    def expected(cls, wanted: int | None) -> int:
        """Return the wanted number, or that of the launcher, or one per core."""
        here = cls.joined()
        return wanted or (here.size if here else available_cores())

    @classmethod
    def joined(cls) -> Place | None:
        """Return the rank of this process, as the variables of its launcher say."""
        if not mpi_launch.launched_by_mpi():
            return None
        sizes = mpi_launch.sizes_said_by_launcher()
        size = max(sizes.values(), default=1)
        return Place(cls.name, mpi_launch.rank_said_by_launcher(), size)

    @classmethod
    def launch(cls, n: int, command: Sequence[str]) -> int:
        """Run a command under ``mpiexec``; see `dispel4py.mappings.mpi_launch`."""
        return mpi_launch.launch(n, command)

    @classmethod
    @contextlib.contextmanager
    def taking_part(cls, program: str) -> Iterator[None]:
        """Join the other ranks: if this rank alone fails within, all ranks end.

        A rank that failed before it had joined would keep the others waiting in
        MPI_Init, and no launcher ends them.

        Parameters
        ----------
        program : str
            Name of the command, for the message of a rank that fails alone. The first
            rank shows its error in any case.
        """
        here = _world()
        try:
            yield
        except Dispel4pyError as error:
            if here.rank:
                here.last_words = f"{program}: error: rank {here.rank}: {error}\n"
            raise

    def processes(self, wanted: int | None) -> int:
        """Return the number of ranks.

        Parameters
        ----------
        wanted : int, optional
            The same number, if the user gave one.

        Raises
        ------
        ParameterError
            If the user wants another number.
        """
        size = _world().size
        if wanted in (None, size):
            return size
        if self.joined() is not None:
            raise ParameterError(
                f"{wanted} processes are asked for, but the MPI launcher started "
                f"{size}: ask for one number, or leave it to the launcher"
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
        """Do the part of this rank; return when all ranks have done theirs."""
        from dispel4py.mappings.mpi_run import run_rank

        return run_rank(plan, inputs, observers, self.options)


def _world() -> World:
    from dispel4py.mappings.mpi_world import world

    return world()
