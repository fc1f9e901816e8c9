"""A server of PostgreSQL for measurements, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["programs", "server"]

INSTALLED = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """Return the folder of the programs of PostgreSQL; None without them."""
    found = sorted(INSTALLED.glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def server() -> Iterator[str]:
    """Start a server, yield the address of an empty database, end the server."""
    place = programs()
    assert place is not None, "PostgreSQL is not installed"
    # PostgreSQL refuses to run as root; a socket needs a short path
    owner = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    data = str(folder / "data")

    def call(program: str, *words: str) -> None:
        command = [str(place / program), *words]
        subprocess.run(
            command, user=owner, cwd=folder, check=True, stdout=subprocess.DEVNULL
        )

    if owner is not None:
        shutil.chown(folder, owner)
    try:
        call("initdb", "-D", data, "-A", "trust", "-U", "tester", "-E", "UTF8", "-N")
        flags = f"-k {folder} -c listen_addresses='' -F -c shared_buffers=256MB"
        log = str(folder / "log")
        call("pg_ctl", "-D", data, "-o", flags, "-l", log, "-w", "start")
        try:
            call("createdb", "-h", str(folder), "-U", "tester", "store")
            yield f"postgresql://tester@/store?host={folder}"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
