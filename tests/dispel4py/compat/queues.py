"""Results of `dispel4py.new.multi_process`, which are in a queue."""

import queue

import pytest

from dispel4py.new.multi_process import STATUS_TERMINATED


def drained(results):
    """Return all results in a queue, without its end marker."""
    result = []
    while True:
        entry = results.get_nowait()
        if entry == STATUS_TERMINATED:
            with pytest.raises(queue.Empty):
                results.get_nowait()
            return result
        result.append(entry)
