"""The ranks of one MPI launcher, which run one graph after the other for the tests."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from dispel4py.run import run, share

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
        For what goes there and what comes back.
    """

    def __init__(self, mpiexec: str, n: int, folder: Path) -> None:
        self._job = folder / f"job-{n}"
        paths = [str(HERE), str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")]
        self._program = subprocess.Popen(
            [mpiexec, "-n", str(n), sys.executable, __file__],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __call__(self, graph: Any, inputs: Any) -> dict[str, dict[str, list[Any]]]:
        """Run a graph; return the outputs that gave something."""
        named = {getattr(pe, "id", pe): given for pe, given in inputs.items()}
        self._job.write_bytes(pickle.dumps((graph, named), 5))
        self._program.stdin.write(f"{self._job}\n".encode())
        self._program.stdin.flush()
        while True:  # what PEs print comes by the same way
            line = self._program.stdout.readline()
            assert line, "the ranks have ended"
            if line == b"done\n":
                return pickle.loads(self._job.read_bytes())

    def close(self) -> None:
        """Let the ranks end."""
        self._program.communicate(timeout=30)
        assert self._program.returncode == 0


def _serve() -> None:
    """Run the work of one rank."""
    while path := share("mpi", sys.stdin.readline).strip():
        graph, inputs = pickle.loads(share("mpi", Path(path).read_bytes))
        result = run(graph, inputs, mapping="mpi")
        if result.complete:
            found = {
                pe_id: {port: items for port, items in ports.items() if items}
                for pe_id, ports in result.outputs.items()
            }
            given = {pe_id: ports for pe_id, ports in found.items() if ports}
            Path(path).write_bytes(pickle.dumps(given, 5))
            sys.stdout.write("done\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _serve()
