"""The command ``dispel4py redis --join NAME``: workers for a run that goes on."""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
from typing import Any

from dispel4py.errors import InputError, MappingUnavailable, ParameterError
from dispel4py.grouping import share_hashes
from dispel4py.mappings.graph_copy import unpack
from dispel4py.mappings.redis.ledger import Ledger
from dispel4py.mappings.redis.server import (
    check_server,
    require_client,
    without_password,
)
from dispel4py.mappings.redis.settings import RedisOptions
from dispel4py.mappings.redis.worker import Worker
from dispel4py.mappings.threads import limit_threads

_log = logging.getLogger(__name__)


def join_command(words: list[str]) -> int:
    """Run workers until the run is over; return the exit status.

    Parameters
    ----------
    words : list of str
        The options of the command.

    Raises
    ------
    UserError
        If an option is invalid, or there is no such run.
    """
    from dispel4py.terminal import start_logging, unwind_at_sigterm

    parser = argparse.ArgumentParser(
        prog="dispel4py redis",
        description="Add workers to a run that another command has started. They "
        "execute the pickled graph that is at the server: join only runs that you "
        "trust.",
        allow_abbrev=False,
    )
    parser.add_argument("--join", metavar="NAME", required=True, help="name of the run")
    parser.add_argument("--url", metavar="URL", help="address of the server")
    parser.add_argument(
        "-n", "--num", metavar="N", type=int, default=1, help="number of workers"
    )
    parser.add_argument("--log-level", default="warning", metavar="LEVEL")
    given = parser.parse_args(words)
    if given.num < 1:
        raise ParameterError(f"-n {given.num}: use 1 or more")
    require_client()
    options = RedisOptions(url=given.url, run_name=given.join)
    start_logging(given.log_level)
    check_run(options)
    with unwind_at_sigterm():
        if given.num == 1:
            join(options.address, given.join)
            return 0
        context = multiprocessing.get_context("spawn")
        workers: list[Any] = [
            context.Process(target=join, args=(options.address, given.join))
            for _ in range(given.num)
        ]
        return _run_all(workers)


def check_run(options: RedisOptions) -> None:
    """Check that workers can join a run.

    Parameters
    ----------
    options : RedisOptions
        Address of the server, and name of the run.

    Raises
    ------
    UserError
        If they cannot.
    """
    with Ledger(options.address, options.run_name or "") as ledger:
        check_server(ledger.client, options.address)
        job = ledger.job()
    if job is None:
        where = without_password(options.address)
        raise InputError(f"no run {options.run_name!r} at {where}: it may have ended")
    if not job:
        raise MappingUnavailable(
            f"workers cannot join the run {options.run_name!r}: its graph cannot be "
            "pickled; define its classes and functions at module level, or install "
            "cloudpickle"
        )


def join(url: str, name: str) -> None:
    """Be a worker of a run until it is over.

    Parameters
    ----------
    url : str
        Address of the server.
    name : str
        Name of the run.
    """
    with Ledger(url, name) as ledger:
        job = ledger.job()
        if not job:
            return  # the run has ended
        share_hashes(False)
        limit_threads(1)
        plan, options, observers = unpack(job)
    with Ledger(url, name, options.silence_s) as ledger:
        _log.info("joined the run %s", name)
        Worker(ledger, plan, options, observers).run()


def _run_all(workers: list[Any]) -> int:
    """Start processes and wait for them; end them at an interrupt."""
    for worker in workers:
        worker.start()
    with contextlib.ExitStack() as ending:
        for worker in workers:
            ending.callback(worker.join)
            ending.callback(worker.terminate)
        for worker in workers:
            worker.join()
    return int(any(worker.exitcode for worker in workers))
