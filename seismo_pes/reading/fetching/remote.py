"""Fetch what lies behind a URL: files of object stores, spans of FDSN web services.

``s3://bucket/path``, ``memory://``, ``file://``, ``https://`` ... go through fsspec.
``fdsn://PROVIDER/NET.STA.LOC.CHA/START_NS/END_NS`` asks a data centre: by obspy's name
of it, by ``host[:port]`` (``fdsn+https://host`` where it wants encryption), or routed
to the right one by ``fdsn://eida-routing`` and ``fdsn://earthscope-federator``.
"""

from __future__ import annotations

from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.extras import optional
from seismo_pes.reading.fetching.retry import call_with_retries

__all__ = ["fetch", "filesystem", "is_remote"]

# open to all, and refused if one comes with somebody else's key
PUBLIC_BUCKETS = frozenset({"scedc-pds", "ncedc-pds", "earthscope-geophysical-data"})


def is_remote(path: str) -> bool:
    """Say whether a path is a URL.

    >>> is_remote("s3://bucket/file.ms"), is_remote("/data/file.ms")
    (True, False)
    """
    return "://" in path


def fetch(url: str, n_bytes: int | None = None) -> bytes:
    """Return the content behind a URL.

    Parameters
    ----------
    url : str
        See the module.
    n_bytes : int, optional
        Only so many from the beginning (files only).

    Returns
    -------
    bytes
        Empty where a data centre has nothing for the time.

    Raises
    ------
    DataError
        If there is no such thing or it cannot be had, after three tries where another
        try may help.
    ParameterError
        If the package for the protocol is missing or the address makes no sense.
    """
    if url.startswith(("fdsn://", "fdsn+https://")):
        from seismo_pes.reading.fetching import (
            datacentre,  # here because its import takes time
        )

        provider, channel_id, start_ns, end_ns = _parsed(url)
        service = datacentre.client(provider)
        return datacentre.request_waveforms(service, channel_id, start_ns, end_ns)
    files, path = filesystem(url)
    return call_with_retries(url, lambda: files.cat_file(path, start=0, end=n_bytes))


def filesystem(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the path in it.

    Buckets that are open to all are asked without credentials; any other option is
    given as fsspec has it (``FSSPEC_S3_ENDPOINT_URL`` ...).
    """
    protocol, _, rest = url.partition("://")
    options: dict[str, Any] = {}
    if protocol == "s3":
        optional("s3fs")
        if rest.split("/", 1)[0] in PUBLIC_BUCKETS:
            options["anon"] = True
    fsspec = optional("fsspec")
    try:
        files, path = fsspec.core.url_to_fs(url, **options)
    except (ValueError, ImportError) as error:
        raise ParameterError(f"{url}: {error}") from error
    return files, path


def _parsed(url: str) -> tuple[str, str, int, int]:
    try:
        provider, channel_id, start, end = url.partition("://")[2].split("/")
        times = int(start), int(end)
    except ValueError:
        raise ParameterError(
            f"{url}: not fdsn://PROVIDER/NET.STA.LOC.CHA/START_NS/END_NS"
        ) from None
    if url.startswith("fdsn+https"):
        provider = f"https://{provider}"
    return provider, channel_id, *times
