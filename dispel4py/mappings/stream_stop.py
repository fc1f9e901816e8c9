"""The early end of a stream, which a PE requests by `GenericPE.stop_stream`.

The sources whose items reach the PE get no more inputs, and a source that is in a call
ends at its next item. All other PEs continue until their inputs end, as in any run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dispel4py.instance import Instance
from dispel4py.mappings.channel import Post
from dispel4py.mappings.feeding import Feeder
from dispel4py.mappings.sources import Sources
from dispel4py.mappings.wire import STREAM_STOPPED, pack
from dispel4py.plan import Plan


class StreamStop:
    """Stops sources of one process, and informs the other processes.

    Parameters
    ----------
    plan : Plan
    instances : mapping
        The instances of this process, by index.
    sources : Sources
        Their tasks.
    process, root : int
        This process, and the process that gathers the results.
    post : Post
        Sends frames to the other processes.
    """

    def __init__(
        self,
        plan: Plan,
        instances: Mapping[int, Instance],
        sources: Sources,
        process: int,
        root: int,
        post: Post,
    ) -> None:
        self._plan, self._process, self._post = plan, process, post
        self._instances, self._sources = instances, sources
        self._others = {*range(plan.n_processes), root} - {process}

    def stop(self, pe_index: int) -> None:
        """Stop all sources whose items reach a PE, in every process."""
        pes = sources_of(self._plan, pe_index)
        for process in sorted(self._others):
            self._post.send(process, pack(STREAM_STOPPED, pes))
        self.take_in(pes)

    def take_in(self, pes: Iterable[int]) -> None:
        """Stop the instances of these sources in this process."""
        for spec in self._plan.in_process(self._process):
            if spec.pe_index in pes:
                self._instances[spec.index].outputs.stop()
        self._sources.stop(pes)


def sources_of(plan: Plan, pe_index: int) -> tuple[int, ...]:
    """Return the sources whose items reach a PE, or the PE itself if it is a source.

    Parameters
    ----------
    plan : Plan
    pe_index : int
        The PE.
    """
    found, waiting = {pe_index}, [pe_index]
    while waiting:
        pe = waiting.pop()
        feeders = {r.source_pe for r in plan.routes if r.destination_pe == pe}
        waiting += feeders - found
        found |= feeders
    return tuple(sorted(found.intersection(plan.roots())))


def stop_feeders(feeders: Iterable[Feeder], pes: Iterable[int]) -> None:
    """Send no more inputs to these sources, only the end of the stream.

    Parameters
    ----------
    feeders : iterable of Feeder
    pes : iterable of int
        The sources.
    """
    for feeder in feeders:
        if feeder.pe_index in pes:
            feeder.stop()
