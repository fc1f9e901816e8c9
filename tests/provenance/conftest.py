"""Databases for stores: a file, and a PostgreSQL server of the tests."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session")
def postgresql():
    """Make a database on a server of our own, on a socket in a temporary folder."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed")
    # PostgreSQL refuses to run as root
    owner = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: it has a socket

    def call(program, *words):
        command = [str(PROGRAMS[-1] / program), *words]
        subprocess.run(
            command, user=owner, cwd=folder, check=True, stdout=subprocess.DEVNULL
        )

    if owner is not None:
        shutil.chown(folder, owner)
    data, n = str(folder / "data"), iter(range(1000))
    call("initdb", "-D", data, "-A", "trust", "-U", "tester", "-E", "UTF8", "-N")
    flags = f"-k {folder} -c listen_addresses='' -F"
    call("pg_ctl", "-D", data, "-o", flags, "-l", str(folder / "log"), "-w", "start")

    def make():
        name = f"store{next(n)}"
        call("createdb", "-h", str(folder), "-U", "tester", name)
        return f"postgresql://tester@/{name}?host={folder}"

    try:
        yield make
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def make_place(request, tmp_path_factory):
    """Make a new database, of each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql")
    return lambda: str(tmp_path_factory.mktemp("store") / "store.db")
