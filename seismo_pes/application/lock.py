"""The lock of a folder: one run at a time, also after crashes and on network disks.

The lock is a file ``OUT/run.lock`` with the host, the process and the start of its
holder. It is made as a hard link, which is atomic on network disks, too. The holder
touches it every few seconds. The next run takes over the lock of a run that crashed: at
once if its process on this host has ended, else if nobody has touched it for minutes.

Other users may write to the folder: a link, a pipe, a folder or another program's file
under the name of a lock is neither followed nor waited for nor replaced.

The age of a lock is measured by the clock of the file server (a new file is touched,
and both times are read), because the clocks of two hosts may differ.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import stat
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import exists, is_folder

__all__ = ["LOCK_FILE", "FolderLost", "Holder", "Locked", "RunLock"]

LOCK_FILE = "run.lock"
HEARTBEAT_S = 15.0  # between two touches; some fail on a busy network disk
STALE_S = 300.0  # age of an abandoned lock: 20 missed touches
LONGEST_LOCK = 4096  # bytes of a lock; those of this program have about 250
PATIENCE_S = 2.0  # longest wait for other runs that take over the same lock

logger = logging.getLogger(__name__)


class Locked(ParameterError):
    """Another run writes to the folder."""


class FolderLost(DataError):
    """The folder was moved or removed while a run wrote to it."""


@dataclass(frozen=True)
class Holder:
    """The holder of a lock.

    Parameters
    ----------
    host, pid : str and int
        Host and number of the process.
    born : str
        Start of the process, in clock ticks since the start of the host: the number of
        an ended process may be used again.
    boot : str
        Identity of the start of the host.
    since : str
        Time at which the lock was taken: ISO 8601, UTC.
    token : str
        Identity of the lock.
    """

    host: str
    pid: int
    born: str
    boot: str
    since: str
    token: str

    @classmethod
    def here(cls) -> Holder:
        """Return this process as the holder of a new lock."""
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            born=_born(os.getpid()),
            boot=_boot(),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            token=uuid.uuid4().hex,
        )

    @classmethod
    def of(cls, text: bytes) -> Holder:
        """Return the holder that a lock names.

        Raises
        ------
        ValueError
            If this program did not write the text.
        """
        try:
            holder = cls(**json.loads(text))
        except (TypeError, RecursionError) as error:
            raise ValueError(str(error)) from None
        values = asdict(holder)
        pid = values.pop("pid")
        if not all(isinstance(value, str) for value in values.values()):
            raise ValueError("not the texts of a holder")
        if type(pid) is not int or not 0 < pid < 1 << 31:
            raise ValueError(f"{pid!r} is not the number of a process")
        return holder

    @property
    def is_of_this_host(self) -> bool:
        """Whether the process was started on this host since the host's last start."""
        return self.host == socket.gethostname() and self.boot in ("", _boot())

    def is_alive(self) -> bool:
        """Whether the process on this host still runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # a process of another user
            return True
        return self.born in ("", _born(self.pid))


def _born(pid: int) -> str:
    """Return the start of a process in clock ticks; "" if it is not known."""
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
    """The lock of a folder; the end of the ``with`` block releases it.

    Parameters
    ----------
    out : str or Path
        Folder of the run; `take` makes it.
    heartbeat_s : float
        Time between two touches of the lock.
    stale_s : float
        Age without a touch at which a lock counts as abandoned.

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

    def __exit__(self, kind: object, error: object, *rest: object) -> None:
        try:
            if isinstance(error, Exception):  # perhaps its cause
                self.check()
        finally:
            self.release()

    def check(self) -> None:
        """Check that the folder is still the one whose lock this run has taken.

        Raises
        ------
        FolderLost
            If the folder was moved or removed, or another run has replaced the lock.
        """
        if self._mine is None or self._mine.pid != os.getpid():
            return
        if _may_be_there(self.path) and _read(self.path) in (None, self._mine):
            return
        raise FolderLost(
            f"{self.folder}: was moved or removed, or lost its {LOCK_FILE}, while the "
            "run wrote to it: put it back and continue the run, or start it again"
        )

    def take(self, wait_s: float = 0.0) -> None:
        """Take the lock.

        Parameters
        ----------
        wait_s : float
            How long to wait for the end of another run.

        Raises
        ------
        Locked
            If another run holds it; the message names host and process.
        ParameterError
            If the folder is a file.
        """
        if exists(self.folder) and not is_folder(self.folder):
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
        """Give the draft the name of the lock; an abandoned lock is replaced."""
        deadline = held_until + PATIENCE_S
        while True:
            if _link(draft, self.path):
                return
            holder = _read(self.path)
            if self._is_held(self.path, holder, draft):
                if time.monotonic() < held_until:
                    time.sleep(0.05)
                    continue
                raise Locked(_refusal(self.folder, holder))
            if self._take_over(holder, draft):
                return
            if time.monotonic() > deadline:
                raise Locked(_refusal(self.folder, holder))

    def _is_held(self, path: Path, holder: Holder | None, draft: Path) -> bool:
        if holder is not None and holder.is_of_this_host:
            return holder.is_alive()
        try:
            touched = path.lstat().st_mtime
        except FileNotFoundError:
            return False
        os.utime(draft)  # the present time of the file server
        return draft.stat().st_mtime - touched < self.stale_s

    def _take_over(self, holder: Holder | None, draft: Path) -> bool:
        """Take the lock of a run that crashed, unless another run is doing so."""
        guard = self.folder / f".{LOCK_FILE}.takeover"
        if not _link(draft, guard):
            rival = _read(guard)
            if not self._is_held(guard, rival, draft):
                guard.unlink(missing_ok=True)
            time.sleep(0.02)
            return False
        try:
            if _read(self.path) != holder:  # another run was faster
                return False
            self.path.unlink(missing_ok=True)
            is_ours = _link(draft, self.path)
        finally:
            guard.unlink(missing_ok=True)
        if is_ours:
            logger.warning(
                "%s: took over the lock of a run that did not end%s",
                self.folder,
                "" if holder is None else f" (process {holder.pid} on {holder.host})",
            )
        return is_ours

    def _beat(self) -> None:
        while not self._ended.wait(self.heartbeat_s):
            with contextlib.suppress(OSError):
                os.utime(self.path, follow_symlinks=False)

    def release(self) -> None:
        """Release the lock if this run holds it; more calls have no effect."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        mine, self._mine = self._mine, None
        if mine is not None and mine.pid == os.getpid():
            with contextlib.suppress(Locked):  # then it is not ours any more
                if _read(self.path) == mine:
                    self.path.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name; return False if the name exists."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: create the file exclusively
        return _create(source, target)
    return True


def _create(source: Path, target: Path) -> bool:
    content = source.read_text(encoding="utf-8")
    try:
        with open(target, "x", encoding="utf-8") as file:
            try:
                file.write(content)
                file.flush()
            except OSError:
                target.unlink(missing_ok=True)  # a cut lock would be that of nobody
                raise
    except FileExistsError:
        return False
    return True


def _read(path: Path) -> Holder | None:
    """Return the holder of a lock; None if the file cannot be read.

    Raises
    ------
    Locked
        If there is something else of this name.
    """
    for _ in range(3):
        _refuse_others(path)
        try:
            return Holder.of(_content(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):  # it may be half written
            time.sleep(0.02)
    return None


def _may_be_there(path: Path) -> bool:
    """Return whether there is a file, or the operating system cannot tell."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        logger.debug("%s: %s", path, error)
    return True


def _refuse_others(path: Path) -> None:
    """Refuse what has the name of a lock and is no file, which locks always are."""
    with contextlib.suppress(OSError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise Locked(f"{path}: is not a file, and so no lock of a run: remove it")


def _content(path: Path) -> bytes:
    """Return the begin of a file, which is never a link, and not waited for."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        return os.read(descriptor, LONGEST_LOCK)
    finally:
        os.close(descriptor)


def _refusal(folder: Path, holder: Holder | None) -> str:
    lock = folder / LOCK_FILE
    if holder is None:
        return (
            f"{folder}: another run holds {lock}; wait for it or choose another folder "
            "(if no run writes to the folder, remove the file)"
        )
    where = "" if holder.is_of_this_host else f" on {holder.host}"
    return (
        f"{folder}: another run writes to it, process {holder.pid}{where} since "
        f"{holder.since}; wait for it or choose another folder (if the process "
        f"has ended, remove {lock})"
    )
