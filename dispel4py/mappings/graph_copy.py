"""The graph of a run as bytes, for workers in other processes and on other hosts."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from dispel4py.errors import InputError
from dispel4py.mappings.job import dump_job, load_job
from dispel4py.mappings.process import enter_folder


def pack(job: Any, mapping: str) -> bytes:
    """Return a job, the present folder, and those in which modules are found.

    Parameters
    ----------
    job : object
        The work of all workers.
    mapping : str
        Name of the mapping, for the message.

    Raises
    ------
    ItemError
        If the job cannot be pickled.
    """
    modules = [os.path.abspath(folder) for folder in sys.path]
    folders = json.dumps([os.getcwd(), *modules])
    return folders.encode() + b"\n" + dump_job(job, mapping, has_main=False)


def unpack(content: bytes) -> Any:
    """Return the job; this process works in the folder of the run from now on.

    Modules are found in the folders of the run, too.

    Raises
    ------
    InputError
        If a module is absent here.
    """
    folders, _, job = content.partition(b"\n")
    here, *modules = json.loads(folders)
    enter_folder(here)
    sys.path.extend(folder for folder in modules if folder not in sys.path)
    try:
        return load_job(job)
    except ImportError as error:
        raise InputError(
            f"the graph of the run needs a module that is not on this host: {error}; "
            "put its folder into PYTHONPATH"
        ) from error
