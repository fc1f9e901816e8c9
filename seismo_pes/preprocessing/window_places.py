"""Where windows lie in the segments of a channel, to a fraction of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seismo_pes.preprocessing.joining import SAME_TIME
from seismo_pes.preprocessing.segments import Segment

__all__ = ["WindowPlaces", "window_places"]


class WindowPlaces(NamedTuple):
    """The samples of each window in the segments of one channel.

    Attributes
    ----------
    covered : numpy.ndarray
        Shape (n,), bool: which windows a segment covers wholly; the other attributes
        have no meaning for other windows.
    segment : numpy.ndarray
        Shape (n,), int64: index of this segment.
    first : numpy.ndarray
        Shape (n,), int64: the first sample in the segment, counted from its first.
    offset : numpy.ndarray
        Shape (n,), float64: true time of this sample minus the time of the window's
        first sample on the grid, in samples, between -1 and 1.
    """

    covered: np.ndarray
    segment: np.ndarray
    first: np.ndarray
    offset: np.ndarray


def window_places(
    segments: Sequence[Segment], first: np.ndarray, stop: np.ndarray
) -> WindowPlaces:
    """Find the samples of windows in the segments of a channel.

    The samples of a channel may lie between those of the grid. A window begins with the
    first sample at or after its first sample on the grid. If the segment ends before
    the last sample of the window, the window begins one sample earlier, less than one
    sampling interval before its time.

    Parameters
    ----------
    segments : sequence of Segment
        Of one channel, ascending in time.
    first, stop : numpy.ndarray
        Shape (n,), int64: samples of the windows on the grid.

    Returns
    -------
    WindowPlaces

    Examples
    --------
    A record that begins 0.8 samples after the start of the first window:

    >>> segment = Segment("XX.AAA..HHZ", 1, 1.0, np.zeros(20), -0.2)
    >>> first = np.array([0, 10])
    >>> places = window_places([segment], first, first + 10)
    >>> places.covered, places.first, places.offset
    (array([ True,  True]), array([ 0, 10]), array([0.8, 0.8]))
    """
    if not segments:
        none = np.zeros(len(first), np.int64)
        return WindowPlaces(none > 0, none, none, none.astype(np.float64))
    # offsets from the grid sample at or before each sample
    offsets = np.array([s.offset for s in segments])
    late = offsets < -float(SAME_TIME)
    begins = np.array([s.first_sample for s in segments], np.int64) - late
    ends = np.array([s.end_sample for s in segments], np.int64) - late
    offsets = offsets + late
    segment = np.maximum(np.searchsorted(begins, first, side="right") - 1, 0)
    begin, end, offset = begins[segment], ends[segment], offsets[segment]
    between = np.abs(offset) >= float(SAME_TIME)
    early = between & (stop == end + 1) & (first > begin)
    covered = (first >= begin) & ((stop <= end) | early)
    return WindowPlaces(covered, segment, first - begin - early, offset - early)
