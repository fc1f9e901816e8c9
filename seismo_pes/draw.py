"""Elements that draw what passes, and hand it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError
from seismo_pes.disk import telling_full_disk
from seismo_pes.files import as_stream, name_of
from seismo_pes.plot import (
    pair_figure,
    psd_figure,
    save,
    spectrogram_figure,
    waveform_figure,
)
from seismo_pes.report import Skipped

__all__ = ["DrawCorrelation", "DrawPsd", "DrawSpectrogram", "DrawWaveform"]


class _Draw(GenericPE):
    """What the elements that draw have in common."""

    figure: Callable[..., Any]

    def __init__(
        self, folder: str | Path, suffix: str = ".png", **options: Any
    ) -> None:
        super().__init__()
        if suffix not in (".png", ".pdf", ".svg"):
            raise ParameterError(f"suffix {suffix!r}: pictures are .png, .pdf or .svg")
        self._add_input("input")
        self._add_output("output")
        self._add_output("drawn")
        self._add_output("skipped")
        self.folder, self.suffix, self.options = str(folder), suffix, options

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Draw an item, and hand it on as it came."""
        item = inputs["input"]
        for name, drawable in self._drawables(item):
            path = Path(self.folder) / f"{name}{self.suffix}"
            try:
                figure = type(self).figure(drawable, **self.options)
                with telling_full_disk(self.folder):
                    yield {"drawn": str(save(figure, path))}
            except (DataError, ParameterError) as error:
                yield {"skipped": Skipped("draw", name, str(error))}
        yield {"output": item}

    def _drawables(self, item: Any) -> Iterator[tuple[str, Any]]:
        for trace in as_stream(item):
            yield f"{name_of(trace)}.{type(self).__name__.lower()[4:]}", trace


class DrawWaveform(_Draw):
    """Draw the waveforms of each item: one picture of all its channels.

    Ports
    -----
    input : obspy.Trace, obspy.Stream or Waveforms
        What is drawn.
    output : the same type
        What came, as it came.
    drawn : str
        The path of the picture.
    skipped : Skipped
        What could not be drawn.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where pictures go.
    suffix : str
        ``.png``, ``.pdf`` or ``.svg``.
    options
        As of `seismo_pes.plot.waveform_figure`: ``units``, ``title``, ``note``.
    """

    figure = staticmethod(waveform_figure)

    def _drawables(self, item: Any) -> Iterator[tuple[str, Any]]:
        stream = as_stream(item)
        if stream:
            yield f"{name_of(stream[0])}.waveform", stream


class DrawSpectrogram(_Draw):
    """Draw the spectrogram of each trace.

    Ports
    -----
    input : obspy.Trace, obspy.Stream or Waveforms
        What is drawn.
    output : the same type
        What came, as it came.
    drawn : str
        The path of each picture.
    skipped : Skipped
        Traces too short for it.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where pictures go.
    suffix : str
        ``.png``, ``.pdf`` or ``.svg``.
    options
        As of `seismo_pes.plot.spectrogram_figure`: ``segment_s``, ``units``, ...
    """

    figure = staticmethod(spectrogram_figure)


class DrawPsd(_Draw):
    """Draw the power spectral densities of each trace: percentiles of segments.

    Ports
    -----
    input : obspy.Trace, obspy.Stream or Waveforms
        What is drawn.
    output : the same type
        What came, as it came.
    drawn : str
        The path of each picture.
    skipped : Skipped
        Traces too short for it.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where pictures go.
    suffix : str
        ``.png``, ``.pdf`` or ``.svg``.
    options
        As of `seismo_pes.plot.psd_figure`: ``segment_s``, ``units``, ...
    """

    figure = staticmethod(psd_figure)


def _correlation_figure(trace: Any, **options: Any) -> Any:
    known = trace.stats.get("xcorr")
    if known is None:
        raise DataError("is no correlation")
    lags_s = float(trace.stats.starttime) + trace.times()
    if not len(lags_s) % 2 or not np.isclose(lags_s[0], -lags_s[-1]):
        raise DataError("lags are not from -max to +max")
    title = f"{known['first']} – {known['second']}"
    return pair_figure(np.asarray(trace.data), lags_s, **{"title": title} | options)


class DrawCorrelation(_Draw):
    """Draw each correlation: both sides, and the two branches folded.

    Ports
    -----
    input : Correlation
        What is drawn.
    output : the same type
        What came, as it came.
    drawn : str
        The path of each picture.
    skipped : Skipped
        What is no correlation.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where pictures go.
    suffix : str
        ``.png``, ``.pdf`` or ``.svg``.
    options
        As of `seismo_pes.plot.pair_figure`: ``velocities_km_s``, ``distance_km``, ...
    """

    figure = staticmethod(_correlation_figure)
