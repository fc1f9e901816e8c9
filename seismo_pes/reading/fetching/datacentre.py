"""Ask FDSN web services for waveforms and stations, by obspy's clients."""

from __future__ import annotations

import io
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
PASSING = (
    FDSNBadGatewayException,
    FDSNInternalServerException,
    FDSNServiceUnavailableException,
    FDSNTimeoutException,
    FDSNTooManyRequestsException,
)


def client(provider: str) -> Any:
    """Return the client of a data centre; one for each process.

    Parameters
    ----------
    provider : str
        obspy's name of it (``IRIS``), ``host:port``, a URL, or one of `ROUTERS`,
        which send each request to the data centre that has the data.

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
        except NotImplementedError:  # as obspy 1.4 calls it
            return RoutingClient("iris-federator")
    if provider in ROUTERS:
        return RoutingClient(provider)
    if provider in URL_MAPPINGS or "://" in provider:
        with record_warnings():  # of names that obspy calls otherwise by now
            return Client(provider)
    if "." not in provider and ":" not in provider and provider != "localhost":
        known = ", ".join([*sorted(URL_MAPPINGS), *ROUTERS])
        raise ValueError(
            f"no data centre is known by this name (known are {known}; or host:port)"
        )
    return Client(f"http://{provider}")


def is_router(service: Any) -> bool:
    """Say whether a client asks other data centres: nothing from it may mean no answer.

    obspy's routers leave out the data centres that do not answer.
    """
    return not isinstance(service, Client)


def request_waveforms(
    service: Any, channel_id: str, start_ns: int, end_ns: int
) -> bytes:
    """Ask a data centre for a span of a channel.

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
        miniSEED as the service sent it; empty if it has nothing.

    Raises
    ------
    DataError
        If it does not answer or refuses, after three tries where that may help.
    """
    network, station, location, channel = channel_id.split(".")
    codes = network, station, location or "--", channel
    times = UTCDateTime(ns=int(start_ns)), UTCDateTime(ns=int(end_ns))

    def waveforms() -> bytes:
        buffer = io.BytesIO()
        if not is_router(service):
            service.get_waveforms(*codes, *times, filename=buffer)
            return buffer.getvalue()
        # a router joins the answers of several; of those that fail it warns
        names = ("network", "station", "location", "channel")
        named = dict(zip(names, codes, strict=True))
        with record_warnings() as caught:
            try:
                stream = service.get_waveforms(times[0], times[1], **named)
            except FDSNNoDataException:
                stream = []
        if len(stream):
            stream.write(buffer, format="MSEED")
        elif caught:
            raise ConnectionError(str(caught[0].message).strip().splitlines()[-1])
        return buffer.getvalue()

    return ask(f"{channel_id} from {times[0]}", waveforms) or b""


def ask(what: str, request: Any) -> Any:
    """Call a client, and again where that may help; None if there is no data.

    Raises
    ------
    DataError
        With the data centre's reason.
    """

    def translated() -> Any:
        try:
            return request()
        except FDSNNoDataException:
            return None
        except PASSING as error:
            raise ConnectionError(reason(error)) from error
        except FDSNException as error:
            raise DataError(f"{what}: {reason(error)}") from error

    return call_with_retries(what, translated)
