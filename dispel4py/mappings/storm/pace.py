"""The number of items of a frame, from the times of earlier frames.

The acknowledgement of a frame comes after a delay, which is that of the hosts and the
network, and after the work on all items that waited for the same receiver. So the time
grows with the number of these items, and the slope of this line is the time of the work
on an item. The delay of a slow host has no effect on the slope.
"""

from __future__ import annotations

from dispel4py.mappings.storm.frames import FRAME_ITEMS

#: Seconds of work in one frame, from which the number of its items is chosen.
_FRAME_S = 0.05
#: Weight of an earlier frame in the line, for each later frame: about 10 frames count.
_WEIGHT = 0.9
#: Frames before the line is used, and their relative spread in the number of items.
_FEWEST, _SPREAD = 5.0, 0.1


class Pace:
    """Chooses the number of items of a frame for the time of the work on them.

    Attributes
    ----------
    length : int
        The number of items of the next frames.
    """

    def __init__(self) -> None:
        self.length = 1
        # weighted sums: 1, items, seconds, items squared, items times seconds
        self._sums = [0.0] * 5

    def note(self, n_items: int, seconds: float) -> None:
        """Note the time from a frame to its acknowledgement.

        Parameters
        ----------
        n_items : int
            Items that waited for the receiver, those of the frame included.
        seconds : float
        """
        values = 1.0, n_items, seconds, n_items * n_items, n_items * seconds
        pairs = zip(self._sums, values, strict=True)
        self._sums = [_WEIGHT * before + value for before, value in pairs]
        per_item, slope = seconds / n_items, self._slope()
        if slope is not None:
            per_item = min(per_item, slope)
        wanted = int(_FRAME_S / max(per_item, 1e-9))
        if slope is None and self.length == 1 and self._sums[0] > _FEWEST:
            wanted = 2  # frames of equal lengths have no slope
        at_least, at_most = self.length // 2, min(2 * self.length, FRAME_ITEMS)
        self.length = max(1, at_least, min(wanted, at_most))

    def _slope(self) -> float | None:
        """Return the time of the work on an item; None if it is not known."""
        n, items, seconds, squares, products = self._sums
        variance = squares / n - (items / n) ** 2
        if n < _FEWEST or variance < (_SPREAD * items / n) ** 2:
            return None
        return max(0.0, (products / n - items * seconds / n**2) / variance)
