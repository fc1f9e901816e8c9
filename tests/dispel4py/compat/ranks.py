"""The ranks of one MPI launcher, which run one graph after the other for the tests.

Each rank waits for the next graph at a named pipe of its own: a rank that waits for
other ranks uses the processor.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dispel4py.mappings.mpi.world import world
from dispel4py.run import run

HERE = Path(__file__).resolve().parent


class Ranks:
    """Starts the ranks; call it with a graph and its inputs.

    Parameters
    ----------
    mpiexec : str
        Path of the launcher.
    n : int
        How many.
    folder : Path
        Folder for graphs and results.
    """

    def __init__(self, mpiexec: str, n: int, folder: Path) -> None:
        own = Path(tempfile.mkdtemp(dir=folder))
        self._job, self._pipes = own / "job", []
        for rank in range(n):
            os.mkfifo(own / f"{rank}")
            self._pipes.append(os.open(own / f"{rank}", os.O_RDWR))
        paths = [str(HERE), str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")]
        self._program = subprocess.Popen(
            [mpiexec, "-n", str(n), sys.executable, __file__, str(own)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def __call__(self, graph: Any, inputs: Any) -> dict[str, dict[str, list[Any]]]:
        """Run a graph; return the outputs with items."""
        named = {getattr(pe, "id", pe): given for pe, given in inputs.items()}
        self._job.write_bytes(pickle.dumps((graph, named), 5))
        for pipe in self._pipes:
            os.write(pipe, f"{self._job}\n".encode())
        while True:  # the output that PEs print is in the same stream
            line = self._program.stdout.readline()
            assert line, "the ranks have ended"
            if line == b"done\n":
                return pickle.loads(self._job.read_bytes())

    def close(self) -> None:
        """Let the ranks end."""
        for pipe in self._pipes:
            os.close(pipe)
        self._program.communicate(timeout=100)
        assert self._program.returncode == 0


def _serve(folder: str) -> None:
    """Run the work of one rank."""
    with open(f"{folder}/{world().rank}") as pipe:
        for line in pipe:
            _run(Path(line.strip()))


def _run(path: Path) -> None:
    graph, inputs = pickle.loads(path.read_bytes())
    result = run(graph, inputs, mapping="mpi")
    if result.complete:
        output = {
            pe_id: {port: items for port, items in ports.items() if items}
            for pe_id, ports in result.outputs.items()
        }
        given = {pe_id: ports for pe_id, ports in output.items() if ports}
        path.write_bytes(pickle.dumps(given, 5))
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
