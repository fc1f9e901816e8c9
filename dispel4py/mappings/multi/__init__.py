"""The mapping ``multi``: processes of this host, or of several hosts.

What enters: a plan and its inputs. What leaves: the result of the run. `settings` has
the options, `run` the workers of this host, which are forked. The workers of several
hosts are started by ssh: see `dispel4py.mappings.tcp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dispel4py.errors import MappingUnavailable
from dispel4py.mappings.base import Mapping, SourceInputs
from dispel4py.mappings.multi.settings import MultiOptions
from dispel4py.mappings.process import available_cores

if TYPE_CHECKING:
    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult


class Multi(Mapping):
    """Runs each process of the plan as a process of this host, or of hosts by ssh."""

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

    def processes(self, wanted: int | None) -> int:
        """Return the wanted number, else that of the hosts, else one per core."""
        self.require()
        if wanted is not None or self.options.where is None:
            return self.expected(wanted)
        from dispel4py.mappings.tcp.hosts import read_hosts

        return sum(host.n for host in read_hosts(self.options.where))

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Start the workers, gather their results, and end them in any case."""
        if self.options.where is not None:
            return self._execute_on(self.options.where, plan, inputs, observers)
        from dispel4py.mappings.multi.run import run_crew

        options = self.options
        method, silence_s = options.method, options.silence_s
        return run_crew(plan, inputs, observers, options, method, silence_s)

    def _execute_on(
        self, hosts: str, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Run a plan on several hosts."""
        from dispel4py.mappings.tcp.hosts import SSHStarter, read_hosts
        from dispel4py.mappings.tcp.run import run_over_tcp

        options = self.options
        n, address = plan.n_processes, options.address
        starter = SSHStarter(read_hosts(hosts), n, options.ssh_command, address)
        silence_s = options.longest_silence_s
        return run_over_tcp(plan, inputs, observers, options, starter, silence_s)
