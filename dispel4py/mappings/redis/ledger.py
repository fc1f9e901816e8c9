"""What the server keeps of a run: queues, work in progress, state, counts."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dispel4py.failure import Failure
from dispel4py.mappings.redis import scripts
from dispel4py.mappings.redis.contents import Contents, Output, output_of
from dispel4py.mappings.redis.server import (
    SILENCE_SECONDS,
    ServerErrors,
    ServerFull,
    ServerLost,
    connect,
)
from dispel4py.mappings.redis.streams import RESULTS, Stream
from dispel4py.mappings.redis.tasks import Commit, Task
from dispel4py.observe import Count
from dispel4py.plan import Plan
from dispel4py.result import ProcessReport

#: A queue with this many parcels is full: the streams before it wait. A parcel has up
#: to 1 MB, or one larger item.
ROOM = 32
#: Most parcels that a worker takes at once, and most bytes (at least one parcel). Of
#: larger items it could not do more before it commits.
_MOST_PARCELS, _MOST_BYTES = 16, 2_000_000
#: The run ends if the process that started it gives no sign of life for so many leases.
_PARENT_LEASES = 6
#: Most parcels of results that are read at once.
_MOST_RESULTS = 64

#: Names of the runs at the server.
_RUNS = "dispel4py:runs"

OK, WORK, WAIT, OVER = "ok", "work", "wait", "over"
LOST, GONE, STOPPED = "lost", "gone", "stopped"


class Ledger:
    """The commands of a run for the server; a context manager of its connections.

    Parameters
    ----------
    url : str
        Address of the server.
    name : str
        Name of the run.
    silence_s : float
        Longest silence of the server, in seconds.
    """

    def __init__(self, url: str, name: str, silence_s: float = SILENCE_SECONDS) -> None:
        self.url, self.name, self._silence_s = url, name, silence_s
        self._errors = ServerErrors(url, silence_s)
        self._prefix = f"{{{name}}}:"
        self.client = connect(url, silence_s)
        self._contents = Contents(self.client, self._prefix)
        programs = {
            "push": scripts.PUSH,
            "take": scripts.TAKE,
            "send": scripts.SEND,
            "commit": scripts.COMMIT,
            "bury": scripts.BURY,
            "stop": scripts.STOP,
            "status": scripts.STATUS,
        }
        self._programs = {
            name: self.client.register_script(text) for name, text in programs.items()
        }

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.close()

    def for_thread(self) -> Ledger:
        """Return the commands of the same run, with connections of their own."""
        return Ledger(self.url, self.name, self._silence_s)

    def _key(self, *words: str) -> str:
        return self._prefix + ":".join(words)

    def _run(self, program: str, *arguments: Any) -> Any:
        with self._errors:
            return self._programs[program](keys=[self._prefix], args=arguments)

    # -- the run -----------------------------------------------------------

    def open(self, lease_s: float) -> bool:
        """Begin a run; return False if another run has its name.

        Parameters
        ----------
        lease_s : float
            Seconds after which a worker without a sign of life counts as dead.
        """
        milliseconds = int(1000 * _PARENT_LEASES * lease_s)
        with self._errors:
            return bool(self.client.set(self._key("open"), 1, nx=True, px=milliseconds))

    def describe(self, streams: Mapping[str, Stream], job: bytes) -> None:
        """Tell the server and the workers what the run consists of.

        Parameters
        ----------
        streams : mapping
            The streams by name, the deepest first.
        job : bytes
            The graph for workers that join; empty if it cannot be sent.
        """
        described = [
            {
                "name": s.name,
                "depth": s.spec.depth,
                "shared": s.is_shared,
                "source": s.is_source,
                "feeders": s.feeders,
                "into": s.into,
            }
            for s in streams.values()
        ]
        with self._errors:
            pipe = self.client.pipeline()
            pipe.sadd(_RUNS, self.name)
            pipe.set(self._key("streams"), json.dumps(described))
            pipe.set(self._key("job"), job)
            for stream in streams.values():
                if stream.is_shared:
                    pipe.hset(self._key("shared"), stream.name, 1)
            pipe.execute()

    def keep_open(self, lease_s: float) -> None:
        """Renew the lease of the run."""
        with self._errors:
            self.client.pexpire(self._key("open"), int(1000 * _PARENT_LEASES * lease_s))

    def close(self) -> None:
        """Remove all keys of the run, the sign that it is alive first."""
        with self._errors:
            self.client.delete(self._key("open"))
            for key in self.client.scan_iter(match=f"{self._prefix}*", count=1000):
                self.client.unlink(key)
            self.client.srem(_RUNS, self.name)

    def remove_dead_runs(self) -> None:
        """Remove the keys of runs whose first process was killed."""
        with self._errors:
            names = [name.decode() for name in self.client.smembers(_RUNS)]
            is_open = [self.client.exists(f"{{{name}}}:open") for name in names]
        for name, alive in zip(names, is_open, strict=True):
            if not alive:
                with Ledger(self.url, name, self._silence_s) as dead:
                    dead.close()

    def job(self) -> bytes | None:
        """Return the graph for workers that join; None if there is no such run."""
        with self._errors:
            if not self.client.exists(self._key("open")):
                return None
            job: bytes | None = self.client.get(self._key("job"))
            return job

    def status(self, n_streams: int) -> tuple[str, Failure | None, int, list[str]]:
        """Return whether the run is over, its failure, commits, and dead workers.

        Parameters
        ----------
        n_streams : int
            Number of all streams.

        Raises
        ------
        ServerLost
            If the server has lost the run.
        """
        first, *more = self._run("status", n_streams)
        if first.decode() == GONE:
            raise ServerLost(
                f"Redis at {self.url} has lost the run {self.name}: it was started "
                "again, or its data were removed"
            )
        failure, commits, *dead = more
        return (
            first.decode(),
            pickle.loads(failure) if failure else None,
            int(commits),
            [worker.decode() for worker in dead],
        )

    def fail(self, failure: Failure) -> None:
        """Note the failure that ends the run; only the first one is kept."""
        with self._errors:
            self.client.set(self._key("failure"), pickle.dumps(failure, 5), nx=True)

    def counts(self, plan: Plan) -> dict[str, Count]:
        """Return the committed items in and out of each PE."""
        with self._errors:
            known = self.client.hgetall(self._key("counts"))
        totals = {k.decode(): int(v) for k, v in known.items()}
        return {
            pe.id: Count(
                totals.get(f"{k}:in", 0),
                totals.get(f"{k}:out", 0),
                0,
                totals.get(f"{k}:failed", 0),
            )
            for k, pe in enumerate(plan.pes)
        }

    # -- inputs and results -----------------------------------------------------------

    def lengths(self, streams: Iterable[str]) -> list[int]:
        """Return the number of parcels that wait in each of these streams."""
        with self._errors:
            pipe = self.client.pipeline(transaction=False)
            for stream in streams:
                pipe.llen(self._key("q", stream))
            lengths: list[int] = pipe.execute()
        return lengths

    def push(self, stream: str, inputs: Output) -> None:
        """Add inputs to a stream, unless it was stopped.

        Parameters
        ----------
        stream : str
        inputs : Output
        """
        with self._errors:
            self._contents.put([inputs])
        if not self._run("push", stream, inputs.entry):
            with self._errors:
                self._contents.remove([inputs])

    def end_inputs(self, stream: str) -> None:
        """Note that a source has all its inputs."""
        with self._errors:
            self.client.sadd(self._key("closed"), stream)

    def stopped(self) -> set[str]:
        """Return the sources that were stopped early."""
        with self._errors:
            return {s.decode() for s in self.client.smembers(self._key("stopped"))}

    def results(self, timeout_s: float) -> list[bytes]:
        """Take parcels of results; wait for one if there is none."""
        key = self._key("q", RESULTS)
        with self._errors:
            parcels: list[bytes] = self.client.lpop(key, _MOST_RESULTS) or []
            if not parcels and timeout_s:
                answer = self.client.blpop([key], timeout=timeout_s)
                parcels = [] if answer is None else [answer[1]]
            found = self._contents.get(parcels, last=True)
        return [parcel for parcel in found if parcel is not None]

    # -- workers -----------------------------------------------------------

    def join(self, worker: str, lease_s: float) -> int:
        """Add a worker; return its number.

        Parameters
        ----------
        worker : str
        lease_s : float
            Seconds until it counts as dead without a sign of life.
        """
        with self._errors:
            pipe = self.client.pipeline()
            pipe.set(self._key("alive", worker), 1, px=int(1000 * lease_s))
            pipe.sadd(self._key("workers"), worker)
            pipe.incr(self._key("numbers"))
            return int(pipe.execute()[-1]) - 1

    def renew(self, worker: str, lease_s: float) -> None:
        """Renew the lease of a worker.

        Parameters
        ----------
        worker : str
        lease_s : float
        """
        with self._errors:
            self.client.set(self._key("alive", worker), 1, px=int(1000 * lease_s))

    def bury(self, worker: str, dies: bool = True) -> tuple[str, str] | None:
        """Let others take over all that a worker had in work.

        Parameters
        ----------
        worker : str
        dies : bool
            Whether its work may have killed it.

        Returns
        -------
        tuple or None
            A stream whose state died with the worker, and why it was not saved.
        """
        lost = self._run("bury", worker, int(dies))
        return (lost[0].decode(), lost[1].decode()) if lost else None

    def workers(self) -> set[str]:
        """Return the workers that take part."""
        with self._errors:
            return {w.decode() for w in self.client.smembers(self._key("workers"))}

    def report(self, worker: str, report: ProcessReport) -> None:
        """Keep the report of a worker that ends.

        Parameters
        ----------
        worker : str
        report : ProcessReport
        """
        with self._errors:
            self.client.hset(self._key("reports"), worker, pickle.dumps(report, 5))

    def reports(self) -> list[ProcessReport]:
        """Return the reports of all workers that have ended, by their numbers."""
        with self._errors:
            reports = self.client.hvals(self._key("reports"))
        return sorted(map(pickle.loads, reports), key=lambda report: report.process)

    # -- work -----------------------------------------------------------

    def take(
        self, worker: str, level: int, min_depth: int, known: Mapping[str, str]
    ) -> tuple[str, Task | None]:
        """Take work on a stream deeper in the graph than ``min_depth``.

        Parameters
        ----------
        worker : str
        level : int
            How deep this work is nested in other work of the worker.
        min_depth : int
        known : mapping
            The streams whose state the worker has, with their versions.
        """
        kind, *content = self._run(
            *("take", worker, level, min_depth, _MOST_PARCELS, _MOST_BYTES),
            *(ROOM, time.time(), json.dumps(known)),
        )
        if kind.decode() != WORK:
            return kind.decode(), None
        stream, finishes, version, starts, *content = content
        state, n_sent, n_deaths, *entries = content
        with self._errors:
            found = self._contents.get([state, *entries])
        saved, *parcels = [parcel or b"" for parcel in found]
        if None in found:  # others have done this work meanwhile
            return LOST, None
        n_deaths = max([int(n_deaths), *(entry[0] for entry in entries[:1])])
        return WORK, Task(
            *(stream.decode(), finishes == b"1", version.decode(), int(starts)),
            *(saved[1:], int(n_sent), n_deaths, parcels),
        )

    def send(
        self,
        hold: tuple[str, int],
        stream: str,
        n_sent: int,
        outputs: Sequence[Output],
    ) -> str:
        """Send items within a call, before the commit of the task.

        Parameters
        ----------
        hold : (str, int)
            The worker and the level.
        stream : str
            Stream of the task.
        n_sent : int
            All items that the task has sent so far.
        outputs : sequence of Output
        """
        with self._errors:
            self._contents.put(outputs)
        flat = [part for output in outputs for part in output[:2]]
        answer: bytes = self._run("send", f"{hold[0]}/{hold[1]}", stream, n_sent, *flat)
        return answer.decode()

    def commit(
        self, hold: tuple[str, int], stream: str, commit: Commit
    ) -> tuple[str, str]:
        """Commit a task; return the outcome, and the new version of the instance.

        Parameters
        ----------
        hold : (str, int)
            The worker and the level.
        stream : str
            Stream of the task.
        commit : Commit
        """
        due = "" if commit.due_s is None else repr(commit.due_s)
        counts = json.dumps(list(commit.counts.items()))
        # the state as a parcel, whose first byte has no meaning
        state = output_of("", b"\0" + commit.state if commit.state else b"")
        rest = [output_of("", parcel) for parcel in commit.rest]
        sent = [state, *rest, *commit.outputs]
        try:
            with self._errors:
                self._contents.put(sent)
        except ServerFull:  # it takes a commit as a whole, as this frees memory
            sent = [output._replace(entry=output.parcel) for output in sent]
        entries = [output.entry for output in sent[: len(rest) + 1]]
        flat = [part for output in sent[len(rest) + 1 :] for part in output[:2]]
        outcome, *version = self._run(
            *("commit", *hold, stream, commit.kind, entries[0], commit.n_sent, due),
            *(commit.pinned, counts, commit.n_untouched),
            *(len(rest), *entries[1:], *flat),
        )
        if outcome.decode() != OK:
            with self._errors:
                self._contents.remove(sent)
        return outcome.decode(), version[0].decode() if version else ""

    def stop(self, streams: Iterable[str]) -> None:
        """Give no more inputs to these sources."""
        self._run("stop", *streams)
