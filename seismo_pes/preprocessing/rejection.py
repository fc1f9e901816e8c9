"""Rejection of windows by the amplitude or the spectrum of their samples."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from seismo_pes.items.intervals import Interval, union
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import ChannelTraces, Waveforms
from seismo_pes.preprocessing.segments import place_segments, window_places
from seismo_pes.signal.psd import decibel, welch_psd
from seismo_pes.signal.spikes import mad
from seismo_pes.signal.window import WindowGrid

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
    rms_ratio: float | None = None,
) -> np.ndarray:
    """Return which windows break a rule.

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
    rms_ratio : float, optional
        Largest ratio of the root mean square of a window to the median of all windows,
        and of that median to the root mean square. Windows without any motion do not
        enter the median.

    Returns
    -------
    numpy.ndarray
        Shape (n_windows,), bool.

    Examples
    --------
    >>> bad_windows(np.array([[1.0, -1.0], [9.0, -9.0]]), 1.0, rms=(0.5, 2.0))
    array([False,  True])
    >>> rows = np.array([[1.0, -1.0], [2.0, -2.0], [3.0, -3.0], [9.0, -9.0]])
    >>> bad_windows(rows, 1.0, rms_ratio=3.0)
    array([False, False, False,  True])
    """
    bad = np.zeros(len(data), bool)
    if loud is not None:
        bad |= np.abs(data).max(axis=-1, initial=0) > loud
    limits = [] if rms is None else [rms]
    rms_of_window = data.std(axis=-1)
    moving = rms_of_window > 0
    if rms_ratio is not None and moving.any():
        usual = float(np.median(rms_of_window[moving]))
        limits.append((usual / rms_ratio, usual * rms_ratio))
    for low, high in limits:
        bad |= (rms_of_window < low) | (rms_of_window > high)
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


def _listed(name: str, windows: list[Interval]) -> list[Skipped]:
    """Return an entry for each run of rejected windows."""
    starts = [start_ns for start_ns, _ in windows]
    return [
        Skipped(
            "reject",
            name,
            REASON,
            bisect_left(starts, end_ns) - bisect_left(starts, start_ns),
            start_ns,
            end_ns,
        )
        for start_ns, end_ns in union(windows)
    ]


class RejectWindows(GenericPE):
    """Mark windows with transients, or of unusual level, as not usable.

    Ports
    -----
    input, output : Waveforms
        Merged traces, which do not change; the intervals of rejected windows are added
        to ``rejected`` of their channel.
    skipped : Skipped
        Number of rejected windows of each channel.

    Parameters
    ----------
    window_s : float
        Length of the windows in seconds.
    step_s : float, optional
        Time from the start of a window to the start of the next, seconds (default: the
        length).
    origin_ns : int
        Windows start at multiples of the step from this time; nanoseconds since 1970.
    n_mad : float, optional
        Reject windows with a sample that is farther from the median of the span than
        this number of median absolute deviations.
    rms, psd_db, psd_hz : (float, float), optional
        See `bad_windows`.
    rms_ratio : float, optional
        See `bad_windows`; the median is that of the windows of the channel in the span.
    """

    def __init__(
        self,
        window_s: float,
        step_s: float | None = None,
        origin_ns: int = 0,
        n_mad: float | None = None,
        rms: Range | None = None,
        psd_db: Range | None = None,
        psd_hz: Range | None = None,
        rms_ratio: float | None = None,
    ) -> None:
        super().__init__()
        step_s = window_s if step_s is None else step_s
        self.grid = WindowGrid(origin_ns, round(window_s * NS), round(step_s * NS))
        self.n_mad = n_mad
        self.rules = rms, psd_db, psd_hz, rms_ratio
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("skipped", tuple_type=Skipped)

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Test the windows of each channel."""
        item: Waveforms = inputs["input"]
        channels = []
        for channel in item.channels:
            bad = self._rejected(channel)
            channels.append(replace(channel, rejected=(*channel.rejected, *bad)))
            if bad:
                name = channel.traces[0].id
                yield from ({"skipped": entry} for entry in _listed(name, bad))
        yield {"output": Waveforms(tuple(channels))}

    def _rejected(self, channel: ChannelTraces) -> list[tuple[int, int]]:
        """Return start and end of the bad windows of a channel, ascending."""
        grid, loud, middle = self.grid, None, 0.0
        segments, _ = place_segments(channel.traces, grid.origin_ns)
        if segments and self.n_mad is not None:
            samples = np.concatenate([segment.data for segment in segments])
            middle, spread = float(np.median(samples)), float(mad(samples))
            # if most samples have one value, the deviation is 0 and no threshold exists
            loud = self.n_mad * spread if spread > 0 else None
        if not segments:
            return []
        rate_hz = segments[0].rate_hz
        between = grid.windows_between(channel.span.start_ns, channel.span.end_ns)
        windows = np.asarray(between, np.int64)
        first = grid.first_sample(windows, rate_hz)
        stop = grid.stop_sample(windows, rate_hz)
        places = window_places(segments, first, stop)
        rows = np.flatnonzero(places.covered)
        n = int((stop - first)[rows].min(initial=grid.n_samples(rate_hz)))
        data = np.empty((len(rows), n))
        for row, k in enumerate(rows.tolist()):
            samples = segments[places.segment[k]].data[places.first[k] :]
            data[row] = samples[:n] - middle
        rejected = windows[rows[bad_windows(data, rate_hz, loud, *self.rules)]]
        starts_ns = grid.start_ns(rejected).tolist()
        return [(start_ns, start_ns + grid.length_ns) for start_ns in starts_ns]
