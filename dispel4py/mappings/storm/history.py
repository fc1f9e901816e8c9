"""The frames that a source has sent, so that a new process of it can send them again.

A source that is called again with the same inputs sends the same items. But how they
were divided into frames depended on the time, and on the receivers that were busy. So
the driver notes the receiver and the number of items of each frame, and the choices of
receivers. With these notes the new process makes the same frames, with the same names.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, field

#: Frames of which notes are kept, for each source: 24 MB in the memory. A source that
#: sends more cannot be repeated.
_MOST_FRAMES = 1_000_000


@dataclass
class History:
    """The frames of an earlier process of a source.

    Attributes
    ----------
    low : int
        All frames with smaller numbers are complete.
    n_frames : int
        The number of all frames.
    frames : dict
        Receiver, by index, to the number and the number of items of its frames.
    choices : dict
        Route to the receivers that a shuffle has chosen.
    """

    low: int = 0
    n_frames: int = 0
    frames: dict[int, deque[tuple[int, int]]] = field(default_factory=dict)
    choices: dict[int, deque[int]] = field(default_factory=dict)


class Notes:
    """Notes of the driver on the frames of a source."""

    def __init__(self) -> None:
        self.low = 0
        self.can_repeat = True
        self._frames = array("q")  # number, receiver and items of each frame
        self._choices: dict[int, array[int]] = {}

    def note(
        self,
        number: int,
        receiver: int,
        n_items: int,
        low: int,
        choices: list[tuple[int, int]],
    ) -> None:
        """Note a frame before it is sent.

        Parameters
        ----------
        number : int
            The number of the frame.
        receiver : int
            Its receiver, by index.
        n_items : int
            The number of its items.
        low : int
            All frames with smaller numbers are complete.
        choices : list of tuple
            Routes and receivers that were chosen since the frame before.
        """
        self.low = low
        if not self.can_repeat:
            return
        self._frames.extend((number, receiver, n_items))
        for route, choice in choices:
            self._choices.setdefault(route, array("q")).append(choice)
        if len(self._frames) >= 3 * _MOST_FRAMES:
            self.forget()

    def forget(self) -> None:
        """Note that the source cannot be repeated."""
        self.can_repeat = False
        self._frames, self._choices = array("q"), {}

    def history(self) -> History:
        """Return the notes for a new process of the source."""
        history = History(self.low, len(self._frames) // 3)
        numbers = iter(self._frames)
        for number, receiver, n_items in zip(numbers, numbers, numbers, strict=True):
            frames = history.frames.setdefault(receiver, deque())
            frames.append((number, n_items))
        for route, choices in self._choices.items():
            history.choices[route] = deque(choices)
        return history
