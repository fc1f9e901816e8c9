"""Compiled parts of scipy without the packages around them.

`scipy.fft` brings special functions and much else: a fifth of a second, in which ten
days of a channel are filtered.
"""

import importlib
import sys
from functools import cache
from importlib.machinery import ExtensionFileLoader, PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import scipy


@cache
def compiled(name: str) -> Any:
    """Return a compiled module of scipy, by its file where its package is not loaded.

    It is entered under its name, so that the package, loaded later, takes the same.
    Where there is no such file, the import goes the usual way.

    Parameters
    ----------
    name : str
        Below ``scipy``: ``"fft._pocketfft.pypocketfft"``. It must need numpy alone.
    """
    full, package = f"scipy.{name}", f"scipy.{name}".rpartition(".")[0]
    if package not in sys.modules and full not in sys.modules:
        folder = Path(scipy.__file__).parent.joinpath(*name.split(".")[:-1])
        spec = PathFinder.find_spec(full, [str(folder)])
        if spec is not None and isinstance(spec.loader, ExtensionFileLoader):
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            return sys.modules.setdefault(full, module)
    return importlib.import_module(full)
