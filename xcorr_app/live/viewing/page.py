"""The live page and the health endpoint: a small web server that only reads.

::

    /               the page
    /status.json    status, channels, pairs, alerts, stations
    /pair.json?k=0  correlations, days and velocity changes of one pair
    /health         200 if the run is well, else 503
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dispel4py.errors import Dispel4pyError, ParameterError
from xcorr_app.live.viewing.view import RunView, health

__all__ = ["Page", "open_page"]

# Nothing is loaded from another address, whatever a station is called.
POLICY = (
    "default-src 'self'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)

logger = logging.getLogger(__name__)


class Page(ThreadingHTTPServer):
    """The server of the page of a run.

    Parameters
    ----------
    address : (str, int)
        Host and port; port 0 is any free port.
    view : RunView
        The run.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], view: RunView) -> None:
        super().__init__(address, _Request)
        self.view = view

    @property
    def url(self) -> str:
        """The address of the page."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, type and content of an answer.

        Parameters
        ----------
        path : str
            Path of the request, with its query.
        """
        parts = urlsplit(path)
        if parts.path == "/":
            page = files("xcorr_app.live.viewing").joinpath("page.html").read_bytes()
            return HTTPStatus.OK, "text/html; charset=utf-8", page
        if parts.path == "/health":
            is_well, word = health(self.view.status())
            code = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
            return code, *_json({"is_well": is_well, "state": word})
        if parts.path == "/status.json":
            return HTTPStatus.OK, *_json(self._status())
        if parts.path == "/pair.json":
            number = parse_qs(parts.query).get("k", ["0"])[0]
            k = int(number) if number.isdecimal() else 0
            return HTTPStatus.OK, *_json(self.view.pair(k))
        return HTTPStatus.NOT_FOUND, *_json({"error": "no such page"})

    def _status(self) -> Mapping[str, Any]:
        status = self.view.status()
        is_well, word = health(status)
        stations = [
            (name, *(None if x != x else x for x in place))
            for name, *place in self.view.stations()
        ]
        state = {"is_well": is_well, "state": word, "stations": stations}
        return {**status, **state, "changed": str(self.view.changed_ns())}


class _Request(BaseHTTPRequestHandler):
    """One request."""

    server: Page

    def do_GET(self) -> None:
        try:
            code, kind, content = self.server.answer(self.path)
        except (Dispel4pyError, OSError, ValueError) as error:
            logger.warning("page: %s", error)
            code, kind, content = 500, *_json({"error": "the run cannot be read"})
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def _json(values: Mapping[str, Any]) -> tuple[str, bytes]:
    return "application/json", json.dumps(values).encode()


def open_page(address: str, view: RunView) -> Page:
    """Open the server of a page; it answers after ``serve_forever``.

    Parameters
    ----------
    address : str
        ``HOST:PORT``.
    view : RunView
        The run.

    Raises
    ------
    ParameterError
        If the address cannot be used.
    """
    host, _, port = address.rpartition(":")
    try:
        return Page((host, int(port)), view)
    except (OSError, OverflowError) as error:
        raise ParameterError(f"--serve {address}: {error}") from None
