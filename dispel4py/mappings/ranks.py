"""What a command does as one of several ranks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from dispel4py.errors import Dispel4pyError
from dispel4py.mappings.mpi_world import world


@contextlib.contextmanager
def as_rank(program: str) -> Iterator[None]:
    """Join the other ranks: if this one alone fails within, all of them end.

    A rank that failed before it had joined would keep the others waiting in MPI_Init,
    and no launcher ends them.

    Parameters
    ----------
    program : str
        In whose name a rank says why it failed. The first rank says it anyway.
    """
    here = world()
    try:
        yield
    except Dispel4pyError as error:
        if here.rank:
            here.last_words = f"{program}: error: rank {here.rank}: {error}\n"
        raise
