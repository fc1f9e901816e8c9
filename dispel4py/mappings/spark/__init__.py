"""The mapping ``spark``: a cluster of Apache Spark (`dispel4py.mappings.spark.run`)."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import TYPE_CHECKING

from dispel4py.errors import MappingUnavailable
from dispel4py.mappings.base import Mapping, SourceInputs
from dispel4py.mappings.process import available_cores
from dispel4py.mappings.spark.options import SparkOptions

if TYPE_CHECKING:
    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult


class Spark(Mapping):
    """Runs each PE as a stage of Apache Spark, each instance as a partition of it."""

    name = "spark"
    Options = SparkOptions
    options: SparkOptions
    apart = True
    in_stages = True
    start_s = 10.0

    def __init__(self, options: SparkOptions) -> None:
        super().__init__(options)
        self.apart = not options.barrier

    @classmethod
    def require(cls) -> None:
        """Check that there are Spark and Java.

        Raises
        ------
        MappingUnavailable
            If one of them is not installed.
        """
        for package in ("pyspark", "cloudpickle"):
            if importlib.util.find_spec(package) is None:
                raise MappingUnavailable(
                    f"the mapping 'spark' needs the package {package}: "
                    "pip install 'dispel4py-seismo[spark]'"
                )
        if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
            raise MappingUnavailable(
                "the mapping 'spark' needs Java 17 or later: install it (Debian: "
                "apt-get install default-jre-headless), or set JAVA_HOME"
            )

    @classmethod
    def expected(cls, wanted: int | None) -> int:
        """Return the wanted number, or one per core of this host."""
        return available_cores() if wanted is None else wanted

    def processes(self, wanted: int | None) -> int:
        """Return the wanted number of partitions, or one per core of the cluster."""
        self.require()
        if wanted is not None:
            return wanted
        from dispel4py.mappings.spark.context import context_of

        return max(1, int(context_of(self.options).defaultParallelism))

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Run the PEs of one depth after the other, or all at the same time."""
        from dispel4py.mappings.spark.context import context_of
        from dispel4py.mappings.spark.run import run_stages

        context, options = context_of(self.options), self.options
        if not options.barrier:
            return run_stages(context, plan, inputs, observers, options)
        from dispel4py.mappings.spark.barrier import BarrierStarter
        from dispel4py.mappings.tcp.run import SILENCE_SECONDS, run_over_tcp

        starter, silence_s = BarrierStarter(context, plan.n_processes), SILENCE_SECONDS
        return run_over_tcp(plan, inputs, observers, options, starter, silence_s)
