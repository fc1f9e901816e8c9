"""Topology packages: everything that a cluster needs to run a graph, in one zip file.

It has the job (the pickled graph with its inputs and options), the program of the
components, and files of the user. Storm calls such a file a jar.
"""

from __future__ import annotations

import io
import os
import sys
import zipfile
from pathlib import Path

from dispel4py.errors import InputError
from dispel4py.file_search import files_below
from dispel4py.mappings.job import dump_job, load_job
from dispel4py.mappings.process import seed_of_hashes
from dispel4py.mappings.storm.component import StormJob
from dispel4py.mappings.storm.topology import JOB, PROGRAM

#: The folder from which Storm starts components.
_FOLDER = "resources"
_START = """\
import os, sys
sys.path.insert(0, os.getcwd())
from dispel4py.mappings.storm.start import main
main()
"""
#: Each component has one thread of its own for arrays: there is one for each instance.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def make_package(job: StormJob, resources: str | None) -> bytes:
    """Return a topology package.

    Parameters
    ----------
    job : StormJob
    resources : str or None
        Folder of files for the components.

    Raises
    ------
    ItemError
        If the job cannot be pickled.
    OSError
        If a file of the folder cannot be read.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(f"{_FOLDER}/{PROGRAM}", _START)
        package.writestr(f"{_FOLDER}/{JOB}", dump_job(job, "storm", has_main=False))
        if resources is not None:
            for path in files_below(Path(resources), _refuse, hidden=True):
                name = path.relative_to(resources).as_posix()
                package.write(path, f"{_FOLDER}/{name}")
    return content.getvalue()


def _refuse(error: OSError) -> None:
    raise error


def read_job(path: str) -> StormJob:
    """Return the job of a topology package.

    Parameters
    ----------
    path : str

    Raises
    ------
    InputError
        If it is no topology package.
    """
    try:
        with zipfile.ZipFile(path) as package:
            text = package.read(f"{_FOLDER}/{JOB}")
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path} is no topology package: {error}") from None
    job: StormJob = load_job(text)
    return job


def environment(python: str | None) -> dict[str, str]:
    """Return the variables of components, by which they find our modules.

    Parameters
    ----------
    python : str or None
        Python on the hosts of the cluster, if it is not this one: it has other modules.
    """
    variables = {**dict.fromkeys(_THREADS, "1"), **seed_of_hashes()}
    if python is None:
        own = tuple(os.path.realpath(p) for p in (sys.prefix, sys.base_prefix))
        folders = [os.path.abspath(folder) for folder in [*sys.path, ""]]
        ours = [f for f in folders if not os.path.realpath(f).startswith(own)]
        variables["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(ours))
    return variables
