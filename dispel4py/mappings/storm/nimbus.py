"""The client of Nimbus, the master of a Storm cluster."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dispel4py.errors import MappingUnavailable

#: Seconds for a connection and for an answer of Nimbus. It answers within
#: milliseconds; the first answers of a new Nimbus may take some seconds.
_ANSWER_S = 30.0
#: Bytes of the parts in which a package is sent.
_CHUNK_BYTES = 1 << 20


def require_client() -> None:
    """Check that the package of the client is installed.

    Raises
    ------
    MappingUnavailable
        If it is not installed.
    """
    try:
        import thriftpy2  # noqa: F401
    except ImportError:
        raise MappingUnavailable(
            "the mapping 'storm' needs the package thriftpy2: "
            "pip install 'dispel4py-seismo[storm]'"
        ) from None


@cache
def interface() -> Any:
    """Return the interface of Nimbus, as a module with its classes."""
    import thriftpy2

    path = Path(__file__).with_name("nimbus.thrift")
    return thriftpy2.load(str(path), module_name="dispel4py_nimbus_thrift")


class Nimbus:
    """The Nimbus at an address; each call has a connection of its own.

    Parameters
    ----------
    host : str
    port : int
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def own_host(self) -> str:
        """Return the address of this host on the way to Nimbus.

        Raises
        ------
        MappingUnavailable
            If Nimbus does not answer.
        """
        try:
            with socket.create_connection((self.host, self.port), _ANSWER_S) as end:
                host: str = end.getsockname()[0]
        except OSError as error:
            raise MappingUnavailable(
                f"no Nimbus answers at {self.address}: {error}"
            ) from None
        return host

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        from thriftpy2.protocol import TBinaryProtocolFactory
        from thriftpy2.rpc import make_client
        from thriftpy2.thrift import TException
        from thriftpy2.transport import TFramedTransportFactory

        try:
            client = make_client(
                interface().Nimbus,
                *(self.host, self.port),
                proto_factory=TBinaryProtocolFactory(),
                trans_factory=TFramedTransportFactory(),
                timeout=int(_ANSWER_S * 1000),
            )
        except (OSError, TException) as error:
            raise MappingUnavailable(
                f"no Nimbus answers at {self.address}: {_text(error)}"
            ) from None
        try:
            yield client
        except (OSError, TException) as error:
            raise MappingUnavailable(
                f"the Nimbus at {self.address} refuses a request: {_text(error)}"
            ) from error
        finally:
            client.close()

    def submit(
        self, name: str, package: bytes, conf: dict[str, Any], topology: Any
    ) -> None:
        """Start a topology.

        Parameters
        ----------
        name : str
        package : bytes
            The files of its components.
        conf : dict
            Its configuration.
        topology : StormTopology
            Its components.

        Raises
        ------
        MappingUnavailable
            If Nimbus does not answer, or refuses the topology.
        """
        with self._client() as client:
            location = client.beginFileUpload()
            for begin in range(0, len(package), _CHUNK_BYTES):
                client.uploadChunk(location, package[begin : begin + _CHUNK_BYTES])
            client.finishFileUpload(location)
            client.submitTopology(name, location, json.dumps(conf), topology)

    def kill(self, name: str) -> bool:
        """End a topology at once; return whether there was one.

        Parameters
        ----------
        name : str

        Raises
        ------
        MappingUnavailable
            If Nimbus does not answer.
        """
        thrift = interface()
        with self._client() as client:
            try:
                client.killTopologyWithOpts(name, thrift.KillOptions(wait_secs=0))
            except thrift.NotAliveException:
                return False
        return True

    def topologies(self) -> list[Any]:
        """Return a summary of each topology.

        Raises
        ------
        MappingUnavailable
            If Nimbus does not answer.
        """
        with self._client() as client:
            return list(client.getTopologySummaries())

    def supervisors(self) -> list[Any]:
        """Return a summary of each supervisor.

        Raises
        ------
        MappingUnavailable
            If Nimbus does not answer.
        """
        with self._client() as client:
            return list(client.getClusterInfo().supervisors)

    def errors(self, topology_id: str) -> list[str]:
        """Return the errors of the components of a topology, one line each.

        Parameters
        ----------
        topology_id : str

        Raises
        ------
        MappingUnavailable
            If Nimbus does not answer, or there is no such topology.
        """
        with self._client() as client:
            errors = client.getTopologyInfo(topology_id).errors
        return [
            f"{name}: {error.error.strip().splitlines()[0]}"
            for name, found in errors.items()
            for error in found
            if error.error.strip()
        ]

    def configuration(self, topology_id: str) -> dict[str, Any]:
        """Return the configuration of a topology.

        Parameters
        ----------
        topology_id : str

        Raises
        ------
        MappingUnavailable
            If Nimbus does not answer, or there is no such topology.
        """
        with self._client() as client:
            conf: dict[str, Any] = json.loads(client.getTopologyConf(topology_id))
        return conf


def _text(error: Any) -> str:
    return str(getattr(error, "msg", None) or getattr(error, "message", None) or error)
