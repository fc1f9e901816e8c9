"""Elements that draw what passes, and hand it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError
from seismo_pes.full_disk import report_full_disk
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
    """What the elements that draw have in common."""

    figure: Callable[..., Any]
    takes: Any = RECORDS
    gives: Any = AnyRecord

    def __init__(
        self, folder: str | Path, suffix: str = ".png", **options: Any
    ) -> None:
        super().__init__()
        if suffix not in (".png", ".pdf", ".svg"):
            raise ParameterError(f"suffix {suffix!r}: pictures are .png, .pdf or .svg")
        self._add_input("input", tuple_type=self.takes)
        self._add_output("output", tuple_type=self.gives)
        self._add_output("drawn", tuple_type=str)
        self._add_output("skipped", tuple_type=Skipped)
        self.folder, self.suffix, self.options = str(folder), suffix, options

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Draw an item, and hand it on as it came."""
        item = inputs["input"]
        for name, drawable in self._drawables(item):
            path = Path(self.folder) / f"{name}{self.suffix}"
            try:
                figure = type(self).figure(drawable, **self.options)
                with report_full_disk(self.folder):
                    yield {"drawn": str(save(figure, path))}
            except (DataError, ParameterError) as error:
                yield {"skipped": Skipped("draw", name, str(error))}
        yield {"output": item}

    def _drawables(self, item: Any) -> Iterator[tuple[str, Any]]:
        for trace in as_stream(item):
            yield f"{file_name(trace)}.{type(self).__name__.lower()[4:]}", trace


class _DrawStream(_Draw):
    """What draws all traces of an item in one picture."""

    def _drawables(self, item: Any) -> Iterator[tuple[str, Any]]:
        stream = as_stream(item)
        if stream:
            yield f"{file_name(stream[0])}.{type(self).__name__.lower()[4:]}", stream


WAVEFORMS = "obspy.Trace, obspy.Stream or Waveforms"
ABOUT = """{does}

Ports
-----
input : {given}
    What is drawn.
output : the same type
    What came, as it came.
drawn : str
    The path of each picture.
skipped : Skipped
    {skipped}

Parameters
----------
folder : str or pathlib.Path
    Where pictures go.
suffix : str
    ``.png``, ``.pdf`` or ``.svg``.
options
    As of `seismo_pes.plotting.{function}`: {options}, ...
"""


def _element(
    name: str,
    figure: Callable[..., Any],
    base: type = _Draw,
    given: str = WAVEFORMS,
    **told: str,
) -> Any:
    """Make the class that draws by a function; ``told`` fills its docstring."""
    said = ABOUT.format(given=given, **told)
    members = {"__doc__": said, "__module__": __name__, "figure": staticmethod(figure)}
    return type(name, (base,), members)


def _correlation_figure(trace: Any, **options: Any) -> Any:
    known = trace.stats.get("xcorr")
    if known is None:
        raise DataError("is no correlation")
    lags_s = float(trace.stats.starttime) + trace.times()
    if not len(lags_s) % 2 or not np.isclose(lags_s[0], -lags_s[-1]):
        raise DataError("lags are not from -max to +max")
    title = f"{known['first']} – {known['second']}"
    return pair_figure(np.asarray(trace.data), lags_s, **{"title": title} | options)


DrawWaveform = _element(
    "DrawWaveform",
    waveform_figure,
    _DrawStream,
    does="Draw the waveforms of each item: one picture of all its channels.",
    skipped="What could not be drawn.",
    function="waveform_figure",
    options="``units``, ``title``, ``note``",
)
DrawSpectrogram = _element(
    "DrawSpectrogram",
    spectrogram_figure,
    does="Draw the spectrogram of each trace.",
    skipped="Traces too short for it.",
    function="spectrogram_figure",
    options="``segment_s``, ``units``",
)
DrawPsd = _element(
    "DrawPsd",
    psd_figure,
    does="Draw the power spectral densities of each trace: percentiles of segments.",
    skipped="Traces too short for it.",
    function="psd_figure",
    options="``segment_s``, ``units``",
)


class _DrawCorrelation(_Draw):
    """What draws correlations."""

    takes = gives = Correlation


DrawCorrelation = _element(
    "DrawCorrelation",
    _correlation_figure,
    _DrawCorrelation,
    given="Correlation",
    does="Draw each correlation: both sides, and the two branches folded.",
    skipped="What is no correlation.",
    function="pair_figure",
    options="``velocities_km_s``, ``distance_km``",
)
