"""Alerts of a live run: conditions, and what happens when they begin or end to hold."""

from __future__ import annotations

import json
import logging
import queue
import shlex
import subprocess
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dispel4py.provenance.expression import Expression, parse

__all__ = ["Alerts"]

# Longest time that a command or a web server takes for one alert, seconds.
LONGEST_S = 30.0
# Alerts that wait for a slow command or web server; further ones are only logged.
MOST_WAITING = 1000

logger = logging.getLogger(__name__)


@dataclass
class Alerts:
    """Conditions on channels and pairs, and where alerts go.

    A condition is in the language of `dispel4py.provenance.expression`. It is looked at
    for each channel and for each shown pair. An alert is given when a condition begins
    to hold, and when it ends.

    Parameters
    ----------
    conditions : tuple of str
        Such as ``snr < 3 or latency_s > 60``.
    command : str, optional
        A command; it gets the alert as JSON on its standard input.
    webhook : str, optional
        A URL; it gets the alert as JSON by POST.

    Attributes
    ----------
    active : list of dict
        The alerts that have begun and not ended.
    """

    conditions: tuple[str, ...] = ()
    command: str | None = None
    webhook: str | None = None
    active: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._parsed: list[tuple[str, Expression]] = [
            (text, parse(text, relatives=False)) for text in self.conditions
        ]
        self._waiting: queue.Queue[dict[str, Any]] | None = None

    def look(
        self, subjects: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[dict[str, Any]]:
        """Compare all conditions with all channels and pairs; return the new alerts.

        Parameters
        ----------
        subjects : sequence of (str, mapping)
            Name and terms of each channel or pair.
        """
        before = {(a["condition"], a["of"]) for a in self.active}
        now = []
        for text, condition in self._parsed:
            for name, terms in subjects:
                if condition.holds(dict(terms)):
                    now.append({"condition": text, "of": name, "terms": shown(terms)})
        after = {(a["condition"], a["of"]) for a in now}
        begun = [a for a in now if (a["condition"], a["of"]) not in before]
        ended = [a for a in self.active if (a["condition"], a["of"]) not in after]
        self.active = now
        alerts = [alert | {"state": "begins"} for alert in begun]
        alerts += [alert | {"state": "ends"} for alert in ended]
        for alert in alerts:
            self._give(alert)
        return alerts

    def _give(self, alert: dict[str, Any]) -> None:
        logger.warning("alert %(state)s: %(of)s: %(condition)s", alert)
        if not self.command and not self.webhook:
            return
        if self._waiting is None:  # in the process that gives alerts
            self._waiting = queue.Queue(MOST_WAITING)
            threading.Thread(target=self._send_all, daemon=True).start()
        try:
            self._waiting.put_nowait(alert)
        except queue.Full:
            logger.warning("alert not delivered: %d alerts wait", MOST_WAITING)

    def _send_all(self) -> None:
        assert self._waiting is not None
        while True:
            self._send(self._waiting.get())
            self._waiting.task_done()

    def close(self, wait_s: float = LONGEST_S) -> None:
        """Wait until the alerts are delivered.

        Parameters
        ----------
        wait_s : float
            Longest wait, seconds.
        """
        deadline_s = time.monotonic() + wait_s
        while (
            self._waiting is not None
            and self._waiting.unfinished_tasks
            and time.monotonic() < deadline_s
        ):
            time.sleep(0.05)

    def _send(self, alert: dict[str, Any]) -> None:
        text = json.dumps(alert).encode()
        for target, send in ((self.command, _run), (self.webhook, _post)):
            if target is None:
                continue
            try:
                send(target, text)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                logger.warning("alert not delivered: %s", error)


def _run(command: str, text: bytes) -> None:
    subprocess.run(
        shlex.split(command),
        input=text,
        stdout=subprocess.DEVNULL,
        timeout=LONGEST_S,
        check=True,
    )


def _post(url: str, text: bytes) -> None:
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, text, head)
    urllib.request.urlopen(request, timeout=LONGEST_S).close()


def shown(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the terms that an alert tells.

    >>> shown({"latency_s": 70.0, "samples_s": 600.0})
    {'latency_s': 70.0}
    """
    return {k: v for k, v in terms.items() if not k.startswith("samples")}
