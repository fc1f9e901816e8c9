"""Optional packages, and the extra of this distribution that installs each."""

from __future__ import annotations

import importlib
from typing import Any

from dispel4py.errors import ParameterError

__all__ = ["EXTRAS", "optional"]

# For each module: the extra that installs it, and the feature that needs it.
EXTRAS = {
    "pymseed": ("mseed3", "miniSEED 3"),
    "seedlink_client": ("live", "SeedLink"),
    "fsspec": ("cloud", "files behind a URL"),
    "s3fs": ("cloud", "files behind an s3:// URL"),
    "xarray": ("xarray", "the view of correlations as labelled arrays"),
}


def optional(module: str) -> Any:
    """Import an optional package.

    Parameters
    ----------
    module : str
        One of `EXTRAS`.

    Raises
    ------
    ParameterError
        If it is not installed; the message names the extra that installs it.

    Examples
    --------
    >>> sorted(EXTRAS)
    ['fsspec', 'pymseed', 's3fs', 'seedlink_client', 'xarray']
    """
    extra, purpose = EXTRAS[module]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ParameterError(
            f"{purpose} needs the package {module}: "
            f"pip install 'dispel4py-seismo[{extra}]'"
        ) from error
