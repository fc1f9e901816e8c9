"""The post of a run with one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispel4py.clock import Clock
from dispel4py.message import Frame


class SoloPost:
    """A post without frames, for a run with one process.

    Parameters
    ----------
    process : int
        The only process.
    clock : Clock
        Sleeps, as no frame ever arrives.
    """

    def __init__(self, process: int, clock: Clock) -> None:
        self.process, self._sleep = process, clock.sleep

    is_behind = False

    def catch_up(self) -> None:
        """Do nothing."""

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Do nothing, as there is no other process.

        Parameters
        ----------
        destination : int
            The receiving process.
        head : bytes
            The message.
        buffers : sequence, optional
            Bytes beside the message.
        """

    def receive(self, timeout_s: float) -> Frame | None:
        """Wait for this time, and return None."""
        if timeout_s > 0:
            self._sleep(timeout_s)
        return None
