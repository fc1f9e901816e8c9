"""Results of `dispel4py.new.multi_process`, which come in a queue."""

import queue

import pytest

from dispel4py.new.multi_process import STATUS_TERMINATED


def drained(results):
    """Everything in a queue of results, its end marker left out."""
    found = []
    while True:
        entry = results.get_nowait()
        if entry == STATUS_TERMINATED:
            with pytest.raises(queue.Empty):
                results.get_nowait()
            return found
        found.append(entry)
