"""Functions of all mappings of dispel4py 1.x: inputs, command line, wrapper."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from dispel4py.core import WRITER, GenericPE
from dispel4py.errors import InputError, RunError, UserError
from dispel4py.new.assignment import (
    _assign_processes,
    _connect,
    _is_root,
    assign_and_connect,
    get_inputs,
    get_partitions,
)
from dispel4py.new.communication import (
    AllToOneCommunication,
    GroupByCommunication,
    OneToAllCommunication,
    ShuffleCommunication,
)
from dispel4py.new.logger import simple_logger, write_line
from dispel4py.new.mappings import config
from dispel4py.new.partitioned import (
    SimpleProcessingPE,
    create_partitioned,
    map_inputs_to_partitions,
)
from dispel4py.utils import load_graph
from dispel4py.workflow_graph import WorkflowGraph

__all__ = [
    "STATUS",
    "STATUS_ACTIVE",
    "STATUS_INACTIVE",
    "STATUS_TERMINATED",
    "AllToOneCommunication",
    "GenericWrapper",
    "GenericWriter",
    "GroupByCommunication",
    "OneToAllCommunication",
    "ShuffleCommunication",
    "SimpleProcessingPE",
    "_assign_processes",
    "_connect",
    "_is_root",
    "assign_and_connect",
    "complete_inputs",
    "create_arg_parser",
    "create_inputs",
    "create_partitioned",
    "get_inputs",
    "get_partitions",
    "load_graph_and_inputs",
    "main",
    "map_inputs_to_partitions",
    "parse_common_args",
    "simpleLogger",
    "simple_logger",
]

STATUS_ACTIVE = 10
STATUS_INACTIVE = 11
STATUS_TERMINATED = 12
STATUS = {
    STATUS_ACTIVE: "ACTIVE",
    STATUS_INACTIVE: "INACTIVE",
    STATUS_TERMINATED: "TERMINATED",
}

simpleLogger = simple_logger

# --------------------------------------------------------------------- inputs


def complete_inputs(workflow: WorkflowGraph, inputs: Any) -> Any:
    """Return ``inputs`` with a number of calls for the sources without inputs.

    A source with input ports is then not called; a source without input ports is called
    once.
    """
    completed = dict(inputs)
    for root in workflow.roots():
        if get_inputs(root, inputs) is None:
            completed[root] = 0 if root.inputconnections else 1
    return completed


def create_inputs(args: Any, graph: WorkflowGraph) -> dict[Any, Any]:
    """Return the inputs in a command line, by PE id.

    Parameters
    ----------
    args : object
        Its attribute ``file`` (path of a JSON file), or else ``data`` (JSON text), or
        else ``iter`` (number of calls of each source) is used.
    graph : WorkflowGraph

    Raises
    ------
    InputError
        If they cannot be read.
    """
    if args.file:
        try:
            text = Path(args.file).read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"File '{args.file}': {error.strerror}") from None
        given = _parse(text, args.file)
    elif args.data:
        given = _parse(args.data, "the inputs")
    else:
        given = {pe.id: args.iter for pe in graph.roots()}
    inputs: dict[Any, Any] = dict(given)
    for pe in graph.pes:
        for key in (pe, pe.name):
            if key in inputs:
                inputs[pe.id] = inputs[key]
    for pe in graph.pes:
        inputs.pop(pe, None)
        if pe.name != pe.id:
            inputs.pop(pe.name, None)
    return inputs


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        inputs = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON: {error}") from None
    if not isinstance(inputs, dict):
        raise InputError(f"{where}: an object of PE names is needed")
    return inputs


def load_graph_and_inputs(args: Any) -> tuple[WorkflowGraph, dict[Any, Any]]:
    """Return the graph ``args.attr`` of the module ``args.module``, and its inputs."""
    graph = load_graph(args.module, args.attr)
    graph.flatten()
    return graph, create_inputs(args, graph)


# --------------------------------------------------------------- command line


def create_arg_parser() -> argparse.ArgumentParser:
    """Return the parser of the options of all mappings."""
    parser = argparse.ArgumentParser(description="Run a dispel4py graph.")
    add = parser.add_argument
    add("target", help="mapping: simple, multi, mpi, or a module")
    add("module", help="Python module or file with the graph")
    add("-a", "--attr", metavar="NAME", help="variable of the module: the graph")
    add("-f", "--file", metavar="FILE", help="JSON file of inputs")
    add("-d", "--data", metavar="JSON", help="inputs of each PE")
    add("-i", "--iter", metavar="N", type=int, default=1, help="calls of each source")
    return parser


def parse_common_args() -> tuple[argparse.Namespace, list[str]]:
    """Return the common options, and the other words of the command line."""
    return create_arg_parser().parse_known_args()


def main() -> int:
    """Run the graph and the mapping that the command line names.

    Returns
    -------
    int
        The exit status: 0; 1 if the run failed; 2 for a mistake in the call.
    """
    args, remaining = parse_common_args()
    try:
        graph, inputs = load_graph_and_inputs(args)
        target = importlib.import_module(config.get(args.target, args.target))
        if hasattr(target, "parse_args"):
            args = target.parse_args(remaining, args)
        message = target.process(graph, inputs=inputs, args=args)
    except (UserError, RunError) as error:
        sys.stderr.write(f"dispel4py: error: {error}\n")
        return 2 if isinstance(error, UserError) else 1
    if isinstance(message, str):
        write_line(message)
    return 0


# -------------------------------------------------------------------- wrapper


class GenericWriter:
    """Sends the items of an output to the wrapper of its PE."""

    def __init__(self, wrapper: GenericWrapper, name: str) -> None:
        self.wrapper, self.name = wrapper, name

    def write(self, data: Any) -> None:
        """Send one item."""
        self.wrapper._write(self.name, data)


class GenericWrapper:
    """Runs one PE for a mapping of another package: override ``_read`` and ``_write``.

    Attributes
    ----------
    pe : GenericPE
    provided_inputs : int, list or None
        The calls of a source; None if the PE is not a source.
    targets, sources : dict
        Results of `assign_and_connect` for one process.
    """

    def __init__(self, pe: GenericPE) -> None:
        self.pe = pe
        self.provided_inputs: Any = None
        self.targets: dict[str, Any] = {}
        self._sources: dict[str, list[int]] = {}
        self._num_sources = 0
        pe.wrapper = self
        for name, port in pe.outputconnections.items():
            port[WRITER] = GenericWriter(self, name)

    @property
    def sources(self) -> dict[str, list[int]]:
        """Processes that send to each input."""
        return self._sources

    @sources.setter
    def sources(self, sources: dict[str, list[int]]) -> None:
        self._sources = sources
        self._num_sources = sum(map(len, sources.values()))

    def process(self) -> None:
        """Call the PE with all inputs that `_read` returns."""
        self.pe.preprocess()
        inputs, status = self._read()
        while status != STATUS_TERMINATED:
            if inputs is not None:
                outputs: Any = self.pe.process(inputs) or {}
                for name, data in outputs.items():
                    self._write(name, data)
            inputs, status = self._read()
        self.pe.postprocess()
        self._terminate()

    def _read(self) -> Any:
        """Return ``(inputs, status)``; None if the PE is not a source."""
        if self.provided_inputs is None:
            return None
        if isinstance(self.provided_inputs, int):
            self.provided_inputs = range(self.provided_inputs)
        if not self.provided_inputs:
            return None, STATUS_TERMINATED
        first, self.provided_inputs = self.provided_inputs[0], self.provided_inputs[1:]
        return ({} if isinstance(first, int) else first), STATUS_ACTIVE

    def _write(self, name: str, data: Any) -> None:
        """Override: send one item of an output."""

    def _terminate(self) -> None:
        """Override: inform the receivers that this PE has ended."""


if __name__ == "__main__":
    sys.exit(main())
