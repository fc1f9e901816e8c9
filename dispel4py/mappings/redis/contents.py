"""Large parcels at the server: under keys of their own, with a reference in the queue.

The programs of the server would copy a parcel several times, at a millisecond or more
for each megabyte. A reference is short. A parcel stays at the server until the work on
it is committed, so that another worker can do this work, too. A large state is kept in
the same way.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

#: Larger parcels have a key of their own.
LARGE_BYTES = 65_536
#: The second byte of a reference; that of a parcel is the first of a pickle, 0x80. The
#: number of bytes and the key follow.
_MARK = b"@"
_N_DIGITS = 12


class Output(NamedTuple):
    """A parcel on its way to a queue.

    Attributes
    ----------
    stream : str
        The queue.
    entry : bytes
        What the queue gets: the parcel, or a reference.
    parcel : bytes
        The parcel.
    """

    stream: str
    entry: bytes
    parcel: bytes

    @property
    def is_apart(self) -> bool:
        """Whether the entry is a reference."""
        return self.entry is not self.parcel


def output_of(stream: str, parcel: bytes) -> Output:
    """Return a parcel with its entry, which is the same if it is sent again.

    Parameters
    ----------
    stream : str
        The queue.
    parcel : bytes
    """
    entry = parcel
    if len(parcel) > LARGE_BYTES:
        size = f"{len(parcel):0{_N_DIGITS}d}{uuid.uuid4().hex}"
        entry = parcel[:1] + _MARK + size.encode()
    return Output(stream, entry, parcel)


class Contents:
    """The contents of the large parcels of a run.

    Parameters
    ----------
    client : redis.Redis
    prefix : str
        Beginning of the keys of the run.
    """

    def __init__(self, client: Any, prefix: str) -> None:
        self._client, self._prefix = client, f"{prefix}p:"

    def _key(self, entry: bytes) -> str | None:
        """Return the key to which an entry refers."""
        if entry[1:2] != _MARK:
            return None
        return self._prefix + entry[2 + _N_DIGITS :].decode()

    def put(self, outputs: Sequence[Output]) -> None:
        """Store the parcels that are not in their entries."""
        commands = [
            ("SET", self._key(o.entry), o.parcel) for o in outputs if o.is_apart
        ]
        self._execute(commands)

    def remove(self, outputs: Sequence[Output]) -> None:
        """Remove parcels that no queue has got."""
        apart = [o for o in outputs if o.is_apart]
        self._execute([("UNLINK", self._key(o.entry)) for o in apart])

    def get(self, entries: Sequence[bytes], last: bool = False) -> list[bytes | None]:
        """Return the parcels of entries; None for a parcel that is no longer there.

        Parameters
        ----------
        entries : sequence of bytes
        last : bool
            Whether to remove them from the server.
        """
        name = "GETDEL" if last else "GET"
        keys = [self._key(entry) for entry in entries]
        found = iter(self._execute([(name, key) for key in keys if key is not None]))
        return [
            entry if key is None else next(found)
            for entry, key in zip(entries, keys, strict=True)
        ]

    def _execute(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Execute commands in one exchange; raise the first error."""
        if not commands:
            return []
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        answers: list[Any] = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers
