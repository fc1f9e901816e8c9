"""Files and pictures of traces in the middle of a chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from obspy import Stream

from dispel4py.core import GenericPE
from seismo_pes.comparing.verce import Intermediate
from seismo_pes.items.codes import file_name_of
from seismo_pes.items.waveforms import with_data
from seismo_pes.whole_file import whole_file

__all__ = ["WriteIntermediate"]


class WriteIntermediate(GenericPE):
    """Write what the steps ``store_stream`` and ``plot_stream`` of VERCE ask for.

    Parameters
    ----------
    out : Path
        Folder of the run.

    Ports
    -----
    input : Intermediate
    """

    def __init__(self, out: Path) -> None:
        super().__init__()
        self._add_input("input", tuple_type=Intermediate)
        self.out = out

    def process(self, inputs: dict[str, Any]) -> None:
        """Write one file."""
        item: Intermediate = inputs["input"]
        parts = [part for part in Path(item.folder).parts if part not in (".", "..")]
        safe = [file_name_of(part) for part in parts if part != "/"]
        folder = self.out.joinpath(*safe)
        folder.mkdir(parents=True, exist_ok=True)
        stem = file_name_of(item.name)
        if item.kind == "store_stream":
            path = folder / f"{stem}.seed"
            _write_miniseed(path, item.stream)
        else:
            path = folder / f"{stem}.png"
            _draw(path, item.stream)
        self.note_file(path, path.suffix.removeprefix("."))


def _write_miniseed(path: Path, stream: Stream) -> None:
    traces = [with_data(t, np.asarray(t.data, dtype=np.float64)) for t in stream]
    with whole_file(path) as temporary:
        Stream(traces).write(str(temporary), format="MSEED", encoding="FLOAT64")


def _draw(path: Path, stream: Stream) -> None:
    from seismo_pes.plotting.figure import new_figure, save

    figure = new_figure(10, 1 + 2 * len(stream))
    rows = figure.subplots(len(stream), 1, sharex=True, squeeze=False)[:, 0]
    for axes, trace in zip(rows, stream, strict=True):
        axes.plot(trace.times(), trace.data, color="0.3", linewidth=0.8)
        axes.set_title(f"{trace.id}, {trace.stats.starttime}", loc="left", fontsize=9)
        axes.margins(x=0)
    rows[-1].set_xlabel("Time after the first sample (s)")
    save(figure, path)
