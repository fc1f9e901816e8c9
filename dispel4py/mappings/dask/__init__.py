"""The mapping ``dask``: the workers of a Dask cluster.

What enters: a plan and its inputs. What leaves: the result of the run. `settings` has
the options, `cluster` finds the cluster and starts the agents of
`dispel4py.mappings.tcp` on its workers, a long task for each process of the plan. Items
go from process to process, and not through Dask.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from dispel4py.errors import MappingUnavailable
from dispel4py.mappings.base import Mapping, SourceInputs
from dispel4py.mappings.dask.settings import DaskOptions
from dispel4py.mappings.process import available_cores

if TYPE_CHECKING:
    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult


class Dask(Mapping):
    """Runs each process of the plan as a long task on the workers of a Dask cluster."""

    name = "dask"
    Options = DaskOptions
    options: DaskOptions
    start_s = 2.0

    @classmethod
    def require(cls) -> None:
        """Check that the package of Dask is installed.

        Raises
        ------
        MappingUnavailable
            If it is not installed.
        """
        if importlib.util.find_spec("distributed") is None:
            raise MappingUnavailable(
                "the mapping 'dask' needs the package distributed: "
                "pip install 'dispel4py-seismo[dask]'"
            )

    @classmethod
    def expected(cls, wanted: int | None) -> int:
        """Return the wanted number, or one per core of this host."""
        return available_cores() if wanted is None else wanted

    def processes(self, wanted: int | None) -> int:
        """Return the wanted number, or one per thread of the cluster."""
        self.require()
        if wanted is not None:
            return wanted
        from dispel4py.mappings.dask.cluster import client_of, workers_of

        with client_of(self.options.scheduler) as client:
            return sum(worker.n for worker in workers_of(client, 1))

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Start the agents, gather the results, and end the run in any case.

        Raises
        ------
        MappingUnavailable
            If there is no cluster, or it has too few threads.
        RunError
            If the run failed.
        """
        from dispel4py.mappings.dask.cluster import DaskStarter, client_of
        from dispel4py.mappings.tcp.run import run_over_tcp

        options = self.options
        with client_of(options.scheduler) as client:
            starter = DaskStarter(client, plan.n_processes, options.address)
            silence_s = options.silence_s
            return run_over_tcp(plan, inputs, observers, options, starter, silence_s)
