"""Fetching data by URL: files of object stores, waveforms of FDSN web services.

``s3://bucket/path``, ``memory://``, ``file://``, ``https://`` ... are fetched by
fsspec. ``fdsn://PROVIDER/NET.STA.LOC.CHA/START_NS/END_NS`` is a request to a data
centre. The provider is obspy's name of the data centre; ``host[:port]`` (with
``fdsn+https://`` for an encrypted connection); or a router, ``eida-routing`` or
``earthscope-federator``.
"""

from __future__ import annotations

from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.extras import optional
from seismo_pes.reading.fetching.retry import call_with_retries

__all__ = ["fetch", "filesystem", "is_remote"]

# Buckets that are read without credentials: requests with the credentials of another
# account are refused.
PUBLIC_BUCKETS = frozenset({"scedc-pds", "ncedc-pds", "earthscope-geophysical-data"})


def is_remote(path: str) -> bool:
    """Return whether a path is a URL.

    >>> is_remote("s3://bucket/file.ms"), is_remote("/data/file.ms")
    (True, False)
    """
    return "://" in path


def fetch(url: str, n_bytes: int | None = None) -> bytes:
    """Return the content of a URL.

    Parameters
    ----------
    url : str
        URL of a file, or of a channel and a time at a data centre (see the module).
    n_bytes : int, optional
        How many bytes from the beginning of a file; by default all.

    Returns
    -------
    bytes
        Empty if a data centre has no data for this time.

    Raises
    ------
    DataError
        If there is no such file, access is refused, or three attempts have failed.
    ParameterError
        If the package for the protocol is not installed, or the URL is not valid.
    """
    if url.startswith(("fdsn://", "fdsn+https://")):
        # here because its import takes time
        from seismo_pes.reading.fetching import datacentre

        provider, channel_id, start_ns, end_ns = _parse(url)
        service = datacentre.client(provider)
        return datacentre.request_waveforms(service, channel_id, start_ns, end_ns)
    files, path = filesystem(url)
    return call_with_retries(url, lambda: files.cat_file(path, start=0, end=n_bytes))


def filesystem(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path in it.

    `PUBLIC_BUCKETS` are read without credentials. Other options are taken from the
    environment variables of fsspec (``FSSPEC_S3_ENDPOINT_URL`` ...).

    Raises
    ------
    ParameterError
        If the package for the protocol is not installed, or fsspec refuses the URL.
    """
    protocol, _, path_in_store = url.partition("://")
    options: dict[str, Any] = {}
    if protocol == "s3":
        optional("s3fs")
        if path_in_store.split("/", 1)[0] in PUBLIC_BUCKETS:
            options["anon"] = True
    fsspec = optional("fsspec")
    try:
        files, path = fsspec.core.url_to_fs(url, **options)
    except (ValueError, ImportError) as error:
        raise ParameterError(f"{url}: {error}") from error
    return files, path


def _parse(url: str) -> tuple[str, str, int, int]:
    """Return provider, channel id, start and end of the URL of a data centre."""
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
