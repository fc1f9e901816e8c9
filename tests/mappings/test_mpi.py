"""Tests of the mapping mpi alone; the tests of all mappings are in other modules."""

from __future__ import annotations

import errno
import json
import mmap
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from dispel4py.errors import MappingUnavailable, ParameterError
from dispel4py.mappings.deaths import files_of_killed
from dispel4py.mappings.mpi import launch as launching
from dispel4py.mappings.mpi import world
from dispel4py.mappings.threads import _THREAD_VARIABLES

pytest.importorskip("mpi4py", reason="mpi4py is not installed")

SHARED = Path("/dev/shm")
LAUNCHER_VARIABLES = (
    *launching.SIZE_VARIABLES,
    *("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK"),
)

#: Beginning of each program that the tests run under mpiexec.
HEADER = """
import json, os, signal, sys, time
from dispel4py.base import ConsumerPE, IterativePE, ProducerPE, SimpleFunctionPE
from dispel4py.core import GenericPE
from dispel4py.errors import UserError
from dispel4py.mappings.mpi.world import world
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph


class Source(GenericPE):
    def __init__(self, items):
        GenericPE.__init__(self)
        self._add_output("output")
        self.items = items

    def process(self, inputs):
        for item in self.items:
            self.write("output", item)


class Pass(IterativePE):
    def _process(self, data):
        return data


def chain(*pes):
    graph = WorkflowGraph()
    for first, second in zip(pes, pes[1:]):
        graph.connect(first, "output", second, "input")
    return graph


def tell(**report):
    sys.stdout.write(json.dumps(report) + "\\n")  # in one piece
    sys.stdout.flush()

"""


class Ended(NamedTuple):
    status: int
    stdout: str
    stderr: str

    @property
    def reports(self) -> list[dict[str, Any]]:
        lines = self.stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture
def program(tmp_path):
    """Write a program; return its path."""

    def write(text: str) -> Path:
        path = tmp_path / "program.py"
        path.write_text(HEADER + textwrap.dedent(text))
        return path

    return write


def clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in LAUNCHER_VARIABLES}


def execute(*command: Any, **variables: str) -> Ended:
    done = subprocess.run(
        [str(word) for word in command],
        env=clean_environment() | variables,
        capture_output=True,
        text=True,
        timeout=100,  # the program hangs; on a busy machine a few seconds are normal
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def mpiexec(n: int, path: Path, *arguments: Any) -> Ended:
    return execute(launching.find_mpiexec(), "-n", n, sys.executable, path, *arguments)


def launch(n: int, path: Path) -> Ended:
    """Run a program under the launcher of the commands, in a process of its own."""
    code = (
        "import sys; from dispel4py.mappings.mpi.launch import launch; "
        f"sys.exit(launch({n}, [sys.executable, {str(path)!r}]))"
    )
    return execute(sys.executable, "-c", code)


# ---------------------------------------------------------------- what is right


def test_several_runs_and_results_on_rank_0(program):
    path = program("""
        for k in range(3):
            sink = Pass()
            result = run(chain(Source(range(100)), Pass(), sink), mapping="mpi")
            tell(rank=world().rank, complete=result.complete, counts=result.counts,
                 items=result.output(sink.id), n=result.n_processes)
    """)
    done = mpiexec(3, path)
    assert done.status == 0, done.stderr
    assert done.stderr == ""
    reports = sorted(done.reports, key=lambda report: report["rank"])
    assert [report["complete"] for report in reports] == [True] * 3 + [False] * 6
    for report in reports[:3]:
        assert report["items"] == list(range(100))
        assert [n for n, _ in report["counts"].values()] == [1, 100, 100]
        assert report["n"] == 3
    assert reports[-1]["items"] == []
    assert sum(len(report["counts"]) for report in reports[3:]) == 6


def test_group_by_strings_is_the_same_on_every_rank(program):
    path = program("""
        words = [(f"key{k % 7}", k) for k in range(210)]
        class Where(GenericPE):
            def __init__(self):
                GenericPE.__init__(self)
                self._add_input("input", grouping=[0])
                self._add_output("output")
            def process(self, inputs):
                return {"output": (inputs["input"][0], self.rank)}
        source, where = Source(words), Where()
        graph, between = WorkflowGraph(), Pass()
        between.numprocesses, where.numprocesses = 2, 2
        graph.connect(source, "output", between, "input")
        graph.connect(between, "output", where, "input")
        result = run(graph, mapping="mpi")
        if result.complete:
            seen = result.output(where.id)
            tell(n=len(seen), places=sorted(set(seen)))
    """)
    done = mpiexec(5, path)
    assert done.status == 0, done.stderr
    (report,) = done.reports
    assert report["n"] == 210
    assert len(report["places"]) == 7
    assert len({rank for _, rank in report["places"]}) == 2


def test_large_arrays_from_all_to_all(program):
    path = program("""
        import numpy as np
        N, SIZE = 2, 1_000_000
        class Arrays(GenericPE):
            def __init__(self):
                GenericPE.__init__(self)
                self._add_input("input", grouping="all")
                self._add_output("output")
            def process(self, inputs):
                array = inputs["input"] if self.inputs_are_arrays else None
                if array is None:
                    out = np.empty(SIZE)
                    for k in range(N):
                        out[:] = k + 10 * self.rank
                        self.write("output", out)
                    out[:] = -1.0
                else:
                    assert array.shape == (SIZE,)
                    assert array[0] == array[-1] == array.min() >= 0.0
                    array += 1.0
                    self.write("output", array)
        first, second, third = Arrays(), Arrays(), Arrays()
        first.inputs_are_arrays = False
        second.inputs_are_arrays = third.inputs_are_arrays = True
        total = SimpleFunctionPE(lambda array: float(array[0]))
        graph = chain(Source([0]), first, second, third, total)
        graph.partitions = [list(graph.sorted_pes())]
        result = run(graph, mapping="mpi")
        if result.complete:
            tell(sums=sorted(result.output(total.id)))
    """)
    done = mpiexec(5, path)
    assert done.status == 0, done.stderr
    first = [k + 10 * rank for k in range(2) for rank in range(5)]
    (report,) = done.reports
    assert report["sums"] == sorted(v + 2.0 for v in first * 25)


def test_frames_keep_their_order_and_their_content(program):
    path = program("""
        import math, random
        import dispel4py.mappings.mpi.post as module
        from dispel4py.mappings.mpi.post import MPIPost
        module._PIECE = 70_000
        here = world()
        comm = here.library.COMM_WORLD.Dup()
        post, chance = MPIPost(here.library, comm), random.Random(7)
        def content(source, k):
            chance = random.Random(1000 * source + k)
            head = bytes([source, k]) * chance.choice([1, 5, 20_000, 90_000])
            sizes = chance.choices([0, 10, 65_536, 300_000], k=chance.randrange(4))
            return head, [bytes([n % 251]) * n for n in sizes]
        peers = [r for r in range(here.size) if r != here.rank]
        for k in range(40):
            head, buffers = content(here.rank, k)
            for peer in peers:
                changing = [bytearray(buffer) for buffer in buffers]
                post.send(peer, head, changing)
                for buffer in changing:
                    buffer[:] = bytes(len(buffer))
        expected = {peer: 0 for peer in peers}
        while any(k < 40 for k in expected.values()):
            frame = post.receive(5.0)
            head, buffers = content(frame.source, expected[frame.source])
            assert bytes(frame.head) == head
            assert [bytes(b) for b in frame.buffers] == buffers
            expected[frame.source] += 1
        assert post.receive(0.01) is None
        post.deliver(math.inf)
        here.meet(comm)
        tell(ok=True)
    """)
    done = mpiexec(3, path)
    assert done.status == 0, done.stderr
    assert done.reports == [{"ok": True}] * 3


def test_a_waiting_rank_does_not_burn_a_core(program):
    path = program("""
        class Slow(IterativePE):
            def _process(self, data):
                if data is not None:
                    time.sleep(0.5)
                return data
        def timed(label, work):
            began = time.process_time()
            work()
            tell(label=label, rank=world().rank, cpu=time.process_time() - began)
        world()
        timed("run", lambda: run(chain(Source([1, 2]), Slow(), Pass()), mapping="mpi"))
        if world().rank == 0:
            time.sleep(0.8)  # the others are at their exit
        began = time.process_time()
        import atexit
        atexit._run_exitfuncs()
        tell(label="exit", rank=world().rank, cpu=time.process_time() - began)
    """)
    done = mpiexec(3, path)
    assert done.status == 0, done.stderr
    assert len(done.reports) == 6
    # of 1 s and of 0.8 s; a spinning rank takes most of it
    assert [report for report in done.reports if report["cpu"] > 0.4] == []


def test_ranks_share_the_cores(program):
    path = program("""
        import numpy
        from threadpoolctl import threadpool_info
        from dispel4py.mappings.process import available_cores
        class Look(Pass):
            def _process(self, data):
                variable = os.environ["OMP_NUM_THREADS"]
                threads = [library["num_threads"] for library in threadpool_info()]
                tell(cores=available_cores(), variable=variable, n=threads)
        run(chain(Source([1]), Look()), mapping="mpi")
    """)
    pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    unset = dict.fromkeys(_THREAD_VARIABLES, "")
    done = execute(launching.find_mpiexec(), "-n", 2, sys.executable, path, **unset)
    assert done.status == 0, done.stderr
    (report,) = done.reports
    share = max(1, report["cores"] // 2)
    assert report["variable"] == str(share)
    assert max(report["n"], default=1) <= share


def test_runs_follow_runs_and_all_ranks_get_the_result(program):
    path = program("""
        from dispel4py.run import share
        n = 2
        for _ in range(4):
            graph = chain(Source(range(n)), Pass(), Pass())
            result = run(graph, mapping="mpi")
            outputs = share("mpi", lambda: sorted(result.output("Pass2")))
            assert outputs == list(range(n)), outputs
            n += 10 * len(outputs)
        tell(n=n, whole=result.complete)
    """)
    done = mpiexec(4, path)
    assert done.status == 0, done.stderr
    assert [report["n"] for report in done.reports] == [2 * 11**4] * 4
    assert sum(report["whole"] for report in done.reports) == 1


def test_share_calls_once(program):
    path = program("""
        from dispel4py.mappings import get_mapping
        mapping = get_mapping("mpi")
        def fail():
            raise UserError("no such file")
        value = mapping.share(lambda: [os.getpid()])
        try:
            mapping.share(fail)
        except UserError as error:
            tell(value=value, error=str(error), rank=world().rank)
        run(chain(Source([1]), Pass()), mapping="mpi")
    """)
    done = mpiexec(3, path)
    assert done.status == 0, done.stderr
    assert len({report["value"][0] for report in done.reports}) == 1
    assert [report["error"] for report in done.reports] == ["no such file"] * 3


# ---------------------------------------------------------------- what goes wrong

FAILING = {
    "raises in the middle": (
        "class Bad(Pass):\n"
        "    def _process(self, data):\n"
        "        return data if data < 3 else 1 / 0\n"
        "graph = chain(Source(range(9)), Bad(), Pass())\n",
        "Bad1 (instance 0, process 1) failed in process on input 'input' = 3: "
        "ZeroDivisionError: division by zero",
    ),
    "the leaf raises": (
        "class Bad(Pass):\n"
        "    def _process(self, data):\n"
        "        raise ValueError('no good')\n"
        "graph = chain(Source(['a', 'b']), Pass(), Bad())\n",
        "Bad2 (instance 0, process 2) failed in process on input 'input' = 'a': "
        "ValueError: no good",
    ),
    "the source raises on rank 0": (
        "class Bad(ProducerPE):\n"
        "    def _process(self, inputs):\n"
        "        raise OSError('disk') from KeyError(7)\n"
        "graph = chain(Bad(), Pass(), Pass())\n",
        "Bad0 (instance 0, process 0) failed in process on {}: OSError: disk "
        "(from KeyError: 7)",
    ),
    "exits": (
        "class Bad(Pass):\n"
        "    def _process(self, data):\n"
        "        sys.exit(0)\n"
        "graph = chain(Source([1]), Bad(), Pass())\n",
        "Bad1 (instance 0, process 1) failed in process on input 'input' = 1: "
        "SystemExit: 0",
    ),
    "cannot be pickled": (
        "class Bad(Pass):\n"
        "    def _process(self, data):\n"
        "        return lambda: data\n"
        "graph = chain(Source([1]), Bad(), Pass())\n",
        "Bad1 (instance 0, process 1) failed in process on input 'input' = 1: "
        "ItemError: a function cannot be sent to another process",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_on_any_rank_is_reported_once_and_ends_all_ranks(program, name):
    text, summary = FAILING[name]
    done = mpiexec(3, program(f"{text}run(graph, mapping='mpi')\n"))
    assert done.status == 1, done.stderr
    assert done.stderr.count(summary) == 1, done.stderr
    assert "Traceback" in done.stderr


def test_a_failure_reaches_the_observers_of_rank_0(program):
    path = program("""
        class Bad(Pass):
            def _process(self, data):
                raise ValueError(data)
        class Watching:
            def failed(self, failure):
                tell(pe=failure.pe_id, rank=world().rank)
        graph = chain(Source([1]), Pass(), Bad())
        run(graph, mapping="mpi", observers=[Watching()])
    """)
    done = mpiexec(3, path)
    assert (done.status, done.reports) == (1, [{"pe": "Bad2", "rank": 0}])


def test_ctrl_c_of_any_rank_reaches_the_observers_of_rank_0(program):
    path = program("""
        class Stopped(Pass):
            def _process(self, data):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(100)
        class Watching:
            def interrupted(self, error):
                tell(error=type(error).__name__, rank=world().rank)
        graph = chain(Source([1]), Pass(), Stopped())
        run(graph, mapping="mpi", observers=[Watching()])
    """)
    done = mpiexec(3, path)
    report = {"error": "KeyboardInterrupt", "rank": 0}
    assert (done.status, done.reports) == (130, [report])


def test_one_rank_raises_as_other_mappings_do(program):
    path = program("""
        from dispel4py.errors import RunError
        bad = SimpleFunctionPE(lambda item: 1 / item)
        try:
            run(chain(Source([0]), bad), mapping="mpi")
        except RunError as error:
            tell(text=str(error))
    """)
    for done in (mpiexec(1, path), execute(sys.executable, path)):
        assert (done.status, done.stderr) == (0, "")
        assert "ZeroDivisionError" in done.reports[0]["text"]


KILLED = """
    class Bad(Pass):
        def _process(self, data):
            if data == "seven":
                {how}
            return data
    items = ["five", "six", "seven", "eight"]
    run(chain(Source(items), Bad(), Pass()), mapping="mpi")
"""


@pytest.mark.parametrize("start", [mpiexec, launch])
def test_a_killed_rank_is_named(program, start, nothing_left):
    if not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no process descriptors")
    how = "time.sleep(0.3); os.kill(os.getpid(), signal.SIGKILL)"
    done = start(3, program(KILLED.format(how=how)))
    assert done.status == 1 if start is launch else done.status != 0
    summary = (
        "Bad1 (instance 0, process 1) failed in process on input 'input' = 'seven': "
    )
    assert done.stderr.count(summary) == 1, done.stderr
    assert "killed" in done.stderr.partition(summary)[2]


def test_a_rank_that_leaves_within_a_run_ends_it(program):
    done = mpiexec(3, program(KILLED.format(how="time.sleep(0.3); os._exit(0)")))
    assert done.status != 0


@pytest.mark.parametrize(
    ("how", "status"), [("sys.exit(2)", 2), ("raise OSError('disk')", 1)]
)
def test_a_rank_that_leaves_before_the_run_ends_it(program, how, status):
    path = program(f"""
        import dispel4py.mappings.mpi.world as module
        module._LEAVING_SECONDS = 0.5
        if world().rank == 1:
            {how}
        run(chain(Source([1]), Pass()), mapping="mpi")
    """)
    done = mpiexec(3, path)
    assert done.status == status, done.stderr
    assert ("OSError: disk" in done.stderr) == (status == 1)


@pytest.mark.parametrize("failing", [[1], [0], [0, 1, 2]])
def test_a_graph_that_cannot_be_loaded_on_one_rank_ends_all(tmp_path, failing):
    """Before, the other ranks waited in MPI_Init for ever; no launcher noticed it."""
    path = tmp_path / "only_here.py"
    path.write_text(
        "import os\n"
        "from dispel4py.examples.graph_testing.pipeline_test import graph\n"
        f"if int(os.environ['PMI_RANK']) in {failing}:\n"
        "    raise OSError('no such library on this host')\n"
    )
    mpi = [launching.find_mpiexec(), "-n", 3, sys.executable, "-m", "dispel4py", "mpi"]
    done = execute(*mpi, path, "-i", 5)
    assert done.status == (1 if len(failing) == 3 else 2), done.stderr
    assert "cannot be imported: OSError: no such library on this host" in done.stderr
    assert ("error: rank 1:" in done.stderr) == (failing == [1])


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    "others",
    ["run(chain(Source([1]), Pass()), mapping='mpi')", "share('mpi', lambda: 1)"],
)
def test_a_rank_that_leaves_between_runs_ends_the_others(program, others, rank):
    """Before, the ranks waited for each other for ever."""
    path = program(f"""
        from dispel4py.run import share
        run(chain(Source([1]), Pass()), mapping="mpi")
        if world().rank == {rank}:
            sys.exit(3)
        {others}
    """)
    done = mpiexec(3, path)
    assert done.status == 2, done.stderr
    assert (
        f"rank {rank} has ended its program while other ranks continue" in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_ranks_with_different_steps_are_reported(program):
    path = program("""
        from dispel4py.run import share
        try:
            if world().rank:
                share("mpi", lambda: 1)
            run(chain(Source([1]), Pass()), mapping="mpi")
        except UserError as error:
            tell(text=str(error))
            sys.exit(2)
    """)
    done = mpiexec(2, path)
    assert done.status == 2
    text = "some ranks begin a run, others call 'share'"
    assert [report["text"] for report in done.reports] == [text] * 2


def test_a_mistake_of_the_user_on_every_rank_keeps_its_status(program):
    path = program("""
        try:
            run(chain(Source([1]), Pass()), mapping="mpi", processes=3)
        except UserError as error:
            tell(kind=type(error).__name__, text=str(error))
            sys.exit(2)
    """)
    done = mpiexec(2, path)
    assert done.status == 2
    assert [report["kind"] for report in done.reports] == ["ParameterError"] * 2
    assert "3 processes" in done.reports[0]["text"]
    assert "started 2" in done.reports[0]["text"]
    alone = execute(sys.executable, path)
    assert "mpiexec -n 3" in alone.reports[0]["text"]


def test_different_graphs_are_refused(program):
    path = program("""
        pes = [Pass() for _ in range(1 + world().rank)]
        try:
            run(chain(Source([1]), *pes), mapping="mpi")
        except UserError as error:
            tell(text=str(error))
            sys.exit(2)
    """)
    done = mpiexec(2, path)
    assert done.status == 2
    assert [report["text"][:35] for report in done.reports] == [
        "the ranks have different graphs: bu"
    ] * 2


def test_the_launcher_of_another_mpi_is_refused(program):
    path = program("""
        try:
            run(chain(Source([1]), Pass()), mapping="mpi")
        except UserError as error:
            tell(kind=type(error).__name__, text=str(error))
    """)
    done = execute(sys.executable, path, OMPI_COMM_WORLD_SIZE="4")
    assert done.stderr == ""
    (report,) = done.reports
    assert report["kind"] == "MappingUnavailable"
    assert "the launcher belongs to Open MPI" in report["text"]


# ---------------------------------------------------------------- the launcher


def test_ranks_that_do_not_find_each_other_name_their_library(monkeypatch):
    """The launcher of MPICH starts them; each of them is alone in Open MPI."""
    library = SimpleNamespace(
        COMM_WORLD=SimpleNamespace(size=1),
        Get_library_version=lambda: "Open MPI v4.1.4, package: Debian",
    )
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(MappingUnavailable, match=r"2 processes \(PMI_SIZE\).* of Open"):
        world._check_size(library)
    monkeypatch.setenv("PMI_SIZE", "1")
    world._check_size(library)


def test_launched_by_mpi(monkeypatch):
    for name in LAUNCHER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not launching.launched_by_mpi()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert not launching.launched_by_mpi()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "8")
    assert launching.launched_by_mpi()
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS")
    monkeypatch.setenv("PMI_RANK", "0")
    assert launching.launched_by_mpi()


def test_without_mpiexec(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MappingUnavailable, match=r"dispel4py-seismo\[mpi\]"):
        launching.launch(2, ["true"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no /dev/shm")
def test_files_of_killed_ranks_are_found():
    """MPICH's file is found, unless it is older or a process has mapped it."""
    path = SHARED / f"mpich_shm_test_{os.getpid()}_0"
    before = time.time() - 1.0
    path.write_bytes(bytes(4096))
    try:
        assert str(path) in files_of_killed(before)
        assert str(path) not in files_of_killed(time.time() + 1.0)
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 4096):
            assert str(path) not in files_of_killed(before)
    finally:
        path.unlink()


@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no /dev/shm")
def test_files_stay_if_the_processes_cannot_be_listed(monkeypatch):
    """Any process may have mapped them."""
    path = SHARED / f"mpich_shm_test_{os.getpid()}_1"
    scan = os.scandir

    def fail(folder):
        if str(folder) == "/proc":
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return scan(folder)

    before = time.time() - 1.0
    path.write_bytes(bytes(4096))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", fail)
            launching._clear_up(before)
        assert path.exists()
    finally:
        path.unlink()


def test_launch_needs_a_process():
    with pytest.raises(ParameterError, match="1 or more, not 0"):
        launching.launch(0, ["true"])


def test_launch_returns_the_status(program):
    done = launch(2, program("tell(size=world().size)"))
    assert (done.status, done.reports) == (0, [{"size": 2}] * 2)
    assert launch(2, program("sys.exit(2)")).status == 2


@pytest.mark.parametrize(
    "ending", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"]
)
def test_no_rank_outlives_the_launcher(program, ending):
    path = program("""
        class Slow(Pass):
            def _process(self, data):
                print("pid", os.getpid(), flush=True)
                time.sleep(60)
        run(chain(Source([1]), Slow()), mapping="mpi")
    """)
    code = (
        "import sys; from dispel4py.mappings.mpi.launch import launch; "
        f"launch(2, [sys.executable, {str(path)!r}])"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        line = started.stdout.readline()
        assert line.startswith("pid "), (line, started.stderr.read())
        started.send_signal(ending)
        _, stderr = started.communicate(timeout=100)
    if ending == signal.SIGINT:
        assert stderr.count("KeyboardInterrupt") == 1, stderr
    deadline = time.monotonic() + 60.0
    while Path(f"/proc/{int(line[4:])}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert time.monotonic() < deadline


@pytest.mark.parametrize("rank", [0, 2])
def test_a_silent_rank_ends_the_run(program, rank):
    """A stopped rank is as silent as a rank on a host that is cut off."""
    path = program(
        f"""
def stop(pe):
    if world().rank == {rank}:
        os.kill(os.getpid(), signal.SIGSTOP)

for kind in (Source, Pass):
    kind.preprocess = stop
run(chain(Source(range(5)), Pass(), Pass()), mapping="mpi", silence_s=1.5)
"""
    )
    done = mpiexec(3, path)
    assert done.status
    assert done.stderr.count(f"nothing has come from rank {rank} on ") == 1


def test_long_calls_are_not_silent(program):
    path = program(
        """
class Slow(Pass):
    def _process(self, data):
        time.sleep(1.5)
        return data

last = Pass()
result = run(chain(Source(range(2)), Slow(), last), mapping="mpi", silence_s=0.5)
if result.complete:
    print(sorted(result.output(last.id)))
"""
    )
    done = mpiexec(3, path)
    assert done.stderr == ""
    assert done.stdout == "[0, 1]\n"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_holds_the_interpreter_is_not_silent(program, rank):
    """Its heartbeats are late, and it is not stopped."""
    path = program(
        f"""
import ctypes
sleep = ctypes.PyDLL(None).usleep  # a function of C that holds the interpreter

class BusySource(Source):
    def process(self, inputs):
        if world().rank == {rank}:
            sleep(900_000)
            sleep(900_000)
        Source.process(self, inputs)

class Busy(Pass):
    def _process(self, data):
        if world().rank == {rank}:
            sleep(900_000)
        return data

last = Pass()
result = run(chain(BusySource(range(3)), Busy(), last), mapping="mpi", silence_s=0.4)
if result.complete:
    print(sorted(result.output(last.id)))
"""
    )
    done = mpiexec(3, path)
    assert done.stderr == ""
    assert done.stdout == "[0, 1, 2]\n"
