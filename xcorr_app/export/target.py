"""Where an export goes: checked before, whole or absent after, with progress."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dispel4py.errors import ParameterError
from xcorr_app.correlation import Correlation
from xcorr_app.store import Store

__all__ = ["Names", "Progress", "about", "each", "new_file", "new_folder"]

Progress = Callable[[int, int], None]


@contextlib.contextmanager
def new_file(dest: str | os.PathLike[str], force: bool, kind: str) -> Iterator[Path]:
    """Give a path to write to, and make it ``dest`` once it is whole.

    Raises
    ------
    ParameterError
        If ``dest`` is there already and ``force`` is not given, or is a folder.
    """
    path = Path(dest)
    if path.is_dir():
        raise ParameterError(f"{path}: is a folder; {kind} needs the name of a file")
    if path.exists() and not force:
        raise ParameterError(f"{path}: is there already; --force replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def new_folder(dest: str | os.PathLike[str], force: bool, kind: str) -> Path:
    """Make the folder ``dest``.

    Raises
    ------
    ParameterError
        If it is a file, or has something in it and ``force`` is not given.
    """
    folder = Path(dest)
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"{folder}: is a file; {kind} needs the name of a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ParameterError(f"{folder}: is not empty; --force writes into it")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def each(
    store: Store, stack: str | None, progress: Progress | None
) -> Iterator[Correlation]:
    """Yield the correlations of a stack, telling how far it is."""
    total = int(np.count_nonzero(store.windows(stack)["part"] >= 0))
    for done, correlation in enumerate(store.correlations(stack), start=1):
        yield correlation
        if progress is not None:
            progress(done, total)


def about(store: Store, stack: str | None) -> dict[str, str]:
    """Return what a file of exported correlations tells of its origin."""
    return {
        "title": "Cross-correlations of ambient noise",
        "lags": "positive: the wave reaches the second channel later",
        "stack": store.default_stack if stack is None else stack,
        "created": store.created,
        "configuration": json.dumps(store.config),
        "software": json.dumps(store.software),
    }


class Names:
    """Which pair has which name in the export; other programs know fewer than we do."""

    def __init__(self, program: str) -> None:
        self.program = program
        self._taken: dict[str, str] = {}

    def claim(self, name: str, correlation: Correlation) -> str:
        """Return the name, or refuse it where it means another pair already.

        Raises
        ------
        ParameterError
            If two pairs have one name.
        """
        if self._taken.setdefault(name, correlation.name) != correlation.name:
            raise ParameterError(
                f"{self._taken[name]} and {correlation.name} are both {name} to "
                f"{self.program}: correlate one kind of channel a run (--channels)"
            )
        return name
