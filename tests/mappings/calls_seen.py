"""An observer that writes down every call; as a program, random graphs under MPI."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from random_graphs import given_by

from dispel4py.lineage import COLLECTOR, INPUTS, Key
from dispel4py.observe import Observer


class Seen(NamedTuple):
    """One call."""

    process: int
    instance: int
    phase: str
    outcome: str
    attempts: int
    received: Any
    sent: list[Any]
    cause: str
    item: str


class Notes(Observer):
    """Writes each call as a line, at once: the process may be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.files: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "files": {}}

    def worker_started(self, plan: Any, process: int) -> None:
        path = Path(self.folder) / f"calls-{process}"
        self.files[process] = open(path, "a")  # noqa: SIM115

    def called(self, call: Any) -> None:
        assert call.began <= call.ended
        received, failure = call.received, call.failure
        seen = Seen(
            call.instance.process,
            call.instance.index,
            call.phase,
            call.outcome,
            call.attempts,
            received and [*received.channel, received.first],
            [[*items.channel, items.first, items.n] for items in call.sent],
            failure.cause if failure else "",
            repr(call.item),
        )
        file = self.files[seen.process]
        file.write(json.dumps(seen) + "\n")
        file.flush()

    def worker_finished(self, process: int) -> None:
        self.files[process].close()


def read(folder: Path) -> list[Seen]:
    """Return all calls that were written; an incomplete last line is left out."""
    calls = []
    for path in sorted(Path(folder).glob("calls-*")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                calls.append(Seen(*json.loads(line)))
    return calls


def sent_names(calls: list[Seen]) -> Counter[tuple[Key, int]]:
    """Return the names of the items that were sent."""
    return Counter(
        (Key(*key), first + k)
        for call in calls
        for *key, first, n in call.sent
        for k in range(n)
    )


def received_names(calls: list[Seen]) -> Counter[tuple[Key, int]]:
    """Return the names of the items that were received."""
    return Counter(
        (Key(*call.received[:3]), call.received[3]) for call in calls if call.received
    )


def check_joined(calls: list[Seen], n_results: int | None = None) -> None:
    """Check that each item was sent once and received once."""
    sent, received = sent_names(calls), received_names(calls)
    results = {name for name in sent if name[0].destination == COLLECTOR}
    inputs = {name for name in received if name[0].source == INPUTS}
    assert set(sent) - results == set(received) - inputs
    assert set(sent.values()) | set(received.values()) <= {1}
    if n_results is not None:
        assert len(results) == n_results
    last: dict[Key, int] = {}
    for key, number in [*sent, *inputs]:
        last[key] = max(last.get(key, -1), number)
    numbers = Counter(key for key, _ in [*sent, *inputs])
    assert {key: n - 1 for key, n in numbers.items()} == last  # counted from 0


if __name__ == "__main__":
    layouts = json.loads(Path(sys.argv[1]).read_text())
    found = []
    for k, layout in enumerate(layouts):
        folder = Path(sys.argv[2]) / str(k)
        folder.mkdir(exist_ok=True)
        found.append(given_by(layout, mapping="mpi", observers=[Notes(folder)]))
    if None not in found:
        sys.stdout.write(json.dumps(found))
