"""The last frames of a process arrive, however late, or a run would wait for ever."""

from __future__ import annotations

import time
from typing import Any

import graphs
import pytest

from dispel4py.base import IterativePE
from dispel4py.mappings import multi
from dispel4py.run import run


class Late(graphs.Items):
    """Gives its items after a while."""

    def __init__(self, seconds: float, *items: Any) -> None:
        super().__init__(*items)
        self.seconds = seconds

    def process(self, inputs: Any) -> Any:
        time.sleep(self.seconds)
        return super().process(inputs)


class Busy(IterativePE):
    """Works long on one of its items, and looks at nothing else meanwhile."""

    def _process(self, data: Any) -> Any:
        time.sleep(1.2 if data == "long" else 0.0)
        return data


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What may take some seconds takes none."""
    monkeypatch.setattr(multi, "_GRACE_SECONDS", 0.05)


def test_the_end_of_a_stream_waits_for_a_full_mailbox(nothing_left):
    """The system keeps ten messages for a process; the eleventh sender has to wait."""
    busy = Busy()
    sources = [Late(0.0, "long"), *(Late(0.4, *range(5)) for _ in range(5)), Late(0.8)]
    graph = graphs.WorkflowGraph()
    for source in sources:
        graph.connect(source, "output", busy, "input")
    result = run(graph, mapping="multi", processes=8)
    assert len(result.output(busy.id)) == 26
