"""The servers that a mapping needs, started for the measurement."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

__all__ = ["service"]

#: Longest time for the start of a server, in seconds.
START_S = 60.0


def service(mapping: str) -> AbstractContextManager[dict[str, str]]:
    """Start what a mapping needs; the variables of the commands that use it.

    Parameters
    ----------
    mapping : str

    Returns
    -------
    context manager of a dict of str to str
    """
    return _SERVICES.get(mapping, _none)()


@contextmanager
def _none() -> Iterator[dict[str, str]]:
    yield {}


@contextmanager
def _redis() -> Iterator[dict[str, str]]:
    """Start a Redis server on a socket file."""
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError("redis-server is not installed")
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        words = ["--port", "0", "--unixsocket", str(socket), "--save", ""]
        server = subprocess.Popen(
            [program, *words, "--dir", folder], stdout=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + START_S
            while not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            yield {"DISPEL4PY_REDIS_URL": f"unix://{socket}"}
        finally:
            server.terminate()
            server.wait()


@contextmanager
def _dask() -> Iterator[dict[str, str]]:
    """Start a Dask cluster of two workers with two threads each."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield {"DASK_SCHEDULER_ADDRESS": cluster.scheduler_address}


_SERVICES: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {
    "redis": _redis,
    "dask": _dask,
}
