"""Virtual environments for the contenders, in the folder ``.peers/``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PEERS = ROOT / ".peers"


class Unavailable(RuntimeError):
    """A contender cannot be installed or started; the message says why."""


@dataclass(frozen=True)
class Package:
    """The packages of a contender and the Python that they need.

    Attributes
    ----------
    name
        Name of the folder.
    requirements
        Requirements for pip.
    command
        The program that is installed by them.
    pythons
        Possible interpreters: the first that exists is used. By default ours.
    """

    name: str
    requirements: tuple[str, ...]
    command: str
    pythons: tuple[str, ...] = ()

    def program(self) -> Path:
        """Return the path of the program, after installing it if needed.

        Raises
        ------
        Unavailable
            If the installation fails.
        """
        folder = PEERS / self.name
        program = folder / "bin" / self.command
        if not (folder / "installed").exists():
            shutil.rmtree(folder, ignore_errors=True)
            print(f"installing {self.name} into {folder}", flush=True)
            _run([_find_python(self.pythons), "-m", "venv", str(folder)])
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            _run([*pip, "--disable-pip-version-check", *self.requirements])
            _run([str(program), "--help"])
            (folder / "installed").touch()
        return program


def _find_python(names: tuple[str, ...]) -> str:
    for name in names:
        version = name.removeprefix("python")
        managed = (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")
        for path in (shutil.which(name), *map(str, managed)):
            if path and _starts(path):
                return path
    if names:
        raise Unavailable(f"{' or '.join(names)} is needed and was not found")
    return sys.executable


def _starts(python: str) -> bool:
    """Return whether an interpreter starts: the shim of a version manager may not."""
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = lines[-1] if lines else "?"
        raise Unavailable(f"{' '.join(command[:4])} ...: {reason}")
