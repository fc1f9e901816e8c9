"""What the tests of compatibility share: PEs as users write them, two mappings."""

import queue
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from dispel4py.new import multi_process, simple_process

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:  # workers that are not forked look for `users_pes` too
    sys.path.insert(0, str(HERE))


def drained(results):
    """Everything in a queue of results, its end marker left out."""
    found = []
    while True:
        entry = results.get_nowait()
        if entry == multi_process.STATUS_TERMINATED:
            with pytest.raises(queue.Empty):
                results.get_nowait()
            return found
        found.append(entry)


def through_multi(graph, inputs, n=None):
    """What `process_and_return` gives, by processes."""
    n = n or len(graph.pes)
    args = SimpleNamespace(num=n, simple=False, results=True)
    outputs = defaultdict(lambda: defaultdict(list))
    for pe_id, port, item in drained(multi_process.process(graph, inputs, args)):
        outputs[pe_id][port].append(item)
    return {pe_id: dict(ports) for pe_id, ports in outputs.items()}


@pytest.fixture(params=["simple", "multi"])
def returned(request):
    """Run a graph, by ``returned(graph, inputs)``; one process per PE in `multi`."""
    return {"simple": simple_process.process_and_return, "multi": through_multi}[
        request.param
    ]
