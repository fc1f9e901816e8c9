"""Environments of their own for the contenders, kept in ``.peers/``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PEERS = ROOT / ".peers"


class Unavailable(RuntimeError):
    """A contender cannot be installed or started here; the message says why."""


@dataclass(frozen=True)
class Package:
    """What is installed, and into which Python.

    Attributes
    ----------
    name
        Of the folder.
    requirements
        What pip installs.
    command
        The program that must be there then.
    pythons
        Interpreters to try, the first that is there is taken; ours at last.
    """

    name: str
    requirements: tuple[str, ...]
    command: str
    pythons: tuple[str, ...] = ()

    def program(self) -> Path:
        """Return its command, installing it first if need be.

        Raises
        ------
        Unavailable
            If that fails.
        """
        folder = PEERS / self.name
        program = folder / "bin" / self.command
        if not (folder / "installed").exists():
            shutil.rmtree(folder, ignore_errors=True)
            print(f"installing {self.name} into {folder}", flush=True)
            _run([_python(self.pythons), "-m", "venv", str(folder)])
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            _run([*pip, "--disable-pip-version-check", *self.requirements])
            _run([str(program), "--help"])
            (folder / "installed").touch()
        return program


def _python(wanted: tuple[str, ...]) -> str:
    for name in wanted:
        version = name.removeprefix("python")
        managed = (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")
        for found in (shutil.which(name), *map(str, managed)):
            if found and _answers(found):
                return found
    if wanted:
        raise Unavailable(f"needs {' or '.join(wanted)}, which is not here")
    return sys.executable


def _answers(python: str) -> bool:
    """Say whether an interpreter starts: a shim of a version manager may not."""
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"{' '.join(command[:4])} ...: {said[-1] if said else '?'}")
