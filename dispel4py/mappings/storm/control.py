"""The spout that finishes the PEs, one depth of the graph after the other.

When all sources have ended and all their frames are complete, the driver orders this
component to finish the PEs of depth 1. Its tuple is complete when they have finished
and all frames that they sent then are processed. Then the next depth follows.
"""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

from dispel4py.mappings.storm.bolt import FINISHING
from dispel4py.mappings.storm.component import Post, Status, finish_stream
from dispel4py.mappings.storm.history import History
from dispel4py.mappings.storm.link import END, FINISH, FINISHED, REPORT

#: Longest time, in seconds, for which Storm waits for the answer to a request.
_ANSWER_S = 0.05


class Control:
    """Finishes the PEs: see the module.

    Parameters
    ----------
    post : Post
    """

    def __init__(self, post: Post) -> None:
        self._post, self._depth = post, 0
        self._changed = threading.Condition()
        self._has_sent = False

    def listen(self) -> None:
        """Answer the requests of Storm, in a thread, until it closes the pipe."""
        with contextlib.suppress(OSError):
            for message in self._post.line.messages():
                command = message["command"]
                if command == "ack" and int(message["id"]) == self._depth:
                    self._depth = 0
                    self._post.link.tell(FINISHED, int(message["id"]))
                elif command == "next":
                    with self._changed:
                        self._changed.wait_for(lambda: self._has_sent, _ANSWER_S)
                        self._has_sent = False
                self._post.line.sync()

    def run(self, is_over: bool, history: History | None) -> None:
        """Follow the orders of the driver until it ends the run.

        Parameters
        ----------
        is_over : bool
            Not used.
        history : History or None
            Not used.
        """
        while True:
            order: Any = self._post.inbox.take()
            if order[0] == END:
                return
            if order[0] == FINISH:
                self._depth = order[1]
                self.repeat()
                self._post.link.tell(REPORT, FINISHING, None, Status((), 1))

    def repeat(self) -> None:
        """Send the current tuple again, if it is not complete."""
        depth = self._depth
        if depth:
            head = {"id": [FINISHING, depth], "low": 0}
            self._post.line.emit(
                finish_stream(depth), [json.dumps(head)], number=str(depth)
            )
            with self._changed:
                self._has_sent = True
                self._changed.notify_all()
