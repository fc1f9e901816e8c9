"""The options of the mapping ``dask``."""

from __future__ import annotations

from dataclasses import dataclass

from dispel4py.mappings import options
from dispel4py.mappings.options import check_silence, option, silence_option


@dataclass(frozen=True)
class DaskOptions(options.Options):
    """The options of ``dask``.

    Attributes
    ----------
    scheduler : str, optional
        Address of the scheduler, or the file that it wrote (``--scheduler-file``). By
        default the client of the program, else the configuration of Dask.
    address : str, optional
        Address of this host, as the workers reach it.
    silence_s : float
        The run ends if nothing comes from a host for so many seconds.

    Raises
    ------
    ParameterError
        If a value is invalid.
    """

    scheduler: str | None = option(
        None, "address of the scheduler of Dask, or its scheduler file", "ADDRESS"
    )
    address: str | None = option(
        None, "address of this host for the other hosts", "ADDRESS"
    )
    silence_s: float = silence_option(60.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_silence(self.silence_s)
