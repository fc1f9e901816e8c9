"""Requests for waveforms and stations to FDSN web services, by obspy's clients."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from obspy import UTCDateTime
from obspy.clients.fdsn import Client, RoutingClient
from obspy.clients.fdsn.header import (
    URL_MAPPINGS,
    FDSNBadGatewayException,
    FDSNException,
    FDSNInternalServerException,
    FDSNNoDataException,
    FDSNServiceUnavailableException,
    FDSNTimeoutException,
    FDSNTooManyRequestsException,
)

from dispel4py.errors import DataError, ParameterError
from seismo_pes.library_warnings import record_warnings
from seismo_pes.reading.fetching.retry import call_with_retries, reason

__all__ = ["ROUTERS", "ask", "client", "is_router", "request_waveforms"]

ROUTERS = ("eida-routing", "earthscope-federator", "iris-federator")
# Failures that may have ended at the next attempt.
TEMPORARY = (
    FDSNBadGatewayException,
    FDSNInternalServerException,
    FDSNServiceUnavailableException,
    FDSNTimeoutException,
    FDSNTooManyRequestsException,
)


def client(provider: str) -> Any:
    """Return the client of a data centre; a process has one for each data centre.

    Parameters
    ----------
    provider : str
        obspy's name of the data centre (``IRIS``), ``host:port``, a URL, or one of
        `ROUTERS`, which send each request to the data centre with the data.

    Raises
    ------
    ParameterError
        If there is no such provider, or it does not answer.
    """
    try:
        return _client(provider)
    except (FDSNException, ValueError, OSError) as error:
        raise ParameterError(f"fdsn://{provider}: {reason(error, 2000)}") from error


@lru_cache
def _client(provider: str) -> Any:
    if provider.endswith("-federator"):
        try:
            return RoutingClient("earthscope-federator")
        except NotImplementedError:  # obspy 1.4 has only the older name
            return RoutingClient("iris-federator")
    if provider in ROUTERS:
        return RoutingClient(provider)
    if provider in URL_MAPPINGS or "://" in provider:
        with record_warnings():  # hides obspy's warning about deprecated names
            return Client(provider)
    if "." not in provider and ":" not in provider and provider != "localhost":
        known = ", ".join([*sorted(URL_MAPPINGS), *ROUTERS])
        raise ValueError(
            f"no data centre is known by this name; give host:port; known are {known}"
        )
    return Client(f"http://{provider}")


def is_router(service: Any) -> bool:
    """Return whether a client sends requests to other data centres.

    obspy's routers ignore a data centre that does not answer. An empty answer of a
    router is therefore no proof that there are no data.
    """
    return not isinstance(service, Client)


def request_waveforms(
    service: Any, channel_id: str, start_ns: int, end_ns: int
) -> bytes:
    """Request the waveforms of a channel from a data centre.

    Parameters
    ----------
    service : obspy client
        From `client`.
    channel_id : str
        ``NET.STA.LOC.CHA``.
    start_ns, end_ns : int
        Nanoseconds since 1970.

    Returns
    -------
    bytes
        miniSEED as the service sent it; empty if it has no data.

    Raises
    ------
    DataError
        If the data centre refuses the request, or if three attempts have failed.
    """
    network, station, location, channel = channel_id.split(".")
    codes = network, station, location or "--", channel
    times = UTCDateTime(ns=int(start_ns)), UTCDateTime(ns=int(end_ns))

    def waveforms() -> bytes:
        buffer = io.BytesIO()
        if not is_router(service):
            service.get_waveforms(*codes, *times, filename=buffer)
            return buffer.getvalue()
        # a router merges the answers of data centres, and warns if one has failed
        names = ("network", "station", "location", "channel")
        keywords = dict(zip(names, codes, strict=True))
        with record_warnings() as caught:
            try:
                stream = service.get_waveforms(times[0], times[1], **keywords)
            except FDSNNoDataException:
                stream = []
        if len(stream):
            stream.write(buffer, format="MSEED")
        elif caught:
            raise ConnectionError(str(caught[0].message).strip().splitlines()[-1])
        return buffer.getvalue()

    return ask(f"{channel_id} from {times[0]}", waveforms) or b""


def ask(label: str, request: Callable[[], Any]) -> Any:
    """Send a request, and again after a temporary failure.

    Parameters
    ----------
    label : str
        Name of the request, for messages.
    request : callable
        Calls a client.

    Returns
    -------
    Any
        What ``request`` returns; None if there are no data.

    Raises
    ------
    DataError
        If the request fails, with the data centre's reason.
    """

    def translate_errors() -> Any:
        try:
            return request()
        except FDSNNoDataException:
            return None
        except TEMPORARY as error:
            raise ConnectionError(reason(error)) from error
        except FDSNException as error:
            raise DataError(f"{label}: {reason(error)}") from error

    return call_with_retries(label, translate_errors)
