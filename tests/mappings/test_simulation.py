"""A run in virtual time that is interrupted."""

from __future__ import annotations

import signal
import threading

import graphs
import pytest

from dispel4py.base import ProducerPE
from dispel4py.mappings import memory
from dispel4py.testing import simulate


def test_ctrl_c_ends_a_run_in_a_call_without_an_end(monkeypatch):
    monkeypatch.setattr(memory, "_MOST_ATTEMPTS", 1)
    begun, ended = threading.Event(), threading.Event()
    interrupts: list[int] = []

    class Endless(ProducerPE):
        def _process(self, inputs):
            begun.set()
            ended.wait()

    def interrupted(number, frame):
        interrupts.append(number)
        if len(interrupts) == 1:
            raise KeyboardInterrupt

    def interrupt():
        begun.wait()
        # again and again: one just before a wait does not end the wait
        while not ended.wait(0.05):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, interrupted)
    thread = threading.Thread(target=interrupt)
    thread.start()
    graph = graphs.chain(Endless(), graphs.Total())
    try:
        with pytest.raises(KeyboardInterrupt):
            simulate(graph, processes=2)
    finally:
        ended.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
