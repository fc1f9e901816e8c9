"""Hosts made of network namespaces: each with a name, an address and its processes.

All of them hang on a bridge in a namespace that has no other network, so that several
tests may use the same addresses at the same time.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PREFIX = "d4p"
FOLDER = Path("/var/run/netns")
#: Address of the namespace with the bridge, from where jobs are launched.
LAUNCHER = "10.77.0.254"

#: Stands in for ssh: the last part of the address is the number of the host.
SSH = r"""#!/bin/bash
while [[ $1 == -* ]]; do shift; done
host=$1; shift
exec {enter} "${{host##*.}}" bash -c "$*"
"""
#: Runs a command on a host: `enter NUMBER COMMAND ...`.
ENTER = r"""#!/bin/bash
number=$1; shift
exec nsenter --net={namespaces}-$number unshare --uts --mount --ipc --pid --fork \
    --kill-child --mount-proc bash -c '
hostname h'$number'
mount --make-rprivate /
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs {private}
mount --bind {names} /etc/hosts
export TMPDIR={private}
exec "$@"' _ "$@"
"""


def why_not() -> str:
    """Return why there can be no hosts here; "" if there can be."""
    if os.getuid() != 0:
        return "network namespaces need root"
    absent = [name for name in ("ip", "nsenter", "unshare") if not shutil.which(name)]
    if absent:
        return f"there is no {absent[0]} (apt: iproute2, util-linux)"
    probe = f"{PREFIX}{os.getpid()}-probe"
    done = ip("netns", "add", probe, check=False)
    if done.returncode:
        return f"network namespaces are not allowed: {done.stderr.strip()}"
    ip("netns", "del", probe)
    return ""


def ip(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=check)


class Network:
    """Some hosts h1, h2 ... with the addresses 10.77.0.1, 10.77.0.2 ...

    Parameters
    ----------
    n : int
        Number of hosts.
    folder : Path
        An empty folder, which all hosts share.
    """

    def __init__(self, n: int, folder: Path) -> None:
        remove_stale()
        self.n, self.folder = n, folder
        self.bridge = f"{PREFIX}{os.getpid()}-0"
        self.addresses = [f"10.77.0.{k}" for k in range(1, n + 1)]
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        ip("netns", "add", self.bridge)
        inside = ("-n", self.bridge)
        ip(*inside, "link", "add", "bridge", "type", "bridge")
        ip(*inside, "addr", "add", f"{LAUNCHER}/24", "dev", "bridge")
        for device in ("bridge", "lo"):
            ip(*inside, "link", "set", device, "up")
        for k, address in enumerate(self.addresses, 1):
            host = self._namespace(k)
            ip("netns", "add", host)
            pair = ("type", "veth", "peer", "name", "eth0", "netns", host)
            ip(*inside, "link", "add", f"v{k}", *pair)
            ip(*inside, "link", "set", f"v{k}", "master", "bridge", "up")
            ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "link", "set", "lo", "up")
        self._write_programs()

    def _namespace(self, k: int) -> str:
        return f"{self.bridge[:-2]}-{k}"

    def _write_programs(self) -> None:
        names = [f"10.77.0.{k} h{k}" for k in range(1, self.n + 1)]
        lines = ["127.0.0.1 localhost", f"{LAUNCHER} {os.uname().nodename}", *names]
        self.names = self.folder / "hosts"
        self.names.write_text("\n".join(lines) + "\n")
        private = self.folder / "private"
        private.mkdir()
        self.enter, self.ssh = self.folder / "enter", self.folder / "ssh"
        self.enter.write_text(
            ENTER.format(
                namespaces=FOLDER / self.bridge[:-2], private=private, names=self.names
            )
        )
        self.ssh.write_text(SSH.format(enter=self.enter))
        for program in (self.enter, self.ssh):
            program.chmod(0o755)

    def mpiexec(self, mpiexec: str, n_each: int) -> list[str]:
        """Return the words that start a command on all hosts."""
        hosts = ",".join(f"{address}:{n_each}" for address in self.addresses)
        return [
            *self.launcher(),
            *(mpiexec, "-launcher", "ssh", "-launcher-exec", str(self.ssh)),
            *("-localhost", LAUNCHER, "-hosts", hosts, "-n", str(n_each * self.n)),
        ]

    def launcher(self) -> list[str]:
        """Return the words that run a command beside the hosts, in their network."""
        return ["nsenter", f"--net={FOLDER / self.bridge}"]

    def cut(self, k: int, is_cut: bool = True) -> None:
        """Cut a host off, or connect it again."""
        state = "down" if is_cut else "up"
        ip("-n", self.bridge, "link", "set", f"v{k}", state)

    def processes(self) -> list[int]:
        """Return the processes on all hosts, and of the launcher."""
        return [pid for name in self._all() for pid in _processes(name)]

    def _all(self) -> list[str]:
        return [self._namespace(k) for k in range(self.n + 1)]

    def close(self) -> None:
        """End all processes, and remove the hosts."""
        for name in self._all():
            remove(name)


def _processes(name: str) -> list[int]:
    if not (FOLDER / name).exists():
        return []
    return [int(pid) for pid in ip("netns", "pids", name, check=False).stdout.split()]


def remove(name: str) -> None:
    """Remove a namespace after its processes have ended."""
    deadline = time.monotonic() + 60.0
    while (left := _processes(name)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    ip("netns", "del", name, check=False)


def remove_stale() -> None:
    """Remove the namespaces of test programs that were killed."""
    for path in FOLDER.glob(f"{PREFIX}[0-9]*-[0-9]"):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{pid}").exists():
            remove(path.name)


def ended(
    command: Sequence[str], timeout_s: float = 100.0, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False, **more
    )


def errors(text: str) -> list[str]:
    """Return the lines of errors: without those of mpiexec, and the progress of a run.

    A run tells its progress when it takes long, as on a busy machine.
    """
    lines = [line for line in text.splitlines() if line[:1] not in "[="]
    return [line for line in lines if not re.match(r"\d+ s; ", line)]
