"""Windows that are left out for what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import Waveforms
from seismo_pes.preprocessing.segments import Segment, merge_segments
from seismo_pes.signal.psd import decibel, welch_psd
from seismo_pes.signal.spikes import mad
from seismo_pes.signal.window import WindowGrid, cut

__all__ = ["RejectWindows", "bad_windows"]

Range = tuple[float, float]
REASON = "windows too loud or of unusual level (--reject-...)"


def bad_windows(
    data: np.ndarray,
    rate_hz: float,
    loud: float | None = None,
    rms: Range | None = None,
    psd_db: Range | None = None,
    psd_hz: Range | None = None,
) -> np.ndarray:
    """Say which windows break a rule.

    Parameters
    ----------
    data : numpy.ndarray
        Shape (n_windows, n).
    rate_hz : float
        Sampling rate.
    loud : float, optional
        Largest distance of a sample from zero.
    rms : (float, float), optional
        Lowest and highest root mean square, after the mean is removed.
    psd_db : (float, float), optional
        Lowest and highest mean over ``psd_hz`` of the power spectral density (Welch,
        segments of a quarter of a window) in dB.
    psd_hz : (float, float), optional
        By default all frequencies above zero.

    Returns
    -------
    numpy.ndarray
        Shape (n_windows,), bool.

    Examples
    --------
    >>> bad_windows(np.array([[1.0, -1.0], [9.0, -9.0]]), 1.0, rms=(0.5, 2.0))
    array([False,  True])
    """
    bad = np.zeros(len(data), bool)
    if loud is not None:
        bad |= np.abs(data).max(axis=-1, initial=0) > loud
    if rms is not None:
        found = data.std(axis=-1)
        bad |= (found < rms[0]) | (found > rms[1])
    if psd_db is not None:
        spectrum = welch_psd(data, rate_hz, max(2, data.shape[-1] // 4))
        low_hz, high_hz = psd_hz or (0.0, rate_hz / 2)
        frequency_hz = spectrum.frequency_hz
        inside = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
        inside &= frequency_hz > 0
        if not inside.any():  # a band between two bins
            inside[np.abs(frequency_hz - (low_hz + high_hz) / 2).argmin()] = True
        level = decibel(spectrum.density[:, inside]).mean(axis=-1)
        bad |= ~((level >= psd_db[0]) & (level <= psd_db[1]))
    return bad


class RejectWindows(GenericPE):
    """Mark windows with transients, or of unusual level, as not usable.

    Ports
    -----
    input, output : Waveforms
        The traces stay as they are; the windows are noted in ``flat``.
    skipped : Skipped
        How many windows of which channel were left out.

    Parameters
    ----------
    grid : WindowGrid
        The windows of the run.
    origin_ns : int
        Time of sample 0 of the traces' grid, nanoseconds since 1970.
    n_mad : float, optional
        Reject windows with a sample so many MAD away from the median of the span.
    rms, psd_db, psd_hz : (float, float), optional
        See `bad_windows`.
    """

    def __init__(
        self,
        grid: WindowGrid,
        origin_ns: int,
        n_mad: float | None = None,
        rms: Range | None = None,
        psd_db: Range | None = None,
        psd_hz: Range | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.origin_ns, self.n_mad = grid, origin_ns, n_mad
        self.rules = rms, psd_db, psd_hz
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("skipped", tuple_type=Skipped)

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Look at the windows of one item."""
        item: Waveforms = inputs["input"]
        segments, _ = merge_segments(item.stream, self.origin_ns)
        by_channel: dict[str, list[Segment]] = {}
        for segment in segments:
            by_channel.setdefault(segment.channel_id, []).append(segment)
        bad = {id_: self._rejected(item, found) for id_, found in by_channel.items()}
        for channel_id, windows in bad.items():
            if windows:
                yield {"skipped": Skipped("reject", channel_id, REASON, len(windows))}
        if not item.spans:
            found = set().union(*bad.values())
            yield {"output": replace(item, flat=(*item.flat, *sorted(found)))}
            return
        before = item.flats or (item.flat,) * len(item.spans)
        flats = tuple(
            (*flat, *sorted(bad.get(span.channel_id, ())))
            for flat, span in zip(before, item.spans, strict=True)
        )
        yield {"output": replace(item, flats=flats)}

    def _rejected(
        self, item: Waveforms, segments: list[Segment]
    ) -> set[tuple[int, int]]:
        """Return start and end of the bad windows of a channel."""
        grid, loud, middle = self.grid, None, 0.0
        if self.n_mad is not None:
            everything = np.concatenate([segment.data for segment in segments])
            middle, spread = float(np.median(everything)), float(mad(everything))
            # of a record that is mostly one value nothing can be said
            loud = self.n_mad * spread if spread > 0 else None
        windows = grid.windows_between(item.span.start_ns, item.span.end_ns)
        bad: set[tuple[int, int]] = set()
        for segment in segments:
            pieces = cut(
                segment.data, segment.first_sample, grid, segment.rate_hz, windows
            )
            rows = np.flatnonzero(pieces.covered)
            if not len(rows):
                continue
            data = pieces.data[rows][:, : int(pieces.n_samples[rows].min())] - middle
            found = rows[bad_windows(data, segment.rate_hz, loud, *self.rules)]
            starts = grid.start_ns(np.asarray(windows, np.int64)[found])
            bad |= {(int(s), int(s) + grid.length_ns) for s in starts}
        return bad
