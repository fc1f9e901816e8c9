"""Count the modules and containers that the data of a trace pass from file to HDF5.

    python tools/trace_walk.py

The script correlates one day of two synthetic stations, with a band-pass filter and
whitening, in one process. A profile function lists the modules of seismo_pes and
xcorr_app whose functions run between the first call of ReadWaveforms and the last call
of WriteCorrelations. It also lists the classes, our own and those of obspy, whose
objects hold samples, spectra or correlations in that time. Code that runs during an
import does not count.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from xcorr_app import cli
from xcorr_app.synthetic import Network, make_archive

ROOMS = ("seismo_pes.", "xcorr_app.")
FIRST, LAST = "ReadWaveforms", "WriteCorrelations"
NETWORK = Network(n_stations=2, hours=24, rate_hz=4.0)
OPTIONS = [
    *("--bandpass-hz", "0.1", "1.0"),
    *("--whiten", "band", "--whiten-hz", "0.1", "1.0"),
    *("--window-s", "1800", "--max-lag-s", "60", "--quiet", "--mapping", "simple"),
]
# Arrays with fewer numbers hold times, shapes or limits; a window has more samples.
MIN_SAMPLES = 100
DEPTH = 4  # levels of containers in containers that are searched
MEMBERS = 10  # members of a list that are searched: the others are of the same class


class Walk:
    """A profile function that notes modules and containers.

    Attributes
    ----------
    modules, containers : set of str
        Up to the last call of the writer.
    """

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.containers: set[str] = set()
        self._seen_modules: set[str] = set()
        self._seen_containers: set[str] = set()
        self._is_on_way = False
        self._n_imports = 0

    def __call__(self, frame: FrameType, event: str, result: Any) -> None:
        """Note one call or return."""
        if frame.f_code.co_name == "<module>":
            self._n_imports += {"call": 1, "return": -1}.get(event, 0)
        name = frame.f_globals.get("__name__", "")
        if self._n_imports or not name.startswith(ROOMS):
            return
        if event == "call":
            self._is_on_way = self._is_on_way or _is_step(frame, FIRST)
        if not self._is_on_way:
            return
        self._seen_modules.add(name)
        if event == "return":
            for value in (result, *frame.f_locals.values()):
                self._seen_containers.update(_containers(value, DEPTH))
            if _is_step(frame, LAST):
                self.modules = set(self._seen_modules)
                self.containers = set(self._seen_containers)


def _is_step(frame: FrameType, element: str) -> bool:
    """Return whether a frame is a call of an element's ``process``."""
    called = type(frame.f_locals.get("self")).__name__
    return called == element and frame.f_code.co_name in ("process", "_process")


def _containers(value: Any, depth: int) -> Iterator[str]:
    """Yield the names of the classes that hold arrays in a value, however deep."""
    if depth == 0 or isinstance(value, GenericPE | type):
        return
    kind = type(value)
    is_ours = kind.__module__.startswith((*ROOMS, "obspy.core."))
    members = _members(value, is_ours)
    inner = [name for member in members for name in _containers(member, depth - 1)]
    yield from inner
    if is_ours and (inner or any(_holds_samples(member) for member in members)):
        yield f"{kind.__module__}.{kind.__name__}"


def _members(value: Any, is_ours: bool) -> list[Any]:
    if isinstance(value, tuple | list):
        return list(value[:MEMBERS])
    if isinstance(value, dict):
        return list(value.values())[:MEMBERS]
    if dataclasses.is_dataclass(value) or is_ours:
        return list(getattr(value, "__dict__", {}).values())
    return []


def _holds_samples(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(_holds_samples(member) for member in value[:MEMBERS])
    if isinstance(value, dict):
        return any(_holds_samples(member) for member in value.values())
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "fci"
        and value.size >= MIN_SAMPLES
    )


def _correlate(folder: Path) -> Walk:
    make_archive(NETWORK, folder)
    walk = Walk()
    words = ["--stations", str(folder / "stations.txt")]
    words += ["--data", str(folder / "archive"), "--out", str(folder / "out")]
    sys.setprofile(walk)
    try:
        status = cli.main([*words, *OPTIONS])
    finally:
        sys.setprofile(None)
    if status:
        raise SystemExit(status)
    return walk


def main() -> None:
    """Write the modules and the containers to the standard output."""
    with tempfile.TemporaryDirectory() as folder:
        walk = _correlate(Path(folder))
    formulas = {name for name in walk.modules if ".signal." in name}
    for title, names in (
        ("modules", walk.modules - formulas),
        ("modules of signal", formulas),
        ("containers", walk.containers),
    ):
        sys.stdout.write(f"{len(names)} {title}\n")
        sys.stdout.writelines(f"  {name}\n" for name in sorted(names))


if __name__ == "__main__":
    main()
