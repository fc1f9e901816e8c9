"""The examples in the docstrings run."""

import doctest
import importlib
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("dispel4py", "seismo_pes", "xcorr_app", "misfit_app")
OPTIONAL = {"mpi4py"}


def module_names():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[-1] != "__main__":
                yield ".".join(parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", sorted(module_names()))
def test_examples_run(name, tmp_path, monkeypatch):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"{error.name} is not installed")
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for docstring in doctest.DocTestFinder().find(module):
        if docstring.examples:  # else it takes milliseconds, too
            runner.run(docstring)
    assert runner.failures == 0, f"{runner.failures} examples of {name} fail"
    assert dict(os.environ) == before
