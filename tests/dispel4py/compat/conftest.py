"""Fixtures of the tests of compatibility: PEs as users write them, three mappings."""

import shutil
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from dispel4py.new import multi_process, simple_process

HERE = Path(__file__).resolve().parent
MOST_LAUNCHERS = 3
if str(HERE) not in sys.path:  # workers that are not forked look for `users_pes` too
    sys.path.insert(0, str(HERE))

from queues import drained  # noqa: E402 - found by that path
from ranks import Ranks  # noqa: E402


def through_simple(graph, inputs, n=None):
    """Run by `process_and_return`, which ignores the number of processes."""
    return simple_process.process_and_return(graph, inputs)


def through_multi(graph, inputs, n=None):
    """Run in several processes, by default one per PE."""
    n = n or len(graph.pes)
    args = SimpleNamespace(num=n, simple=False, results=True)
    outputs = defaultdict(lambda: defaultdict(list))
    for pe_id, port, item in drained(multi_process.process(graph, inputs, args)):
        outputs[pe_id][port].append(item)
    return {pe_id: dict(ports) for pe_id, ports in outputs.items()}


@pytest.fixture(scope="module")
def through_mpi(tmp_path_factory):
    """Run under MPI; the launchers used last wait for the next graph."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("there is no mpiexec")
    folder, started = tmp_path_factory.mktemp("ranks"), {}

    def through_mpi(graph, inputs, n=None):
        n = n or len(graph.pes)
        ranks = started.pop(n, None) or Ranks(mpiexec, n, folder)
        started[n] = ranks
        if len(started) > MOST_LAUNCHERS:
            started.pop(next(iter(started))).close()
        return ranks(graph, inputs)

    yield through_mpi
    for ranks in started.values():
        ranks.close()


@pytest.fixture(params=["simple", "multi", "mpi"])
def returned(request):
    """Run a graph, by ``returned(graph, inputs, n=None)``."""
    if request.param == "mpi":
        return request.getfixturevalue("through_mpi")
    return {"simple": through_simple, "multi": through_multi}[request.param]
