"""The results of a run, without those that come twice."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import Any

from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.storm.component import SKIPPED
from dispel4py.mappings.storm.frames import FrameId, read_content
from dispel4py.mappings.wire import ITEM_SKIPPED
from dispel4py.message import Unreadable


class Results:
    """Gives each result to the collector once.

    Parameters
    ----------
    collector : Collector
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._names: dict[int, dict[int, set[FrameId]]] = defaultdict(dict)
        self._low: dict[int, int] = defaultdict(int)
        # items of sources: they have no names, but come in order
        self._n_taken: dict[tuple[int, int], int] = defaultdict(int)

    def take(self, source: int, name: FrameId | None, low: int, text: bytes) -> None:
        """Take the results of an instance.

        Parameters
        ----------
        source : int
            The instance, by index.
        name : tuple or None
            The name of the frame; None if the instance is a source.
        low : int
            Frames of the same way with smaller numbers do not come again.
        text : bytes
            The results.
        """
        if name is not None and self._is_known(name, low):
            return
        for route, first, items in read_content(io.BytesIO(text)).items():
            if name is None:
                n_known = self._n_taken[source, route] - first
                items = items[max(0, n_known) :]
                self._n_taken[source, route] += len(items)
            self._collect(source, route, items)

    def _is_known(self, name: FrameId, low: int) -> bool:
        source, number = name[:2]
        numbers = self._names[source]
        low = self._low[source] = max(low, self._low[source])
        for past in [past for past in numbers if past < low]:
            del numbers[past]
        if number < low:
            return True
        names = numbers.setdefault(number, set())
        is_known = name in names
        names.add(name)
        return is_known

    def _collect(self, source: int, route: int, items: list[Any]) -> None:
        if route != SKIPPED:
            self._collector.take_items(Key(source, route, COLLECTOR), items)
            return
        for skipped in items:
            if type(skipped) is Unreadable:
                raise skipped.error
            failure, item = skipped
            self._collector.take_report(source, ITEM_SKIPPED, failure, item)
