"""Trials: a command runs with a fault in a process of its own, and is given again."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import os
import shutil
import struct
import sys
import time
import traceback
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tools.disk_faults.commands import (
    COMMANDS,
    MODULES,
    correlations,
    main_of,
    rows_of,
    write_data,
)
from tools.disk_faults.forked_python import forked_reading_processes
from tools.disk_faults.kinds import KINDS
from tools.disk_faults.power import CASES, Disk, read_changes

__all__ = ["LIBRARY", "Fault", "Trials"]

# Variable of the environment with the path of the library.
LIBRARY = "DISK_FAULTS_LIBRARY"
END, HALF = -1, -2  # the process ends, after half of a write
SHORT = -3  # half is read or written, without an error
# What may happen at a call.
ERRORS = {
    "EIO": errno.EIO,
    "ENOSPC": errno.ENOSPC,
    "END": END,
    "HALF": HALF,
    "SHORT": SHORT,
}
OF_KIND = {
    "OPEN_READ": ("EIO",),
    "READ": ("EIO", "SHORT"),
    "OPEN_WRITE": ("ENOSPC", "END"),
    "WRITE": ("ENOSPC", "EIO", "HALF", "SHORT"),
    "RENAME": ("EIO", "END"),
    "SYNC": ("EIO", "END"),
    "CUT": ("EIO", "END"),
    "REMOVE": ("EIO", "END"),
    "FOLDER": ("ENOSPC",),
    "LIST": ("EIO",),
    "STAT": ("EIO",),
    "ENTRY": ("EIO",),
    "CLOSE": ("ENOSPC",),
    "LINK": ("EIO",),
}
# Programs that a command starts find the state of the trial by it.
STATE_VARIABLE = "DISK_FAULTS_STATE"
# The begin of the file in which all processes of a trial count: see library.c.
STATE = struct.Struct(f"{len(KINDS)}qq4096s")
LONGEST_S = 300.0  # a command that takes longer hangs


@dataclass
class Outcome:
    """What a command has done."""

    status: int
    out: str
    err: str
    n_calls: list[int]
    has_happened: bool = False
    path: str = ""


@dataclass(frozen=True)
class Fault:
    """The n-th call of a kind fails with an error."""

    kind: str
    call: int
    error: str

    def __str__(self) -> str:
        return f"{self.kind} {self.call} {self.error}"


class PowerFailure(NamedTuple):
    """The power fails after the n-th change of files; ``case`` is one of `CASES`."""

    call: int
    case: str


class Faults:
    """Runs commands in processes of their own, with faults.

    Parameters
    ----------
    new_interpreters : bool
        Start reading processes as a user's command does. By default they are forked.
    """

    def __init__(self, new_interpreters: bool = False) -> None:
        self.library = ctypes.CDLL(os.environ[LIBRARY])
        self.new_interpreters = new_interpreters
        for module in MODULES:
            importlib.import_module(module)

    def run(
        self,
        program: str,
        words: list[str],
        here: Path,
        fault: Fault | None = None,
        record: Path | None = None,
    ) -> Outcome:
        """Run a command in a copy of this process."""
        filled = [word.format(here=here) for word in words]
        out, err = here.with_name("stdout"), here.with_name("stderr")
        pid = os.fork()
        if pid == 0:
            self._child(program, filled, here, fault, record, out, err)
        status = _waited(pid)
        *counts, has_happened, path = STATE.unpack_from(self._state(here).read_bytes())
        return Outcome(
            status,
            out.read_text(errors="replace"),
            err.read_text(errors="replace"),
            counts,
            bool(has_happened),
            Path(path.rstrip(b"\0").decode()).name,
        )

    def _readers(self) -> AbstractContextManager[None]:
        if self.new_interpreters:
            return contextlib.nullcontext()
        return forked_reading_processes(self.library)

    @staticmethod
    def _state(here: Path) -> Path:
        return here.with_name("counts")

    @staticmethod
    def _modules(here: Path) -> Path:
        return here.with_name("modules")

    def import_used(self, here: Path) -> None:
        """Import the modules that a recorded command has used: trials are faster."""
        for name in self._modules(here).read_text().split():
            if name not in sys.modules:
                with contextlib.suppress(ImportError, AttributeError):
                    importlib.import_module(name)

    def _child(
        self, program: str, words: list[str], here: Path, fault: Fault | None,
        record: Path | None, out: Path, err: Path,
    ) -> None:  # fmt: skip
        for descriptor, path in ((1, out), (2, err)):
            file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(file, descriptor)
            os.close(file)
        os.chdir(here)
        kind, call, error = -1, 0, 0
        if fault is not None:
            kind, call = KINDS.index(fault.kind), fault.call
            error = ERRORS[fault.error]
        self.library.faults_start(
            str(self._state(here)).encode(), str(here).encode(), kind,
            ctypes.c_long(call), error,
            None if record is None else str(record).encode(),
        )  # fmt: skip
        os.environ[STATE_VARIABLE] = str(self._state(here))
        status = 99
        try:
            with self._readers():
                status = main_of(program)(words)
        except BaseException:  # noqa: BLE001 - the trial reports it
            traceback.print_exc()
        finally:
            if record is not None:
                self._modules(here).write_text("\n".join(sys.modules))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def _waited(pid: int) -> int:
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return 124


class Trials:
    """The trials of one command: faults, and the results after them."""

    def __init__(self, name: str, folder: Path, new_interpreters: bool = False) -> None:
        self.name, self.command = name, COMMANDS[name]
        self.folder, self.faults = folder, Faults(new_interpreters)
        self.start, self.here = folder / "start", folder / "trial" / "here"
        self.here.parent.mkdir()
        write_data(self.start, self.command)
        shutil.copytree(self.start, self.here)
        for words in self.command.prepared:
            if words == ["CUT"]:
                self._interrupt()
            else:
                self._done(self.faults.run(self.command.program, words, self.here))
        shutil.rmtree(self.start)
        self.here.rename(self.start)
        self._copy()
        program, words = self.command.program, self.command.words
        self.whole = self.faults.run(
            program, words, self.here, record=self.folder / "record"
        )
        self._done(self.whole)
        self.faults.import_used(self.here)
        self.right = self.command.result(self.here)
        assert self.right, "no result"

    @staticmethod
    def _done(outcome: Outcome) -> None:
        if outcome.status:
            raise SystemExit(f"status {outcome.status}: {outcome.err}")

    def _interrupt(self) -> None:
        """Leave a run as it is when it is interrupted."""
        out = self.here / "out"
        for path in (*out.glob("*.[ht]*"), *out.glob("*.csv")):
            path.unlink()
        done = (*out.glob("parts/*"), *out.glob("stations/*/*.json"))
        min(done).unlink()

    def _copy(self) -> None:
        shutil.rmtree(self.here, ignore_errors=True)
        shutil.copytree(self.start, self.here)

    def calls(self) -> dict[str, int]:
        """Return the number of calls of each kind."""
        return dict(zip(KINDS, self.whole.n_calls, strict=True))

    def faults_of(self, kinds: Collection[str]) -> Iterator[Fault]:
        """Yield every fault of every call of some kinds.

        Each fourth of them has all errors, because they are in order of the errors.
        """
        for kind, n_calls in self.calls().items():
            for error in OF_KIND[kind] if kind in kinds else ():
                yield from (Fault(kind, call, error) for call in range(n_calls))

    def failures_of_power(self) -> Iterator[PowerFailure]:
        """Yield every failure of power; each third of them has all cases."""
        n_changes = len(list(read_changes(self.folder / "record")))
        for case in CASES:
            yield from (PowerFailure(n, case) for n in range(1, n_changes + 1))

    def power(self, failure: PowerFailure) -> str:
        """Continue after a failure of power; return what is wrong, or ""."""
        n, case = failure
        disk = Disk(self.start, self.here)
        changes = list(read_changes(self.folder / "record"))
        for change in changes[:n]:
            disk.apply(change)
        shutil.rmtree(self.here, ignore_errors=True)
        disk.make(self.here, case)
        if n == len(changes) and self._result() != self.right:
            return f"lost after the end: {self._difference()}"
        return self._recover([])  # all data could be read

    def trial(self, fault: Fault) -> str:
        """Run the command with a fault; return what is wrong, or ""."""
        self._copy()
        program, words = self.command.program, self.command.words
        outcome = self.faults.run(program, words, self.here, fault)
        if not outcome.has_happened:
            return ""
        problem = self._judge(outcome, fault) or self._recover(self.command.then)
        return f"{outcome.path}: {problem}" if problem else ""

    def _judge(self, outcome: Outcome, fault: Fault) -> str:
        text = outcome.err.strip()[-400:]
        every = outcome.err.strip().splitlines()
        # mpiexec reports that it ends the ranks; a busy machine reads slowly
        lines = [
            line
            for line in every
            if not line.startswith(("WARN", "Abort("))
            and " is being read for" not in line
        ]
        if outcome.status == 137:
            return self._torn()
        if outcome.status == 0:
            if self._result() != self.right:
                return f"status 0, but another result; {self._difference()}; {text}"
            return ""
        if outcome.status == 3:
            return "" if len(lines) == 1 else f"status 3, lines: {text}"
        if outcome.status == 1 and not text and str(self.here) in outcome.out:
            return self._torn()  # the report of ``check``
        if outcome.status not in (1, 2):
            return f"status {outcome.status}: {text}"
        if len(lines) != 1 or "Traceback" in outcome.err:
            return f"status {outcome.status}, {len(lines)} lines: {text}"
        # a worker that has ended is named by its PE
        if str(self.here) not in text and fault.error not in ("END", "HALF"):
            return f"names no file: {text}"
        return self._torn()

    def _torn(self) -> str:
        """Return the files that have their final name without their content."""
        if self.command.result in (correlations, rows_of):
            return ""
        now = self._result()
        torn = [name for name, content in now.items() if self.right[name] != content]
        return f"torn: {torn}" if torn else ""

    def _result(self) -> Any:
        try:
            return self.command.result(self.here)
        except Exception as error:  # noqa: BLE001 - compared with the right result
            return repr(error)

    def _difference(self) -> str:
        now = self._result()
        if isinstance(now, dict) and isinstance(self.right, dict):
            names = now.keys() | self.right.keys()
            return ", ".join(
                f"{n}: {'there' if n in now else 'missing'}"
                for n in sorted(names)
                if now.get(n) != self.right.get(n)
            )
        return str(now)[:200] if isinstance(now, str) else "values"

    def _damage(self) -> str:
        """Return what the program reports as damaged in its results."""
        if not (self.here / "out").exists():
            return ""
        checking = ["check", "{here}/out"]
        outcome = self.faults.run(self.command.program, checking, self.here)
        return f"damaged: {outcome.out.strip()[-300:]}" if outcome.status else ""

    def _recover(self, then: list[list[str]]) -> str:
        told = []
        for words in self.command.again:
            outcome = self.faults.run(self.command.program, words, self.here)
            for more in then if outcome.status == 0 else ():
                outcome = self.faults.run(self.command.program, more, self.here)
            if outcome.status == 0:
                if self._result() == self.right:
                    return self._damage()
                return f"another result after {words[-1]}: {self._difference()}"
            told.append(f"{words[-1]}: {outcome.status}: {outcome.err.strip()[-300:]}")
            if outcome.status == 1 and "--repair" in outcome.err:
                repair = ["check", "{here}/out", "--repair"]
                self.faults.run(self.command.program, repair, self.here)
                outcome = self.faults.run(self.command.program, words, self.here)
                if outcome.status == 0 and self._result() == self.right:
                    return ""
                told.append(f"after --repair: {outcome.err.strip()[-300:]}")
            if outcome.status != 2:
                break
        return "cannot be repaired: " + " | ".join(told)
