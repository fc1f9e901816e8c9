"""Elements that draw the items that pass through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError
from seismo_pes.full_disk import report_full_disk
from seismo_pes.items.codes import file_name_of
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import RECORDS, AnyRecord
from seismo_pes.plotting.figure import save
from seismo_pes.plotting.pair import pair_figure
from seismo_pes.plotting.waveform import (
    psd_figure,
    spectrogram_figure,
    waveform_figure,
)
from seismo_pes.writing.trace_files import as_stream, file_name

__all__ = ["DrawCorrelation", "DrawPsd", "DrawSpectrogram", "DrawWaveform"]


class _Draw(GenericPE):
    """The base of the elements that draw: ports, folder, and reports of failures."""

    figure: Callable[..., Any]
    takes: Any = RECORDS
    gives: Any = AnyRecord

    def __init__(
        self, folder: str | Path, suffix: str = ".png", **options: Any
    ) -> None:
        super().__init__()
        if suffix not in (".png", ".pdf", ".svg"):
            raise ParameterError(f"suffix {suffix!r}: figures are .png, .pdf or .svg")
        self._add_input("input", tuple_type=self.takes)
        self._add_output("output", tuple_type=self.gives)
        self._add_output("drawn", tuple_type=str)
        self._add_output("skipped", tuple_type=Skipped)
        self.folder, self.suffix, self.options = str(folder), suffix, options

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        """Return the terms of an item; a path is a figure that was drawn.

        Parameters
        ----------
        port : str
            The output.
        item : object
            The item.
        """
        if port != "drawn":
            return super().describe_item(port, item)
        return {"location": item, "format": self.suffix.removeprefix(".")}

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Draw an item, and send it on unchanged."""
        item = inputs["input"]
        for name, drawable in self._drawables(item):
            path = Path(self.folder) / file_name_of(f"{name}{self.suffix}")
            try:
                figure = type(self).figure(drawable, **self.options)
                with report_full_disk(self.folder):
                    yield {"drawn": str(save(figure, path))}
            except (DataError, ParameterError) as error:
                yield {"skipped": Skipped("draw", name, str(error))}
        yield {"output": item}

    def _drawables(self, item: Any) -> Iterator[tuple[str, Any]]:
        """Yield name and content of each figure of an item."""
        for trace in as_stream(item):
            yield f"{file_name(trace)}.{type(self).__name__.lower()[4:]}", trace


class _DrawStream(_Draw):
    """The base of elements that draw all traces of an item in one figure."""

    def _drawables(self, item: Any) -> Iterator[tuple[str, Any]]:
        stream = as_stream(item)
        if stream:
            yield f"{file_name(stream[0])}.{type(self).__name__.lower()[4:]}", stream


WAVEFORMS = "obspy.Trace, obspy.Stream or Waveforms"
DOCSTRING = """{summary}

Ports
-----
input : {items}
    The item to draw.
output : the same type
    The item, unchanged.
drawn : str
    The path of each figure.
skipped : Skipped
    {skipped}

Parameters
----------
folder : str or pathlib.Path
    Folder of the figures, created if necessary.
suffix : str
    ``.png``, ``.pdf`` or ``.svg``.
options
    Options of `seismo_pes.plotting.{function}`: {options}, ...
"""


def _drawing_element(
    name: str,
    figure: Callable[..., Any],
    base: type = _Draw,
    items: str = WAVEFORMS,
    **texts: str,
) -> Any:
    """Return an element class that draws by ``figure``; ``texts`` go into its docs."""
    members = {
        "__doc__": DOCSTRING.format(items=items, **texts),
        "__module__": __name__,
        "figure": staticmethod(figure),
    }
    return type(name, (base,), members)


def _correlation_figure(trace: Any, **options: Any) -> Any:
    pair = trace.stats.get("xcorr")
    if pair is None:
        raise DataError("not a correlation")
    lags_s = float(trace.stats.starttime) + trace.times()
    if not len(lags_s) % 2 or not np.isclose(lags_s[0], -lags_s[-1]):
        raise DataError("the lags are not from -max to +max")
    title = f"{pair['first']} – {pair['second']}"
    return pair_figure(np.asarray(trace.data), lags_s, **{"title": title} | options)


DrawWaveform = _drawing_element(
    "DrawWaveform",
    waveform_figure,
    _DrawStream,
    summary="Draw the waveforms of each item: one figure of all its channels.",
    skipped="Items that could not be drawn.",
    function="waveform_figure",
    options="``units``, ``title``, ``note``",
)
DrawSpectrogram = _drawing_element(
    "DrawSpectrogram",
    spectrogram_figure,
    summary="Draw the spectrogram of each trace.",
    skipped="Traces shorter than a segment.",
    function="spectrogram_figure",
    options="``segment_s``, ``units``",
)
DrawPsd = _drawing_element(
    "DrawPsd",
    psd_figure,
    summary="Draw percentiles of the power spectral densities of each trace.",
    skipped="Traces shorter than a segment.",
    function="psd_figure",
    options="``segment_s``, ``units``",
)


class _DrawCorrelation(_Draw):
    """The base of the element that draws correlations."""

    takes = gives = Correlation


DrawCorrelation = _drawing_element(
    "DrawCorrelation",
    _correlation_figure,
    _DrawCorrelation,
    items="Correlation",
    summary="Draw each correlation: all lags, and both branches on top of each other.",
    skipped="Items that are not correlations, or whose lags are not symmetric.",
    function="pair_figure",
    options="``velocities_km_s``, ``distance_km``",
)
