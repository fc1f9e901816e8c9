"""The mapping ``redis``: workers that join and leave a run, around a Redis server.

What enters: a plan and its inputs. What leaves: the result of the run. `streams` says
which queues of items a plan has, `parcels` encodes items, `contents` keeps large ones
beside the queues, `tasks` is the work that a worker takes, `ledger` has all commands
for the server, `scripts` the commands that the server executes as one step, `giving`
sends the inputs, `desk` is an instance at a worker, `saving` its state, `moving` what
observers need to follow it, `worker` the loop of a worker, `joining` the command that
adds workers, and `run` the process that gathers the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dispel4py.mappings.base import Mapping, SourceInputs
from dispel4py.mappings.process import available_cores
from dispel4py.mappings.redis.server import require_client
from dispel4py.mappings.redis.settings import RedisOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult


class Redis(Mapping):
    """Runs on workers that may join and leave during the run, by a Redis server."""

    name = "redis"
    Options = RedisOptions
    options: RedisOptions
    commands = "dispel4py redis --join NAME [--url URL] [-n N]   add workers to a run"
    start_s = 0.5

    @classmethod
    def require(cls) -> None:
        """Check that the package of the client is installed.

        Raises
        ------
        MappingUnavailable
            If it is not installed.
        """
        require_client()

    @classmethod
    def expected(cls, wanted: int | None) -> int:
        """Return the wanted number, or one per core."""
        return available_cores() if wanted is None else wanted

    @classmethod
    def companion(cls, words: Sequence[str]) -> int | None:
        """Run ``dispel4py redis --join NAME``: workers for a run of another command.

        Parameters
        ----------
        words : sequence of str
            The command line after the name of the mapping.
        """
        if not any(word.partition("=")[0] == "--join" for word in words):
            return None
        from dispel4py.mappings.redis.joining import join_command

        return join_command(list(words))

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Start the local workers, gather the results, and end the run in any case.

        Raises
        ------
        MappingUnavailable
            If there is no server, or it cannot be used.
        RunError
            If the run failed.
        """
        from dispel4py.mappings.redis.run import run_by_redis

        return run_by_redis(plan, inputs, observers, self.options)
