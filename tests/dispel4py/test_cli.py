"""The output and the exit status of the command ``dispel4py``."""

import json
import logging
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from dispel4py import __version__
from dispel4py.cli import main
from dispel4py.errors import InputError
from dispel4py.inputs import read_inputs
from dispel4py.mappings import REGISTRY, parent, worker
from dispel4py.outputs import shorten

WORKFLOW = """
    import logging
    from dispel4py.base import IterativePE, SimpleFunctionPE
    from dispel4py.workflow_graph import WorkflowGraph


    class Reader(IterativePE):
        def _process(self, data):
            self.log(f"reads {data}")
            return data


    class Invert(IterativePE):
        def _process(self, data):
            return 1 / data


    graph = WorkflowGraph()
    graph.connect(Reader(), "output", Invert(), "input")
"""


@pytest.fixture(autouse=True)
def workflow(tmp_path, monkeypatch):
    """Make a folder with a workflow; restore the import state afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    level = logging.getLogger().level
    Path("some_workflow.py").write_text(textwrap.dedent(WORKFLOW))
    yield
    logging.getLogger().setLevel(level)
    sys.modules.pop("some_workflow", None)


def call(line, *more):
    return main([*line.split(), *more])


INPUTS = json.dumps({"Reader": [{"input": 1}, {"input": 4}]})

# --------------------------------------------------------------------- running


@pytest.mark.parametrize("source", ["some_workflow", "some_workflow.py"])
@pytest.mark.parametrize(
    "place", ["simple", "multi -n 1", "multi -n 3", "multi -n 2 --start-method spawn"]
)
def test_run(place, source, capfd):
    mapping, *options = place.split()
    assert main([mapping, source, *options, "-d", INPUTS]) == 0
    printed = capfd.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "Invert1.output: 2 items"
    assert sorted(lines[1:]) == ["  0.25", "  1.0"]
    assert re.search(r"Reader0 +2 +2\nInvert1 +2 +2\n", printed.err)
    assert re.search(r"\d\.\d\d s, \d process", printed.err)


def test_quiet(capfd):
    assert call("simple some_workflow --quiet -d", INPUTS) == 0
    assert capfd.readouterr() == ("", "")


def test_iterations(capfd):
    assert call("simple dispel4py.examples.squares -i 3") == 0
    assert "PE_square1.output: 3 items\n  1\n  4\n  9\n" in capfd.readouterr().out


def test_attribute(capfd):
    assert call("simple dispel4py.examples.split_merge -a halve -i 0") == 0
    assert "PE_half0" in capfd.readouterr().err


def test_skipped_failures_are_listed(capfd):
    inputs = json.dumps({"Reader": [{"input": n} for n in (0, 2, 0)]})
    assert call("simple some_workflow --on-error skip -d", inputs) == 0
    printed = capfd.readouterr()
    assert "skipped: 2\n" in printed.err
    assert printed.err.count("Invert1 (instance 0, process 0) failed in process") == 2
    assert "0.5" in printed.out


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_log_level_reaches_the_workers(method):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "dispel4py", "multi", "some_workflow"),
            *("-n", "2", "--log-level", "info", "--start-method", method),
            *("-d", INPUTS),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"INFO dispel4py.pe: Reader0@\d: reads 4", done.stderr)


# ---------------------------------------------------------------------- inputs


def test_file_counts_before_data_and_data_before_iterations(tmp_path):
    path = tmp_path / "inputs.json"
    path.write_text('{"A": 1}')
    assert read_inputs(str(path), '{"B": 2}', 3) == {"A": 1}
    assert read_inputs(None, '{"B": 2}', 3) == {"B": 2}
    assert read_inputs(None, None, 3) == 3
    assert read_inputs(None, None, None) is None


@pytest.mark.parametrize(
    ("given", "expected_message"),
    [
        (("missing.json", None, None), "-f missing.json: No such file"),
        ((".", None, None), "-f .: Is a directory"),
        (("image.png", None, None), "-f image.png: not UTF-8 text"),
        (("bad.json", None, None), r"-f bad.json: not JSON: .*line 2, column 1"),
        ((None, "{'A': 1}", None), "-d: not JSON: Expecting property name"),
        ((None, "[1]", None), "-d: give an object .* not list"),
        ((None, "3", None), "-d: give an object .* not int"),
        ((None, None, -3), "-i -3: use 0 or more"),
    ],
)
def test_inputs_that_cannot_be_read(given, expected_message):
    Path("image.png").write_bytes(b"\x89PNG")
    Path("bad.json").write_text('{"A":\n')
    with pytest.raises(InputError, match=expected_message):
        read_inputs(*given)


# -------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("line", "expected_message"),
    [
        ("", "give a mapping and a graph"),
        ("smple some_workflow", "unknown mapping 'smple': did you mean 'simple'"),
        ("mapings", "unknown mapping 'mapings': did you mean 'mappings'"),
        ("simple", "required: GRAPH"),
        ("simple some_workflw", "did you mean 'some_workflow'"),
        ("simple some_workflow.px", "there is no module 'some_workflow.px'"),
        ("simple some_workflow -a grph", "did you mean 'graph'"),
        ("simple some_workflow -x", "unrecognized arguments: -x"),
        ("simple some_workflow --quite", "unrecognized arguments: --quite"),
        ("simple some_workflow -i many", "invalid int value: 'many'"),
        ("simple some_workflow -i -1", "-i -1: use 0 or more"),
        ("simple some_workflow -n 0", "use 1 or more"),
        ("multi some_workflow -n 0", "use 1 or more"),
        ("simple some_workflow --on-error stopp", "did you mean 'stop'"),
        ("multi some_workflow --start-method x", "invalid choice: 'x'"),
        ("simple some_workflow -d {", "-d: not JSON"),
        ("simple some_workflow -f none.json", "none.json: No such file"),
        ('multi some_workflow -d {"Raeder":1}', "did you mean 'Reader0'"),
        ("mpi some_workflow", "mpi needs -n N, or 'mpiexec -n N"),
        ("mpi some_workflow -n 0", "1 or more"),
        ("mpi some_workflw -n 2", "did you mean 'some_workflow'"),
        ('mpi some_workflow -n 2 -d {"Raeder":1}', "did you mean 'Reader0'"),
        ("mappings --all", "unrecognized arguments"),
    ],
)
def test_a_mistake_gives_one_line(line, expected_message, capfd):
    assert call(line) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("dispel4py: error: ")
    assert expected_message in printed.err
    assert printed.err.count("\n") == 1


def test_a_mistake_in_the_workflow_names_its_line(capfd):
    text = textwrap.dedent(WORKFLOW).replace('"output"', '"ouput"')
    Path("some_workflow.py").write_text(text)
    assert call("simple some_workflow") == 2
    error = capfd.readouterr().err
    line = 1 + text[: text.index('"ouput"')].count("\n")
    assert f"some_workflow.py, line {line}: Reader has no output 'ouput'" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "expected_message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
        ("import sys\nsys.exit('no data')", "SystemExit: no data"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_workflow_that_raises_shows_where(text, expected_message, capfd):
    Path("raising_workflow.py").write_text(f"x = 1\n{text}\n")
    assert call("simple raising_workflow") == 1
    error = capfd.readouterr().err
    assert "raising_workflow.py" in error
    assert expected_message in error
    assert error.splitlines()[-1].startswith("dispel4py: error: raising_workflow ")
    assert "dispel4py/cli.py" not in error  # of the traceback, only the user's part
    assert "importlib" not in error


def test_a_failed_run(capfd):
    inputs = json.dumps({"Reader": [{"input": 0}]})
    assert call("simple some_workflow -d", inputs) == 1
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "return 1 / data" in printed.err
    assert printed.err.splitlines()[-1] == (
        "dispel4py: error: Invert1 (instance 0, process 0) failed in process on input "
        "'input' = 0: ZeroDivisionError: division by zero"
    )


def test_a_graph_that_cannot_be_sent_gives_one_line(capfd):
    text = """
        import threading

        from dispel4py.base import SimpleFunctionPE
        from dispel4py.workflow_graph import WorkflowGraph

        graph = WorkflowGraph()
        pe = SimpleFunctionPE(abs)
        pe.lock = threading.Lock()
        graph.add(pe)
    """
    Path("locked_workflow.py").write_text(textwrap.dedent(text))
    assert call("multi locked_workflow -n 1 --start-method spawn -i 0") == 1
    error = capfd.readouterr().err
    assert re.match(r"dispel4py: error: the graph cannot be sent to a worker", error)
    assert error.count("\n") == 1


# ---------------------------------------------------------------- what is shown


def test_help_and_version(capfd):
    for line in ("--help", "simple --help", "mappings --help"):
        assert call(line) == 0
        assert capfd.readouterr().out.startswith("usage: dispel4py")
    assert call("--version") == 0
    assert capfd.readouterr().out == f"dispel4py {__version__}\n"


def test_help_of_a_mapping_has_its_options_only(capfd):
    assert call("redis --help") == 0
    output = capfd.readouterr().out
    assert "--lease-s" in output
    assert "--silence-s" in output
    assert "redis --join NAME" in output
    for option in ("--barrier", "--hosts", "--nimbus", "--scheduler"):
        assert option not in output
    # on the command line they are known, so that the message names the mapping
    assert call("redis dispel4py.examples.squares --hosts a,b") == 2
    assert "works with the mapping 'multi' only" in capfd.readouterr().err


def test_mappings(capfd):
    assert call("mappings") == 0
    lines = capfd.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert names == list(REGISTRY)
    assert "cannot run here" not in lines[0]


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (3, "3"),
        ("text", "'text'"),
        (np.arange(3), "<int64 array (3,): 0, 1, 2>"),
        (np.zeros((1000, 1000), "f4"), "<float32 array (1000, 1000): 0.0, 0.0, 0.0,"),
        (np.array(["a"]), "<<U1 array (1,): a>"),
        ([np.zeros(9), 1], "[<float64 array (9,): 0.0, 0.0, 0.0, 0.0, ...>, 1]"),
        ({"a": 1}, "{'a': 1}"),
        ("x" * 10_000, "'xxx"),
        (list(range(10**6)), "[0, 1, 2,"),
        (b"x" * 10_000, "b'xxx"),
    ],
    ids=str,
)
def test_items_are_shown_short(item, text):
    result = shorten(item)
    assert result.startswith(text)
    assert len(result) <= 200


def test_items_that_cannot_be_shown():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    class Lines:
        def __repr__(self):
            return "one\ntwo\n   three"

    assert "Broken" in shorten(Broken())
    assert shorten(Lines()) == "one two three"


def test_many_items_are_counted_and_few_shown(capfd):
    assert call("simple dispel4py.examples.squares -i 100") == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "PE_square1.output: 100 items"
    assert lines[-1] == "  ... and 80 more"
    assert len(lines) == 22


def test_output_whose_reader_has_ended():
    done = subprocess.run(
        f"{sys.executable} -m dispel4py simple dispel4py.examples.squares -i 99 | :",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Error" not in done.stderr


# --------------------------------------------------------------------- quickly


def test_help_comes_at_once():
    """The help imports no package that is slow to import."""
    code = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_module('dispel4py', run_name='__main__')\n"
        "finally:\n"
        "    print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(done.stderr.split())
    assert "dispel4py.command_line" in imported
    slow = {"numpy", "scipy", "obspy", "mpi4py", "multiprocessing", "asyncio"}
    assert not imported & {*slow, "importlib.metadata", "urllib.request", "sqlite3"}


def test_a_small_run_has_no_needless_wait(monkeypatch):
    monkeypatch.setattr(parent, "CHECK_SECONDS", 1e6)
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 1e6)
    assert main(["multi", "dispel4py.examples.word_count", "-n", "4", "--quiet"]) == 0


def test_mappings_starts_no_mpi():
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    code = (
        "import sys; from dispel4py import cli; cli.main(['mappings']); "
        "sys.exit(sys.modules['mpi4py.MPI'].Is_initialized())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mpi " in done.stdout
