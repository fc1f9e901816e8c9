"""The inputs of the sources, sent to the server as fast as they are used."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.feeding import Feed
from dispel4py.mappings.redis.contents import Output, output_of
from dispel4py.mappings.redis.ledger import Ledger
from dispel4py.mappings.redis.parcels import Parcel, Place
from dispel4py.mappings.redis.streams import Stream, stream_names
from dispel4py.plan import Plan

#: Parcels of inputs that wait at the server for each source; an iterator is read only
#: as fast as its inputs are used.
_PARCELS_WAITING = 4
#: Most inputs in a parcel.
_MOST_INPUTS = 50


class Giver:
    """Sends the inputs of one source to the server, as fast as they are used.

    Parameters
    ----------
    ledger : Ledger
    streams : list of str
        The streams of its instances.
    inputs : iterator
        Inputs of single calls.
    n_each : int
        Largest number of inputs in a parcel.
    """

    def __init__(
        self, ledger: Ledger, streams: list[str], inputs: Iterator[Any], n_each: int
    ) -> None:
        self._ledger, self.streams = ledger, streams
        self._inputs, self._n_each = inputs, n_each
        self._waiting: deque[Output] = deque()
        self._n_given = 0
        self.is_over = False

    def give(self, stopped: set[str]) -> bool:
        """Send a parcel if there is room; return whether there was one.

        Parameters
        ----------
        stopped : set of str
            The sources that get no more inputs.
        """
        if stopped.issuperset(self.streams):
            self.is_over = True
            return False
        lengths = self._ledger.lengths(self.streams)
        if min(lengths) >= _PARCELS_WAITING:
            return False
        if not self._waiting:
            inputs = list(itertools.islice(self._inputs, self._n_each))
            if not inputs:
                for stream in self.streams:
                    self._ledger.end_inputs(stream)
                self.is_over = True
                return False
            parcel = Parcel("", Place(None, None, self._n_given))
            for call in inputs:
                parcel.add(call)
            self._n_given += len(inputs)
            self._waiting.append(output_of("", parcel.to_bytes()))
        # kept until the server has it: it may be full now
        self._ledger.push(self.streams[lengths.index(min(lengths))], self._waiting[0])
        self._waiting.popleft()
        return True


def _calls(stream: Stream, inputs: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the inputs of single calls: one input, unless the PE is a source."""
    for call in inputs:
        given = {} if isinstance(call, int) else call
        if stream.is_source:
            yield given
        else:
            yield from ({name: item} for name, item in given.items())


def make_givers(
    plan: Plan, streams: dict[str, Stream], inputs: SourceInputs, ledger: Ledger
) -> list[Giver]:
    """Return a giver for each list of inputs, and for each iterator.

    Parameters
    ----------
    plan : Plan
    streams : dict
        The streams by name.
    inputs : dict
        Instance (by index) to its inputs.
    ledger : Ledger
    """
    names = stream_names(plan)
    givers: list[Giver] = []
    feeds: dict[int, tuple[Feed, list[str]]] = {}
    for index, source_inputs in inputs.items():
        if isinstance(source_inputs, Feed):
            feeds.setdefault(id(source_inputs), (source_inputs, []))[1].append(
                names[index]
            )
        else:
            calls = _calls(streams[names[index]], source_inputs)
            givers.append(Giver(ledger, [names[index]], calls, _MOST_INPUTS))
    givers += [
        Giver(ledger, found, _calls(streams[found[0]], feed), 1)
        for feed, found in feeds.values()
    ]
    given = {name for giver in givers for name in giver.streams}
    for name, stream in streams.items():
        if stream.is_source and name not in given:
            givers.append(Giver(ledger, [name], iter(()), 1))
    return givers
