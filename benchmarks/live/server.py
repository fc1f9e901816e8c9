"""A SeedLink server of version 3 that sends all records that it is given."""

from __future__ import annotations

import contextlib
import socketserver
import threading

__all__ = ["Server"]


class Server(socketserver.ThreadingTCPServer):
    """Sends its records to each client from the first one on, whatever it asks for."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.records: list[bytes] = []
        self.has_more = threading.Condition()
        self.n_sent = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self.server_address[1]}"

    def send(self, records: list[bytes]) -> None:
        """Send records to the clients.

        Parameters
        ----------
        records : list of bytes
            Records of miniSEED, of 512 bytes.
        """
        with self.has_more:
            self.records += records
            self.has_more.notify_all()

    def server_close(self) -> None:
        """End the thread, and close the port; connections end with their clients."""
        self.shutdown()
        super().server_close()

    def wait_until_sent(self) -> None:
        """Wait until the newest client has been sent all records."""
        with self.has_more:
            self.has_more.wait_for(lambda: self.n_sent == len(self.records))


class _Connection(socketserver.StreamRequestHandler):
    """The connection of one client."""

    server: Server

    def handle(self) -> None:
        for line in self.rfile:
            command = line.strip().partition(b" ")[0]
            if command == b"END":
                break
            if command == b"HELLO":
                self.wfile.write(b"SeedLink v3.1 (benchmark)\r\nbenchmark\r\n")
            else:
                self.wfile.write(b"ERROR\r\n" if command == b"INFO" else b"OK\r\n")
        with contextlib.suppress(OSError):
            self._stream()

    def _stream(self) -> None:
        server, n = self.server, 0
        while True:
            with server.has_more:
                while len(server.records) == n:
                    server.has_more.wait()
                records = server.records[n:]
            for record in records:
                self.wfile.write(b"SL%06X" % n + record)
                n += 1
            with server.has_more:
                server.n_sent = n
                server.has_more.notify_all()
