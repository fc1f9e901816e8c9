"""Python programs that read files for this process, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

__all__ = ["start_python"]


def start_python(program: str, **options: Any) -> subprocess.Popen[Any]:
    """Start a program that imports modules from the same folders as this process.

    It imports none from the working folder: a file ``numpy.py`` there never runs.
    Folders with relative names are left out, because they lie in the working folder.

    Parameters
    ----------
    program : str
        The text of the program.
    **options : object
        Options of `subprocess.Popen`. Both pipes to the program are open.
    """
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [*filter(os.path.isabs, sys.path), here]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(folders)
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        **options,
    )
