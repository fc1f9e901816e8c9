"""The context of Spark in this program: the connection to a cluster."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import re
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from dispel4py.clock import call_if_longer
from dispel4py.errors import MappingUnavailable, ParameterError
from dispel4py.failure import root_cause
from dispel4py.mappings.process import available_cores
from dispel4py.mappings.spark.options import SparkOptions

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

#: How often a task is started before the run fails.
_MOST_ATTEMPTS = 4
#: Longest time, in seconds, for a connection to a master; a host may not answer at all.
_CONNECT_SECONDS = 5.0
#: Longest wait, in seconds: a signal that comes just before a wait does not end it.
_WAIT_SECONDS = 0.5
#: Longest wait, in seconds, for executors with the cores that a barrier stage needs.
#: Those of a standalone cluster join within 3 s of the first one.
_SLOTS_SECONDS = 10.0
#: After so many seconds without a connection or an executor, the user is told.
_WARN_SECONDS = 15.0
#: Either of these has the folder with the addresses of a YARN cluster.
_YARN_VARIABLES = ("HADOOP_CONF_DIR", "YARN_CONF_DIR")
#: Name of the folder with the environment in the folder of an executor.
_ENVIRONMENT = "environment"
#: Without it, the Java program writes to the terminal.
_LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")
#: The context that `context_of` made.
_made: list[Any] = []
#: Setting of a context that was made here: its settings.
_MARK = "spark.dispel4py.settings"


def context_of(options: SparkOptions) -> Any:
    """Return the context of this program, or make one.

    A context of the user is used as it is. A context that was made here remains for
    later runs, as the start takes seconds, and ends with the program.

    Parameters
    ----------
    options : SparkOptions
        The cluster and the files for its tasks.

    Raises
    ------
    MappingUnavailable
        If the cluster cannot be reached.
    """
    settings = _settings(options)
    mark = json.dumps(settings)
    if _made and (_made[0].getConf().get(_MARK) != mark or _has_stopped(_made[0])):
        stop_context()
    context = _made[0] if _made else _get_context(settings | {_MARK: mark})
    for path in options.sent_files:
        context.addPyFile(path)
    return context


def call_in_thread(
    function: Callable[[], Result], cancel: Callable[[], None] | None = None
) -> Result:
    """Call a function of Spark in another thread, and return its value.

    A signal is handled in the main thread. In the middle of a call, its exception would
    leave the connection to the Java program in disorder.

    Parameters
    ----------
    function : callable
        The function.
    cancel : callable, optional
        Called if a signal interrupts this function.
    """
    outcomes: list[tuple[Any, BaseException | None]] = []

    def call() -> None:
        try:
            outcomes.append((function(), None))
        except BaseException as error:  # noqa: BLE001 - raised in the other thread
            outcomes.append((None, error))

    thread = threading.Thread(target=call, daemon=True)
    try:
        thread.start()
        while thread.is_alive():
            thread.join(_WAIT_SECONDS)
    except BaseException:
        if cancel is not None:
            cancel()
        raise
    value, error = outcomes[0]
    if error is not None:
        raise error
    result: Result = value
    return result


def stop_context() -> None:
    """Stop the context that `context_of` made, if there is one."""
    atexit.unregister(stop_context)
    while _made:
        _made.pop().stop()


def _has_stopped(context: Any) -> bool:
    """Return whether a context has ended: by the user, or as its master has."""
    try:
        return not context.defaultParallelism
    except Exception:  # noqa: BLE001 - errors of two packages, and of Java
        return True


def _settings(options: SparkOptions) -> dict[str, str]:
    settings = {
        "spark.dispel4py.files": ",".join(options.sent_files),
        "spark.app.name": "dispel4py",
        "spark.ui.showConsoleProgress": "false",
        # the results of a run may be larger than the default, 1 GB
        "spark.driver.maxResultSize": "0",
        # without these, a barrier stage with too few cores is tried for ten minutes
        "spark.scheduler.barrier.maxConcurrentTasksCheck.interval": "1s",
        "spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures": "3",
    }
    if "SPARK_CONF_DIR" not in os.environ:
        options_of_java = f"-Dlog4j2.configurationFile={_LOG_SETTINGS}"
        settings["spark.driver.extraJavaOptions"] = options_of_java
    if options.master is not None:
        settings["spark.master"] = _with_retries(options.master)
    if options.environment is not None:
        settings["spark.archives"] = f"{options.environment}#{_ENVIRONMENT}"
    return settings


def _with_retries(master: str) -> str:
    """Let also a master on this host run a task again after its process was killed."""
    match = re.fullmatch(r"local(?:\[([^,\]]+)\])?", master)
    return master if match is None else f"local[{match[1] or 1},{_MOST_ATTEMPTS}]"


def _check_reachable(master: str) -> None:
    """Check that a master of a standalone cluster answers: Spark itself waits long."""
    places = master.removeprefix("spark://").split(",")
    for place in places:
        host, _, port = place.rpartition(":")
        try:
            address = host, int(port)
        except ValueError:
            raise ParameterError(f"master={master!r}: use spark://HOST:PORT") from None
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address, _CONNECT_SECONDS),
        ):
            return
    raise MappingUnavailable(f"there is no master of Spark at {master}")


def _wait_for_executor(context: Any) -> None:
    """Wait until the cluster has given an executor to this program."""
    is_local = str(context.master).startswith("local")
    is_dynamic = context.getConf().get("spark.dynamicAllocation.enabled", "false")
    began, has_warned = time.monotonic(), False
    while not (is_local or is_dynamic == "true" or _n_executors(context)):
        if not has_warned and time.monotonic() - began > _WARN_SECONDS:
            has_warned = True
            _log.warning(
                "Spark at %s has no free cores or memory for this run: waiting",
                context.master,
            )
        time.sleep(0.1)


def _n_executors(context: Any) -> int:
    # only Java knows it; one entry is that of this program
    return int(context._jsc.sc().getExecutorMemoryStatus().size()) - 1


def wait_for_slots(context: Any, n: int) -> int:
    """Return how many tasks the cluster can run at the same time.

    Executors join one after the other, so this waits some seconds for enough of them.

    Parameters
    ----------
    context : SparkContext
    n : int
        The number that is needed.
    """
    is_local = str(context.master).startswith("local")
    deadline = time.monotonic() + (0.0 if is_local else _SLOTS_SECONDS)
    # only Java knows it, as for `_n_executors`; defaultParallelism is at least 2
    spark = context._jsc.sc()
    profile = spark.resourceProfileManager().defaultResourceProfile()
    while True:
        n_slots = int(spark.maxNumConcurrentTasks(profile))
        if n_slots >= n or time.monotonic() > deadline:
            return n_slots
        time.sleep(0.1)


def _first_cause(error: Exception) -> str:
    """Return the first cause of an error; of Java without the places in its code."""
    cause = getattr(error, "java_exception", None)
    if cause is None:
        return root_cause(error)
    while cause.getCause() is not None:
        cause = cause.getCause()
    return str(cause.toString())


def _check_master(master: str) -> None:
    """Check what Spark would wait for without end, or report in many lines."""
    if master.startswith("spark://"):
        _check_reachable(master)
    if master == "yarn" and not any(map(os.environ.get, _YARN_VARIABLES)):
        raise MappingUnavailable(
            f"the master 'yarn' needs the folder of its configuration: set "
            f"{' or '.join(_YARN_VARIABLES)}"
        )


def _connect(settings: dict[str, str]) -> Any:
    """Return the context of the user, or one with these settings."""
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException

    conf = SparkConf()
    for name, value in settings.items():
        conf.set(name, value)
    try:
        return SparkContext.getOrCreate(conf)
    except PySparkException as error:
        if error.getCondition() != "MASTER_URL_NOT_SET":
            raise
        conf.setMaster(_with_retries(f"local[{available_cores()}]"))
        return SparkContext.getOrCreate(conf)


def _get_context(settings: dict[str, str]) -> Any:
    """Return the context of the user; without one, make one."""
    # pandas is not used here
    warnings.filterwarnings("ignore", "PySpark does not yet .* pandas", FutureWarning)
    if "spark.archives" in settings:
        os.environ["PYSPARK_PYTHON"] = f"./{_ENVIRONMENT}/bin/python"
    else:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = settings.get("spark.master", "")
    _check_master(master)
    what = f" with the master {master}" if master else ""
    waiting = f"Spark has not started{what}: waiting"
    try:
        with call_if_longer(_WARN_SECONDS, _log.warning, waiting):
            context = call_in_thread(partial(_connect, settings))
    except Exception as error:
        raise MappingUnavailable(
            f"Spark cannot start{what}: {_first_cause(error)}"
        ) from error
    if context.getConf().get(_MARK) is None:
        return context
    _made.append(context)
    atexit.register(stop_context)
    _wait_for_executor(context)
    return context
