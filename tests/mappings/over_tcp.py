"""Tests that mappings over TCP share: processes that end in the middle of a run."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import graphs

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph

#: Cases of the conformance tests, one of each kind: a start takes a second.
CASES = (
    *("tee_to_one_that_spoils", "diamond", "group_by_odd_keys", "grouping_all"),
    *("source_with_inputs", "unpicklable_state_made_in_preprocess"),
    *("arrays_of_every_kind", "failures_are_listed"),
)


class Numbers(ProducerPE):
    """Sends 0 to 999, slowly."""

    def _process(self, inputs: Any) -> None:
        for number in range(1000):
            self.write("output", number)
            time.sleep(0.001)


class Ends(IterativePE):
    """Ends or stops its process or the parent of it, or fails, at item 70."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def _process(self, number: Any) -> Any:
        if number == 70:
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
            if self.how == "exits":
                os._exit(0)
            if self.how == "without its parent":
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(30)
            raise ValueError("seventy")
        return number


def ending(how: str) -> WorkflowGraph:
    """Return a graph whose second PE ends at item 70."""
    return graphs.chain(Numbers(), Ends(how), graphs.Pass())


#: How it ends, and the message of the run.
ENDS = [
    ("killed", r"Ends1 .* failed in process on input 'input' = 70: killed by"),
    ("fails", r"Ends1 .* failed in process on input 'input' = 70: ValueError: seventy"),
    ("stopped", r"Ends1 .* failed in process on input 'input' = 70: stopped for"),
    ("exits", r"Ends1 .* on input 'input' = 70: .* ended with exit status 0"),
    ("without its parent", r"(localhost|127.0.0.1).*: the connection was lost"),
]
