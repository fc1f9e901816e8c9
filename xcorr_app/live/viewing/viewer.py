"""The process that shows a live run: its page, and its pictures."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from dispel4py.errors import Dispel4pyError, ParameterError
from xcorr_app.live.viewing.page import open_page
from xcorr_app.live.viewing.view import RunView

__all__ = ["show", "start_viewer", "stop_viewer"]

# Time between two looks at the files, seconds.
LOOK_S = 2.0
# Longest time in which a viewer draws its last pictures, seconds: on a busy computer
# each takes several.
END_S = 90.0

logger = logging.getLogger(__name__)


def show(
    out: str,
    address: str | None,
    png: str | None,
    tell: Callable[[str], None],
    is_over: threading.Event | None = None,
) -> None:
    """Show a run until an event is set, or the process is interrupted.

    Parameters
    ----------
    out : str
        The result folder.
    address : str, optional
        ``HOST:PORT`` of the page.
    png : str, optional
        Folder of the pictures.
    tell : callable
        Gets the address of the page, "" without a page.
    is_over : threading.Event, optional

    Raises
    ------
    ParameterError
        If the address cannot be used.
    """
    view, is_over = RunView(Path(out)), is_over or threading.Event()
    with contextlib.ExitStack() as stack:
        url = ""
        if address is not None:
            page = stack.enter_context(open_page(address, view))
            threading.Thread(target=page.serve_forever, daemon=True).start()
            stack.callback(page.shutdown)
            url = page.url
        tell(url)
        drawn_ns = 0
        while not is_over.wait(LOOK_S):
            drawn_ns = _draw(view, png, drawn_ns)
        _draw(view, png, drawn_ns)


def _draw(view: RunView, png: str | None, drawn_ns: int) -> int:
    """Draw the pictures if the run has changed; return the time of the change."""
    changed_ns = view.changed_ns()
    if png is None or changed_ns == drawn_ns:
        return drawn_ns
    from xcorr_app.live.viewing.pictures import draw_pictures

    try:
        draw_pictures(view, Path(png))
    except (Dispel4pyError, OSError, ValueError) as error:
        logger.warning("pictures: %s", error)
    return changed_ns


def start_viewer(
    out: str, address: str | None, png: str | None
) -> tuple[subprocess.Popen[str], str]:
    """Start a process that shows a run; return it, and the address of its page.

    Parameters
    ----------
    out, address, png : str or None
        See `show`.

    Raises
    ------
    ParameterError
        If the address cannot be used.
    """
    words = json.dumps({"out": out, "address": address, "png": png})
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "xcorr_app.live.viewing.viewer", words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        stop_viewer(process)
        raise ParameterError("the process that shows the run did not start")
    answer = json.loads(line)
    if "error" in answer:
        stop_viewer(process)
        raise ParameterError(answer["error"])
    return process, str(answer["address"])


def stop_viewer(process: subprocess.Popen[str]) -> None:
    """End a viewer, after its last pictures.

    Parameters
    ----------
    process : subprocess.Popen
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _main(words: str) -> None:
    """Show a run until standard input ends: with the process that started this one."""
    is_over = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        is_over.set()

    threading.Thread(target=wait, daemon=True).start()
    try:
        show(**json.loads(words), tell=_answer, is_over=is_over)
    except ParameterError as error:
        _write({"error": str(error)})
    except KeyboardInterrupt:  # the run ends, too, and closes standard input
        is_over.wait(END_S)


def _answer(address: str) -> None:
    _write({"address": address})


def _write(answer: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1])
