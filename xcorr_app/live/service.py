"""The files of a live run as a service: a unit of systemd, and a container file."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from seismo_pes.application.files import write_whole
from xcorr_app.live.result_folder import live_folder

__all__ = ["write_files"]

# These options belong to one start; a service is started again and again.
OF_ONE_START = frozenset({"--service", "--force"})

UNIT = """\
[Unit]
Description=Near-real-time correlation, {out}
Wants=network-online.target
After=network-online.target

[Service]
WorkingDirectory={folder}
ExecStart={command}
Restart=always
RestartSec=10
# a run that is stopped continues at the next start
KillSignal=SIGINT
TimeoutStopSec=120
SuccessExitStatus=130 143
Environment=OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1

[Install]
WantedBy=default.target
"""

CONTAINER = """\
# podman build -t xcorr-live - < {name}
# podman run -d --restart always --network host -v {folder}:/data xcorr-live
# Another version: --build-arg PACKAGE='dispel4py-seismo[live] @ URL of a wheel'
FROM docker.io/library/python:{python}-slim
ARG PACKAGE='dispel4py-seismo[live]'
RUN pip install --no-cache-dir "$PACKAGE"
ENV OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
WORKDIR /data
STOPSIGNAL SIGINT
{health}CMD {command}
"""

HEALTH = """\
HEALTHCHECK --interval=60s --start-period=300s CMD python -c \\
    "import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/health')"
"""


def write_files(out: str, serve: str | None, words: Sequence[str]) -> str:
    """Write a unit of systemd and a container file; return how they are used.

    Parameters
    ----------
    out : str
        The result folder.
    serve : str, optional
        Address of the page, ``HOST:PORT``.
    words : sequence of str
        The command line after ``xcorr-app live``.
    """
    folder = live_folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    own = ["live", *(word for word in words if word not in OF_ONE_START)]
    unit, container = folder / "xcorr-live.service", folder / "Containerfile"
    here = Path.cwd()
    command = [sys.executable, "-P", "-m", "xcorr_app", *own]
    text = UNIT.format(
        out=_escaped(out),
        folder=_escaped(str(here)),
        command=" ".join(map(_quoted, command)),
    )
    write_whole(unit, text)
    health = "" if serve is None else HEALTH.format(port=serve.rpartition(":")[2])
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = CONTAINER.format(
        name=shlex.quote(str(container)),
        folder=shlex.quote(str(here)),
        python=python,
        health=health,
        command=f"exec xcorr-app {shlex.join(own)}",
    )
    write_whole(container, text)
    return (
        f"{unit}: systemctl --user link {shlex.quote(str(unit.resolve()))}, then\n"
        f"  systemctl --user enable --now {unit.name}\n"
        f"{container}: its first lines say how it is used"
    )


def _escaped(text: str) -> str:
    """Return a text in which systemd replaces nothing."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """Return a word of a command line of systemd."""
    escaped = _escaped(word).replace("$", "$$").replace("\\", "\\\\")
    escaped = escaped.replace('"', '\\"')
    plain = escaped.replace("/", "").replace("-", "").replace(".", "").isalnum()
    return escaped if plain else f'"{escaped}"'
