"""The library that counts calls on files: it is compiled, and loaded before others."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.disk_faults.trials import LIBRARY

__all__ = ["preloaded_library"]

SOURCE = Path(__file__).with_name("library.c")


@contextlib.contextmanager
def preloaded_library() -> Iterator[dict[str, str]]:
    """Compile the library; give the variables for the environment of a program."""
    with tempfile.TemporaryDirectory() as folder:
        library = str(Path(folder) / "disk_faults.so")
        compiling = ["gcc", "-O1", "-shared", "-fPIC", "-o", library, str(SOURCE)]
        subprocess.run([*compiling, "-ldl"], check=True)
        yield {"LD_PRELOAD": library, LIBRARY: library, "OMP_NUM_THREADS": "1"}
