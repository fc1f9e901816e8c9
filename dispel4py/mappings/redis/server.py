"""The connection to a Redis server, and what its errors mean."""

from __future__ import annotations

from typing import Any

from dispel4py.errors import Dispel4pyError, MappingUnavailable

#: Longest time for a connection, in seconds.
_CONNECT_SECONDS = 5.0
#: Longest silence of the server, in seconds, unless the user gives it. The server
#: answers within milliseconds; it may be slow while it saves its data.
SILENCE_SECONDS = 60.0
#: The oldest version whose programs may change keys after they have read the time or
#: random keys, and whose ``LPOP`` takes several elements.
_OLDEST = (6, 2)


class ServerLost(Dispel4pyError):
    """The server does not answer, or has lost the run."""


class ServerFull(Dispel4pyError):
    """The server has no memory for more items."""


def require_client() -> None:
    """Check that the package of the client is installed.

    Raises
    ------
    MappingUnavailable
        If it is not installed.
    """
    try:
        import redis  # noqa: F401
    except ImportError:
        raise MappingUnavailable(
            "the mapping 'redis' needs the package redis: "
            "pip install 'dispel4py-seismo[redis]'"
        ) from None


def connect(url: str, silence_s: float) -> Any:
    """Return a client of a server; nothing is sent yet.

    Commands are not repeated after a lost connection: the server may have executed
    them.

    Parameters
    ----------
    url : str
        Address of the server.
    silence_s : float
        Longest time without a byte of an awaited answer, in seconds.

    Raises
    ------
    MappingUnavailable
        If the address is invalid.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        return redis.Redis.from_url(
            url,
            socket_connect_timeout=min(_CONNECT_SECONDS, silence_s),
            socket_timeout=silence_s,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise MappingUnavailable(f"Redis at {without_password(url)}: {error}") from None


def check_server(client: Any, url: str) -> None:
    """Check that a server answers, is new enough, and never drops items.

    Parameters
    ----------
    client : redis.Redis
    url : str
        The address, for messages.

    Raises
    ------
    MappingUnavailable
        If it cannot be used.
    """
    import redis

    where = f"Redis at {without_password(url)}"
    try:
        info = {**client.info("server"), **client.info("memory")}
    except redis.AuthenticationError as error:
        raise MappingUnavailable(f"{where} refuses the password: {error}") from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise MappingUnavailable(
            f"{where} does not answer: {error}; start one by 'redis-server', or give "
            "its address by --url"
        ) from None
    except redis.RedisError as error:
        raise MappingUnavailable(f"{where} refuses the run: {error}") from None
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise MappingUnavailable(
            f"{where} has version {version}; 6.2 or newer is needed"
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if info.get("maxmemory", 0) and policy != "noeviction":
        raise MappingUnavailable(
            f"{where} would drop items when it is full (maxmemory-policy {policy}): "
            "set maxmemory-policy to noeviction"
        )


class ServerErrors:
    """The context of all commands for a server: gives errors their meaning.

    After the server is lost, no more commands are sent: each of them would wait for the
    longest silence again.

    Parameters
    ----------
    url : str
        The address, for messages.
    silence_s : float
        Longest silence of the server, in seconds.
    """

    def __init__(self, url: str, silence_s: float) -> None:
        self._where, self._silence_s = f"Redis at {without_password(url)}", silence_s
        self._lost = ""

    def __enter__(self) -> None:
        """Begin.

        Raises
        ------
        ServerLost
            If the server was lost before.
        """
        if self._lost:
            raise ServerLost(self._lost)

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Replace an error of the client.

        Raises
        ------
        ServerLost
            If the server does not answer, or refuses a command.
        ServerFull
            If it has no memory for the items.
        """
        import redis

        if isinstance(error, redis.TimeoutError):
            silence = f"nothing has come from it for {self._silence_s:g} s"
            self._lost = (
                f"{self._where} is stopped, or cut off: {silence} (--silence-s)"
            )
        elif isinstance(error, redis.ConnectionError):
            self._lost = f"{self._where} does not answer any more: {error}"
        if self._lost:
            raise ServerLost(self._lost) from error
        if isinstance(error, redis.ResponseError):
            if "maxmemory" in str(error):
                raise ServerFull(
                    f"{self._where} is full: raise its maxmemory, or send smaller items"
                ) from error
            raise ServerLost(f"{self._where} refuses a command: {error}") from error


def without_password(url: str) -> str:
    """Return an address that can be shown.

    >>> without_password("redis://user:secret@host:6379/0")
    'redis://host:6379/0'
    """
    scheme, separator, rest = url.partition("://")
    head, slash, tail = rest.partition("/")
    return f"{scheme}{separator}{head.rpartition('@')[2]}{slash}{tail}"
