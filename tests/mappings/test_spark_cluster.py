"""The mapping ``spark`` on a standalone cluster on this host: a master, two workers."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kansas
import pytest
from programs import SHORT_JAVA, environment

from dispel4py.errors import MappingUnavailable
from dispel4py.mappings import mapping_class
from xcorr_app import cli

#: Longest time, in seconds, for the start of the cluster; an idle machine needs 10.
START_SECONDS = 180
#: Longest time, in seconds, for a program; an idle machine needs 25.
LONGEST_SECONDS = 400

pytestmark = pytest.mark.timeout(500)


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a master and two workers with one core each; return the address."""
    try:
        mapping_class("spark").require()
    except MappingUnavailable as reason:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("cluster")
    with contextlib.ExitStack() as stack:
        log = daemon(stack, folder, "master.Master", "--port", "0")
        address = wait_for(log, r"Starting Spark master at (spark://\S+)")
        logs = [
            daemon(
                *(stack, folder, "worker.Worker", "--cores", "1", "--memory", "1g"),
                *("--work-dir", str(folder / f"work{k}"), address),
            )
            for k in (1, 2)
        ]
        for log in logs:
            wait_for(log, "Successfully registered with master")
        yield address


def daemon(stack: contextlib.ExitStack, folder: Path, name: str, *words: str) -> Path:
    """Start a daemon of Spark on a free port of the loopback; return its log."""
    import pyspark

    home = Path(pyspark.__file__).parent
    log = folder / f"{name}-{len(list(folder.iterdir()))}.log"
    program = subprocess.Popen(
        [
            *(home / "bin" / "spark-class", f"org.apache.spark.deploy.{name}"),
            *("--host", "127.0.0.1", "--webui-port", "0", *words),
        ],
        env=variables() | {"SPARK_DAEMON_MEMORY": "256m", "SPARK_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=stack.enter_context(log.open("w")),
    )
    stack.callback(program.wait)
    stack.callback(program.kill)
    return log


def wait_for(log: Path, pattern: str) -> str:
    """Return the last group of a pattern, when it stands in a log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if match := re.search(pattern, log.read_text()):
            return match[match.lastindex or 0]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def variables() -> dict[str, str]:
    return environment() | SHORT_JAVA | {"SPARK_LOCAL_IP": "127.0.0.1"}


def python(*words: str, **more: str) -> str:
    """Run Python, and return its standard output."""
    done = subprocess.run(
        [sys.executable, *words],
        env=variables() | more,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


WORKFLOW = """
import os, signal
from pathlib import Path
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph

class Numbers(ProducerPE):
    def _process(self, inputs):
        for number in range(2000):
            self.write("output", (number % 7, number))

class Killer(IterativePE):
    def __init__(self, mark):
        super().__init__()
        self.mark = mark
    def _process(self, item):
        if item[1] == 1500 and not Path(self.mark).exists():
            Path(self.mark).touch()
            server = os.getppid()  # it forks the Python processes of an executor
            status = Path(f"/proc/{server}/stat").read_text()
            os.kill(int(status.rpartition(") ")[2].split()[1]), signal.SIGKILL)
        return item

class Sums(IterativePE):
    def __init__(self):
        super().__init__()
        self._add_input("input", grouping=[0])
        self.sums = {}
    def _process(self, item):
        self.sums[item[0]] = self.sums.get(item[0], 0) + item[1]
    def postprocess(self):
        for entry in self.sums.items():
            self.write("output", entry)

def make():
    graph = WorkflowGraph()
    killer, sums = Killer(MARK), Sums()
    graph.connect(Numbers(), "output", killer, "input")
    graph.connect(killer, "output", sums, "input")
    return graph
"""


#: Runs commands one after the other with one connection to the cluster: each new one
#: starts three Java programs. `barrier` starts all processes at the same time, for
#: which xcorr-app has no option.
PROGRAM = """
import contextlib, functools, io, json, sys
from dispel4py import cli as dispel4py
from xcorr_app import cli as xcorr_app, workflow

def ended(main, words):
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = main(words)
    return status, output.getvalue(), errors.getvalue()

def barrier(words):
    together = functools.partial(workflow.run_graph, barrier=True)
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, workflow, "run_graph", workflow.run_graph)
        workflow.run_graph = together
        return xcorr_app.main(words)

mains = {"xcorr_app": xcorr_app.main, "barrier": barrier, "dispel4py": dispel4py.main}
results = [ended(mains[words[0]], words[1:]) for words in json.loads(sys.argv[1])]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def ended(
    master: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """Run all commands; return the status, output and errors of each, and a folder."""
    folder = tmp_path_factory.mktemp("commands")
    conf = folder / "conf"
    conf.mkdir()
    settings = f"spark.master {master}\nspark.ui.enabled false\n"
    (conf / "spark-defaults.conf").write_text(settings)
    killing = folder / "killing.py"
    killing.write_text(f"MARK = {str(folder / 'killed')!r}\n{WORKFLOW}")
    commands = {}
    with contextlib.suppress(pytest.skip.Exception):  # without real data
        correlate = kansas.words(request.getfixturevalue("shared_data"), folder)
        how = ("--mapping", "spark", "-n", "2", "--out")
        commands = {
            "stages": ["xcorr_app", *correlate, *how, str(folder / "stages")],
            "barrier": ["barrier", *correlate, *how, str(folder / "barrier")],
        }
    words = ("dispel4py", "spark", "dispel4py.examples.word_count", "--barrier")
    commands["too few"] = [*words, "-n", "3"]
    commands["killed"] = ["dispel4py", "spark", str(killing), "-n", "2", "-a", "make"]
    text = json.dumps(list(commands.values()))
    output = python("-c", PROGRAM, text, SPARK_CONF_DIR=str(conf))
    results = json.loads(output.splitlines()[-1])
    return dict(zip(commands, results, strict=True)) | {"folder": folder}


@pytest.mark.parametrize("how", ["stages", "barrier"])
def test_kansas_equals_the_simple_mapping(how, ended, shared_data, tmp_path):
    status, _, errors = ended[how]
    assert status == 0, errors
    words = kansas.words(shared_data, tmp_path)
    assert cli.main([*words, "--out", str(tmp_path / "here")]) == 0
    kansas.assert_same(ended["folder"] / how, tmp_path / "here")


def test_a_barrier_needs_a_core_for_each_process(ended):
    status, _, errors = ended["too few"]
    assert status == 2, errors
    message = "3 processes need a core of Spark each, and there are 2: use -n"
    assert message in errors


def test_a_killed_executor_is_replaced(ended):
    status, output, errors = ended["killed"]
    assert status == 0, errors
    assert (ended["folder"] / "killed").exists()
    expected = {(k, sum(range(k, 2000, 7))) for k in range(7)}
    lines = [line.strip() for line in output.splitlines()[1:]]
    assert sorted(lines) == sorted(map(str, expected))


SHIPPED = """
import sys
from dispel4py.base import ProducerPE
from dispel4py.workflow_graph import WorkflowGraph
import shipped_module

class Where(ProducerPE):
    def _process(self, inputs):
        self.write("output", [sys.executable, shipped_module.__file__])

graph = WorkflowGraph()
graph.add(Where())
"""


def test_the_environment_is_sent_to_the_executors(master, tmp_path):
    pytest.importorskip("venv_pack", reason="venv-pack is not installed")
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    paths = [p for p in sys.path if p and Path(p).is_dir()]
    # a small archive, whose packages are those of this host
    (site / "here.pth").write_text(f"import sys; sys.path += {paths}\n")
    archive = tmp_path / "environment.tar.gz"
    python("-m", "venv_pack", "-p", str(folder), "-o", str(archive), "-q")
    (tmp_path / "shipped_module.py").write_text("")
    modules = tmp_path / "modules.zip"
    with zipfile.ZipFile(modules, "w") as file:
        file.write(tmp_path / "shipped_module.py", "shipped_module.py")
    workflow = tmp_path / "shipped.py"
    workflow.write_text(SHIPPED)
    output = python(
        *("-m", "dispel4py", "spark", str(workflow), "--master", master),
        *("--environment", str(archive), "--py-files", str(modules)),
    )
    program, module = json.loads(output.splitlines()[1].replace("'", '"'))
    assert program.endswith("environment/bin/python")
    assert module.endswith("modules.zip/shipped_module.py")
