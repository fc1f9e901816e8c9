"""Where the processes of a run are: their addresses, and the memory that they share."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import NamedTuple

#: The phase of a failure that is the loss of a connection. The cause may be the death
#: of a process, which its own host reports better.
LINK = "link"


class Entry(NamedTuple):
    """How other processes reach a process.

    Attributes
    ----------
    host : str
        Its host, for messages.
    address : str
    port : int
        Where it accepts connections.
    token_file, token : str
        A file in its shared memory, and the content of the file.
    """

    host: str
    address: str
    port: int
    token_file: str
    token: str

    def shares_memory(self) -> bool:
        """Return whether this process shares its memory with the process.

        The file with the token is read: names of hosts and users would not show that
        two containers of a host have a memory each.
        """
        try:
            return Path(self.token_file).read_text() == self.token and os.access(
                self.token_file, os.R_OK | os.W_OK
            )
        except OSError:
            return False


def write_token(folder: Path, process: int) -> tuple[str, str]:
    """Write a token into a folder of shared memory; return its path and content.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    process : int
        The process that owns the folder.
    """
    path, token = folder / f"token-{process}", secrets.token_hex(16)
    path.write_text(token)
    return str(path), token
