"""One run at a time in a folder: a lock that survives crashes and network disks.

The lock is a file ``OUT/run.lock`` that says who holds it: host, process, start. It is
made by a hard link, which is atomic on network disks too. Its holder touches it
every few seconds. A lock whose process is gone, or on another host one that was not
touched for minutes, is of a run that crashed: the next run takes it over.

Ages are told by the clock of the file server (a file is touched, its time is read), so
that the clocks of two hosts need not agree.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from dispel4py.errors import ParameterError

__all__ = ["LOCK_FILE", "Holder", "Locked", "RunLock"]

LOCK_FILE = "run.lock"
HEARTBEAT_S = 15.0
STALE_S = 300.0

logger = logging.getLogger(__name__)


class Locked(ParameterError):
    """Another run writes to the folder."""


#: How long a run waits for others that take over the same lock.
_PATIENCE_S = 2.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Parameters
    ----------
    host, pid
        The process; ``born`` is its start in clock ticks since the host's, because
        process numbers come again, and ``boot`` names the start of the host.
    since
        ISO 8601, UTC.
    token
        Of this one lock.
    """

    host: str
    pid: int
    born: str
    boot: str
    since: str
    token: str

    @classmethod
    def here(cls) -> Holder:
        """Describe this process."""
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            born=_born(os.getpid()),
            boot=_boot(),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            token=uuid.uuid4().hex,
        )

    @property
    def is_of_this_host(self) -> bool:
        """Whether its process can be looked for here."""
        return self.host == socket.gethostname() and self.boot in ("", _boot())

    def is_alive(self) -> bool:
        """Whether its process, on this host, is there and is the same."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # of another user
            return True
        return self.born in ("", _born(self.pid))


def _born(pid: int) -> str:
    """Return the start of a process in ticks since the host's; "" where not known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


class RunLock:
    """The lock of a folder; leaving the ``with`` gives it back if it was taken.

    Parameters
    ----------
    out
        Folder of the run; made when the lock is taken.
    heartbeat_s, stale_s
        How often it is touched, and after how long without that it is abandoned.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with RunLock(folder) as lock:
    ...     lock.take()
    ...     (Path(folder) / LOCK_FILE).exists()
    True
    >>> (Path(folder) / LOCK_FILE).exists()
    False
    """

    def __init__(
        self,
        out: str | Path,
        heartbeat_s: float = HEARTBEAT_S,
        stale_s: float = STALE_S,
    ) -> None:
        self.folder = Path(out)
        self.path = self.folder / LOCK_FILE
        self.heartbeat_s, self.stale_s = heartbeat_s, stale_s
        self._mine: Holder | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def take(self, wait_s: float = 0.0) -> None:
        """Take the lock.

        Parameters
        ----------
        wait_s
            How long to wait for another run, which may be about to end.

        Raises
        ------
        Locked
            If another run holds it, naming host and process.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise ParameterError(f"{self.folder}: is a file; results need a folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        mine = Holder.here()
        draft = self.folder / f".{LOCK_FILE}.{mine.token}"
        try:
            draft.write_text(json.dumps(asdict(mine), indent=1), encoding="utf-8")
            self._place(draft, time.monotonic() + wait_s)
        finally:
            draft.unlink(missing_ok=True)
        self._mine = mine
        self._ended.clear()
        self._thread = threading.Thread(
            target=self._beat, name="lock heartbeat", daemon=True
        )
        self._thread.start()

    def _place(self, draft: Path, held_until: float) -> None:
        """Put the draft under the lock's name, over an abandoned lock if need be."""
        deadline = held_until + _PATIENCE_S
        while True:
            if _link(draft, self.path):
                return
            holder = _read(self.path)
            if self._is_held(holder, draft):
                if time.monotonic() < held_until:
                    time.sleep(0.05)
                    continue
                raise Locked(_refusal(self.folder, holder))
            if self._take_over(holder, draft):
                return
            if time.monotonic() > deadline:
                raise Locked(_refusal(self.folder, holder))

    def _is_held(self, holder: Holder | None, draft: Path) -> bool:
        if holder is not None and holder.is_of_this_host:
            return holder.is_alive()
        try:
            touched = self.path.stat().st_mtime
        except FileNotFoundError:
            return False
        os.utime(draft)  # now, by the clock of the file server
        return draft.stat().st_mtime - touched < self.stale_s

    def _take_over(self, holder: Holder | None, draft: Path) -> bool:
        """Take the lock of a run that crashed; one at a time may try."""
        guard = self.folder / f".{LOCK_FILE}.takeover"
        if not _link(draft, guard):
            other = _read(guard)
            if other is not None and other.is_of_this_host and not other.is_alive():
                guard.unlink(missing_ok=True)
            time.sleep(0.02)
            return False
        try:
            if _read(self.path) != holder:  # another run was faster
                return False
            self.path.unlink(missing_ok=True)
            taken = _link(draft, self.path)
        finally:
            guard.unlink(missing_ok=True)
        if taken:
            logger.warning(
                "%s: took over the lock of a run that did not end%s",
                self.folder,
                "" if holder is None else f" (process {holder.pid} on {holder.host})",
            )
        return taken

    def _beat(self) -> None:
        while not self._ended.wait(self.heartbeat_s):
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def release(self) -> None:
        """Give the lock back, if this run has it; may be called twice."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        mine, self._mine = self._mine, None
        if mine is not None and mine.pid == os.getpid() and _read(self.path) == mine:
            self.path.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name; say False if that name is taken."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: exclusive creation is next best
        return _create(source, target)
    return True


def _create(source: Path, target: Path) -> bool:
    try:
        with open(target, "x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        return False
    return True


def _read(path: Path) -> Holder | None:
    """Return who holds a lock; None where that cannot be read."""
    for _ in range(3):
        try:
            return Holder(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):  # perhaps it is being written
            time.sleep(0.02)
    return None


def _refusal(folder: Path, holder: Holder | None) -> str:
    lock = folder / LOCK_FILE
    if holder is None:
        return f"{folder}: another run holds {lock}; wait for it, or choose another out"
    where = "" if holder.is_of_this_host else f" on {holder.host}"
    return (
        f"{folder}: another run writes to it, process {holder.pid}{where} since "
        f"{holder.since}; wait for it or choose another folder (if it is surely gone, "
        f"remove {lock})"
    )
