"""The options of the mapping ``redis``."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dispel4py.errors import ParameterError
from dispel4py.mappings import options
from dispel4py.mappings.options import (
    check_silence,
    name_of_run,
    option,
    run_name_option,
    silence_option,
)
from dispel4py.mappings.redis.server import SILENCE_SECONDS

#: Variable of the environment with the default address of the server.
URL_VARIABLE = "DISPEL4PY_REDIS_URL"
_LOCAL_URL = "redis://localhost:6379"


@dataclass(frozen=True)
class RedisOptions(options.Options):
    """The options of ``redis``.

    Attributes
    ----------
    url : str, optional
        Address of the server: ``redis://``, ``rediss://`` or ``unix://``.
    run_name : str, optional
        Name of the run, for workers that join it; by default a new one.
    lease_s : float
        Seconds after which a worker without a sign of life counts as dead.
    deliveries : int
        Number of workers that an item may kill; then the item fails.
    silence_s : float
        The run ends if nothing comes from the server for so many seconds.

    Raises
    ------
    ParameterError
        If a value is invalid.
    """

    url: str | None = option(
        None,
        f"address of the server, also by {URL_VARIABLE} (default: {_LOCAL_URL})",
        "URL",
    )
    run_name: str | None = run_name_option("name of the run, for workers that join")
    lease_s: float = option(
        10.0, "a worker without a sign of life for this time is replaced", "SECONDS"
    )
    deliveries: int = option(4, "workers that one item may kill before it fails", "N")
    silence_s: float = silence_option(SILENCE_SECONDS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lease_s >= 0.2:
            raise ParameterError(f"lease_s={self.lease_s}: use 0.2 s or more")
        if self.deliveries < 1:
            raise ParameterError(f"deliveries={self.deliveries}: use 1 or more")
        check_silence(self.silence_s)
        name_of_run(self.run_name)

    @property
    def address(self) -> str:
        """The address of the server that is used."""
        return self.url or os.environ.get(URL_VARIABLE) or _LOCAL_URL
