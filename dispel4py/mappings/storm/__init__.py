"""The mapping ``storm``: a cluster of Apache Storm, where each PE is a spout or a bolt.

What enters: a plan and its inputs. What leaves: the result of the run. In the program
that starts the run, the driver: `topology` describes the components, `package` packs
what they need, `nimbus` is the client of the cluster, `daemons` a cluster on this host,
`driver` accepts the connections of components, `gathering` is the course of the run,
`results` takes each result once, and `run` joins them; `commands` and `installing` are
the commands without a graph. In a component: `start` is its program, `line` speaks
with Storm and `link` with the driver, `source`, `bolt` and `control` are its kinds,
`sending` fills `frames` with items, `files` has the large ones, `history` lets a new
process of a source send the same frames again, and `wires` has the connections between
hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dispel4py.mappings.base import Mapping, SourceInputs
from dispel4py.mappings.process import available_cores
from dispel4py.mappings.storm.settings import (
    CREATE,
    LOCAL,
    StormOptions,
    nimbus_address,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult


class Storm(Mapping):
    """Runs on Apache Storm, each instance as a task of a spout or a bolt."""

    name = "storm"
    Options = StormOptions
    options: StormOptions
    commands = """\
dispel4py storm --install DIR    install Storm in a folder
dispel4py storm --list           list the runs of a cluster
dispel4py storm --kill NAME      end a run
dispel4py storm --submit FILE    run a topology package"""
    apart = True
    start_s = 15.0

    @classmethod
    def require(cls) -> None:
        """Check that there is a client, and a Storm or the address of a cluster.

        Raises
        ------
        MappingUnavailable
            If one of them is missing.
        """
        from dispel4py.mappings.storm.daemons import storm_home
        from dispel4py.mappings.storm.nimbus import require_client

        require_client()
        if nimbus_address(None) is None:
            storm_home()

    @classmethod
    def expected(cls, wanted: int | None) -> int:
        """Return the wanted number, or one per core of this host."""
        return available_cores() if wanted is None else wanted

    def processes(self, wanted: int | None) -> int:
        """Return the number of instances of each PE.

        Raises
        ------
        MappingUnavailable
            If the chosen cluster cannot be used.
        """
        from dispel4py.mappings.storm.daemons import storm_home
        from dispel4py.mappings.storm.nimbus import require_client

        mode = self.options.chosen_mode
        if mode != CREATE:
            require_client()
        if mode == LOCAL:
            storm_home()
        return self.expected(wanted)

    @classmethod
    def companion(cls, words: Sequence[str]) -> int | None:
        """Run a command without a graph: ``--install``, ``--list``, ``--kill`` ...

        Parameters
        ----------
        words : sequence of str
            The command line after the name of the mapping.
        """
        from dispel4py.mappings.storm.commands import is_command, storm_command

        return storm_command(list(words)) if is_command(words) else None

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Start the topology, gather its results, and end it in any case.

        Raises
        ------
        MappingUnavailable
            If there is no Storm.
        RunError
            If the run failed.
        """
        from dispel4py.mappings.storm.run import run_by_storm

        return run_by_storm(plan, inputs, observers, self.options)
