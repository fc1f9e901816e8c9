"""The options of the mapping ``storm``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from dispel4py.errors import ParameterError
from dispel4py.files import is_folder
from dispel4py.mappings import options
from dispel4py.mappings.options import name_of_run, option, run_name_option

LOCAL, REMOTE, CREATE = "local", "remote", "create"
#: Variables of the environment: the address of a Nimbus, and the folder of Storm.
NIMBUS_VARIABLE, HOME_VARIABLE = "DISPEL4PY_NIMBUS", "STORM_HOME"
_PORT = 6627


@dataclass(frozen=True)
class StormOptions(options.Options):
    """The options of ``storm``.

    Attributes
    ----------
    mode : str, optional
        ``local``: a cluster of its own, on this host; ``remote``: a running cluster;
        ``create``: only a file with the topology.
    nimbus : str, optional
        Host, and port, of the Nimbus of a running cluster.
    run_name : str, optional
        Name of the topology; by default a new one.
    storm_workers : int, optional
        Java programs among which Storm divides the instances.
    python : str, optional
        Path of Python on the hosts of the cluster.
    resources : str, optional
        Folder of files and modules that are sent to the cluster.
    package : str, optional
        File for the topology package.
    address : str, optional
        Address of this host for the hosts of the cluster.
    restart_workers : bool
        Start the run again if the state of a PE is lost.

    Raises
    ------
    ParameterError
        If a value is invalid.
    """

    mode: str | None = option(
        None,
        "where Storm runs: local, remote, or only create a package (default: remote "
        "if there is an address of Nimbus, else local)",
        choices=(LOCAL, REMOTE, CREATE),
        short="-m",
    )
    nimbus: str | None = option(
        None, f"address of a running Nimbus, also by {NIMBUS_VARIABLE}", "HOST[:PORT]"
    )
    run_name: str | None = run_name_option("name of the topology")
    storm_workers: int | None = option(
        None, "Java workers of Storm (default: one for each supervisor)", "N"
    )
    python: str | None = option(
        None, "Python on the hosts of the cluster (default: the same path)", "PATH"
    )
    resources: str | None = option(
        None, "folder of modules and files for the cluster", "DIR"
    )
    package: str | None = option(None, "file for the topology package", "FILE")
    address: str | None = option(
        None, "address of this host for the other hosts", "ADDRESS"
    )
    restart_workers: bool = option(
        False, "start the run again if the state of a PE is lost"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode is not None and self.mode not in (LOCAL, REMOTE, CREATE):
            raise ParameterError(f"mode={self.mode!r}: use local, remote or create")
        if self.storm_workers is not None and self.storm_workers < 1:
            raise ParameterError(f"storm_workers={self.storm_workers}: use 1 or more")
        name_of_run(self.run_name)
        if self.resources is not None and not is_folder(self.resources):
            raise ParameterError(
                f"resources={self.resources!r}: there is no such folder"
            )
        nimbus_address(self.nimbus)

    @property
    def chosen_mode(self) -> str:
        """The mode, also if none is given."""
        if self.mode is not None:
            return self.mode
        return REMOTE if nimbus_address(self.nimbus) else LOCAL

    @property
    def nimbus_address(self) -> tuple[str, int] | None:
        """Host and port of the Nimbus of a running cluster, if they are known."""
        return nimbus_address(self.nimbus)


def nimbus_address(text: str | None) -> tuple[str, int] | None:
    """Return host and port of a Nimbus, from an option or the environment.

    Parameters
    ----------
    text : str or None
        ``HOST`` or ``HOST:PORT``.

    Raises
    ------
    ParameterError
        If it is not of this form.

    Examples
    --------
    >>> nimbus_address("master.org")
    ('master.org', 6627)
    """
    text = text or os.environ.get(NIMBUS_VARIABLE)
    if not text:
        return None
    match = re.fullmatch(r"([^\s:]+)(?::(\d{1,5}))?", text)
    if match is None or int(match[2] or 1) > 65535:
        raise ParameterError(f"nimbus={text!r}: use HOST or HOST:PORT")
    return match[1], int(match[2] or _PORT)
