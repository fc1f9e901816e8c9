"""The commands of ``dispel4py storm`` without a graph.

They install Storm, list and end runs, and run topology packages.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dispel4py.errors import InputError, MappingUnavailable
from dispel4py.mappings.storm.daemons import local_clusters
from dispel4py.mappings.storm.driver import stop_run
from dispel4py.mappings.storm.installing import install
from dispel4py.mappings.storm.nimbus import Nimbus, require_client
from dispel4py.mappings.storm.settings import HOME_VARIABLE, StormOptions
from dispel4py.mappings.storm.topology import DRIVER, KEY

_COMMANDS = ("--install", "--list", "--kill", "--submit")
#: Options of the mapping that ``--submit`` has, too.
_OF_SUBMIT = ("storm_workers", "python", "address", "restart_workers")


def is_command(words: Sequence[str]) -> bool:
    """Return whether the words are a command without a graph."""
    return any(word.partition("=")[0] in _COMMANDS for word in words)


def storm_command(words: list[str]) -> int:
    """Run a command; return its exit status.

    Parameters
    ----------
    words : list of str
        The words after ``dispel4py storm``.

    Raises
    ------
    UserError
        If it cannot be done.
    """
    arguments = _parser().parse_args(words)
    if arguments.install is not None:
        return _install(Path(arguments.install))
    require_client()
    if arguments.submit is not None:
        return _submit(arguments)
    nimbuses = _nimbuses(arguments.nimbus)
    if arguments.kill is not None:
        return _kill(arguments.kill, nimbuses, arguments.now)
    return _list(nimbuses)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dispel4py storm",
        description="Install Storm, list and end runs, and run topology packages.",
        allow_abbrev=False,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--install", metavar="DIR", help="install Storm in a folder")
    which.add_argument("--list", action="store_true", help="list the topologies")
    which.add_argument(
        "--kill",
        metavar="NAME",
        help="end a run: its sources end, and the other PEs finish",
    )
    which.add_argument(
        "--submit",
        metavar="FILE",
        help="run a topology package; its pickled graph can execute any code",
    )
    add = parser.add_argument
    add("--now", action="store_true", help="with --kill: end it at once")
    add("--nimbus", metavar="HOST[:PORT]", help="address of Nimbus")
    add("--storm-workers", metavar="N", type=int, help="Java workers of Storm")
    add("--python", metavar="PATH", help="Python on the hosts of the cluster")
    add("--address", metavar="HOST", help="address of this host")
    add("--restart-workers", action="store_true", help="start again after a loss")
    add("--log-level", default="warning", metavar="LEVEL")
    return parser


def _install(home: Path) -> int:
    install(home)
    sys.stdout.write(f"export {HOME_VARIABLE}={home.resolve()}\n")
    return 0


def _nimbuses(text: str | None) -> list[Nimbus]:
    """Return the given Nimbus, or else those of the local clusters of this user."""
    address = StormOptions(nimbus=text).nimbus_address
    nimbuses = local_clusters() if address is None else [Nimbus(*address)]
    if not nimbuses:
        raise MappingUnavailable(
            "no local cluster runs here; give the address of another by --nimbus HOST"
        )
    return nimbuses


def _list(nimbuses: list[Nimbus]) -> int:
    rows = [("NAME", "STATUS", "SECONDS", "WORKERS", "TASKS", "NIMBUS")]
    for nimbus in nimbuses:
        rows += [
            (
                *(t.name, t.status, str(t.uptime_secs)),
                *(str(t.num_workers), str(t.num_tasks), nimbus.address),
            )
            for t in nimbus.topologies()
        ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    return 0


def _kill(name: str, nimbuses: list[Nimbus], is_at_once: bool) -> int:
    for nimbus in nimbuses:
        for topology in nimbus.topologies():
            if topology.name == name:
                conf = {} if is_at_once else nimbus.configuration(topology.id)
                if DRIVER in conf and stop_run(conf[DRIVER], bytes.fromhex(conf[KEY])):
                    sys.stdout.write(f"the sources of {name} end\n")
                else:
                    nimbus.kill(name)
                    sys.stdout.write(f"{name} ends now\n")
                return 0
    where = ", ".join(nimbus.address for nimbus in nimbuses)
    raise InputError(f"there is no run {name!r} at {where}")


def _submit(arguments: Any) -> int:
    from dispel4py import summary
    from dispel4py.mappings.storm.package import read_job
    from dispel4py.mappings.storm.run import submit
    from dispel4py.observe import Observers
    from dispel4py.outputs import outputs_text
    from dispel4py.progress import Progress
    from dispel4py.terminal import start_logging, unwind_at_sigterm

    start_logging(arguments.log_level)
    values = {name: getattr(arguments, name) for name in _OF_SUBMIT}
    options = StormOptions(nimbus=arguments.nimbus, **values)
    job = read_job(arguments.submit)
    package = Path(arguments.submit).read_bytes()
    progress = Progress()
    try:
        with unwind_at_sigterm():
            result = submit(job, package, Observers([progress]), options)
    finally:
        progress.close()
    text = outputs_text(result)
    if text:
        sys.stdout.write(text + "\n")
    sys.stderr.write(summary.brief(result) + "\n")
    return 0
