"""What the tests of compatibility share: PEs as users write them, two mappings."""

import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from dispel4py.new import multi_process, simple_process

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:  # workers that are not forked look for `users_pes` too
    sys.path.insert(0, str(HERE))

from queues import drained  # noqa: E402 - found by that path


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
