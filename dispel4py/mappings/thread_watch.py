"""Detects that a PE starts threads, as they may write items.

A comparison of the thread for each item would cost time in every run. So a faster
function is used until a thread starts.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def on_new_threads(react: Callable[[], None]) -> Iterator[None]:
    """Call a function in each new thread before its code runs.

    Outside the main thread, where there may be several runs at the same time, the
    function is called at once.

    Parameters
    ----------
    react : callable
        The function.
    """
    if threading.current_thread() is not threading.main_thread():
        react()
        yield
        return
    before = threading.getprofile()

    def begin(frame: Any, event: Any, arg: Any) -> None:
        sys.setprofile(before)
        if not getattr(threading.current_thread(), "is_of_engine", False):
            react()
        if before is not None:
            before(frame, event, arg)

    threading.setprofile(begin)
    try:
        yield
    finally:
        if threading.getprofile() is begin:
            threading.setprofile(before)
