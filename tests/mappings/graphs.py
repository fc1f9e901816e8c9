"""The graphs of `dispel4py.testing.conformance`, and a graph of waveforms.

Run as a program, this module runs all cases: with one start of Python, or of MPI.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dispel4py.base import ProducerPE, SimpleFunctionPE
from dispel4py.testing.conformance import CASES, case, outcome, run_all
from dispel4py.testing.conformance.elements import (
    Add,
    Gather,
    Items,
    Join,
    Pass,
    Range,
    Total,
    alone,
    chain,
)
from dispel4py.testing.conformance.failures import Fragile
from dispel4py.testing.conformance.results import freeze, multisets, sequences
from dispel4py.workflow_graph import WorkflowGraph

__all__ = [
    "CASES",
    "FEW",
    "Add",
    "Fragile",
    "Gather",
    "Items",
    "Join",
    "Pass",
    "Range",
    "Total",
    "WorkflowGraph",
    "alone",
    "chain",
    "freeze",
    "multisets",
    "outcome",
    "sequences",
]

#: Cases for mappings that need more than a tenth of a second for a run: all kinds of
#: calls, groupings, items, shapes and failures that a mapping can treat in a wrong way.
FEW = (
    *("many_writes_per_call", "no_items_at_all", "none_is_an_item"),
    *("outputs_that_lead_nowhere", "source_with_inputs", "source_never_called"),
    *("sources_with_inputs_of_their_own", "failures_are_listed"),
    *("what_was_written_before_a_failure_stays", "round_robin", "group_by_odd_keys"),
    *("group_by_unhashable_keys", "grouping_all", "grouping_by_function_to_several"),
    *("sums_of_sums", "large_arrays", "arrays_of_every_kind"),
    *("sender_reuses_a_small_buffer", "partitions_with_sizes"),
    *("unpicklable_state_made_in_preprocess", "order_of_large_and_small"),
    *("postprocess_order", "tee_to_one_that_spoils", "the_same_edge_twice", "diamond"),
    *("graphs_apart", "composite_fed_by_two_sources"),
)


class Traces(ProducerPE):
    """Sends obspy streams."""

    def _process(self, inputs: Any) -> None:
        from obspy import Stream, Trace, UTCDateTime

        for day in range(3):
            header = {
                "network": "XX",
                "station": f"S{day}",
                "channel": "BHZ",
                "starttime": UTCDateTime(2022, 5, 17 + day),
                "sampling_rate": 20.0,
            }
            data = np.arange(20_000, dtype=np.float32) + day
            self.write("output", Stream([Trace(data, header)]))


def demean(stream: Any) -> Any:
    return stream.copy().detrend("demean")


@case(at_most=2)
def waveforms() -> Any:
    import obspy  # noqa: F401 - once, and not in each process

    return chain(Traces(), SimpleFunctionPE(demean), Pass()), None


if __name__ == "__main__":
    run_all(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
