"""The post of a process without others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispel4py.clock import Clock
from dispel4py.message import Frame


class Alone:
    """A post by which no frame comes: to wait for one is to sleep.

    Parameters
    ----------
    process : int
        The only process.
    clock : Clock
        Sleeps.
    """

    def __init__(self, process: int, clock: Clock) -> None:
        self.process, self._sleep = process, clock.sleep

    is_behind = False

    def catch_up(self) -> None:
        """Do nothing."""

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Do nothing: there is nobody to send to.

        Parameters
        ----------
        destination : int
            The process that would get it.
        head : bytes
            The message.
        buffers : sequence, optional
            Bytes beside it.
        """

    def receive(self, timeout_s: float) -> Frame | None:
        """Return None after the time."""
        if timeout_s > 0:
            self._sleep(timeout_s)
        return None
