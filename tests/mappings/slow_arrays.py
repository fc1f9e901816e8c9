"""Numbers that are sent slowly, as arrays: elements whose processes are killed.

The processes of the elements import this module, and not that of the tests.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dispel4py.base import IterativePE, ProducerPE


class Slowly(ProducerPE):
    """Sends 0 to n-1 in one call, with pauses."""

    def __init__(self, n: int, pause_s: float = 0.005) -> None:
        super().__init__()
        self.n, self.pause_s = n, pause_s

    def _process(self, inputs: Any) -> None:
        for number in range(self.n):
            if number % 20 == 0:
                time.sleep(self.pause_s)
            self.write("output", number)


class Arrays(IterativePE):
    """Makes an array that travels in a file."""

    def _process(self, number: Any) -> Any:
        return np.full(4_000, number)


class First(IterativePE):
    """Sends the first element of an array, and its negative from another output."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("negative")

    def _process(self, array: Any) -> Any:
        self.write("negative", -int(array[0]))
        return int(array[0])
