"""A Storm cluster on this host for one run: ZooKeeper, Nimbus and a supervisor.

They are Java programs from the folder of a Storm. Their files are in a folder of the
run, which is removed with them.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from dispel4py.errors import MappingUnavailable
from dispel4py.file_search import files_named
from dispel4py.files import exists, list_folder
from dispel4py.mappings.process import die_with_parent
from dispel4py.mappings.storm.nimbus import Nimbus
from dispel4py.mappings.storm.settings import HOME_VARIABLE
from dispel4py.terminal import hold_signals

#: Folders of local clusters: the prefix, and the process that started the cluster.
_PREFIX = "storm-of-dispel4py-"
_HOST = "127.0.0.1"
#: The ports of daemons; the system has another range for outgoing connections.
_FIRST_PORT, _LAST_PORT = 16_000, 32_768
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
#: Workers that may run at the same time.
_N_SLOTS = 4
#: Seconds that the daemons have to start; an idle machine needs 7.
_START_S = 90.0
#: Seconds after which Storm replaces a worker that still starts, or that is silent.
#: By its own values, 30 to 120 s, a worker of a busy host may not even start. A worker
#: that has ended is noticed at once.
_PATIENCE_S = 600
_PATIENT = (
    "supervisor.worker.start.timeout.secs",
    "supervisor.worker.timeout.secs",
    "nimbus.task.launch.secs",
    "nimbus.task.timeout.secs",
    "nimbus.supervisor.timeout.secs",
)
#: Seconds that a daemon has to end before it is killed.
_STOP_S = 10.0

_DAEMONS = {
    "zookeeper": ("org.apache.storm.command.DevZookeeper", 128),
    "nimbus": ("org.apache.storm.daemon.nimbus.Nimbus", 256),
    "supervisor": ("org.apache.storm.daemon.supervisor.Supervisor", 128),
}
_JAVA = ("-server", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

_CLUSTER_LOG = """\
<configuration shutdownHook="disable">
 <appenders>
  <File name="A1" fileName="${sys:storm.log.dir}/${sys:logfile.name}">
   <PatternLayout><pattern>%d %c{1.} [%p] %msg%n</pattern></PatternLayout>
  </File>
 </appenders>
 <loggers><root level="warn"><appender-ref ref="A1"/></root></loggers>
</configuration>
"""
_WORKER_LOG = _CLUSTER_LOG.replace(
    "${sys:storm.log.dir}/${sys:logfile.name}",
    "${sys:workers.artifacts}/${sys:storm.id}/${sys:worker.port}/${sys:logfile.name}",
)


def storm_home() -> Path:
    """Return the folder of Storm.

    Raises
    ------
    MappingUnavailable
        If there is none, or no Java.
    """
    if java() is None:
        raise MappingUnavailable(
            "the mapping 'storm' needs Java 17 or later: install it (Debian: apt-get "
            "install default-jre-headless), or set JAVA_HOME"
        )
    home = os.environ.get(HOME_VARIABLE)
    if not home:
        raise MappingUnavailable(
            f"the mapping 'storm' needs a Storm: install one by 'dispel4py storm "
            f"--install DIR' and set {HOME_VARIABLE}=DIR, or give the address of a "
            "running Nimbus by DISPEL4PY_NIMBUS=HOST"
        )
    for folder in ("lib", "lib-worker"):
        try:
            jars = files_named(Path(home, folder), "storm-client-*.jar")
        except OSError as error:
            raise MappingUnavailable(
                f"{HOME_VARIABLE}={home}: {folder}: {error.strerror}"
            ) from error
        if not jars:
            raise MappingUnavailable(
                f"{HOME_VARIABLE}={home}: there is no Storm ({folder}/storm-client)"
            )
    return Path(home).resolve()


def java() -> str | None:
    """Return the path of Java; None if there is none."""
    if home := os.environ.get("JAVA_HOME"):
        beside = os.path.join(home, "bin", "java")
        if os.access(beside, os.X_OK):
            return beside
    return shutil.which("java")


@contextlib.contextmanager
def local_cluster() -> Iterator[Nimbus]:
    """Start a cluster, and end it with all its processes.

    Raises
    ------
    MappingUnavailable
        If it does not start.
    """
    home = storm_home()
    _remove_folders_of_killed_runs()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        cluster = Cluster(home, folder)
        try:
            cluster.start()
            yield cluster.nimbus
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def local_clusters() -> list[Nimbus]:
    """Return the Nimbus of each local cluster of this user."""
    clusters = []
    for folder in _cluster_folders():
        with contextlib.suppress(OSError, ValueError, KeyError):
            if folder.stat().st_uid == os.getuid():
                conf = json.loads((folder / "conf" / "storm.yaml").read_text())
                clusters.append(Nimbus(_HOST, conf["nimbus.thrift.port"]))
    return clusters


def _cluster_folders() -> list[Path]:
    parent = tempfile.gettempdir()
    names = list_folder(parent)[0]
    return [Path(parent, name) for name in names if name.startswith(_PREFIX)]


def _remove_folders_of_killed_runs() -> None:
    folders: list[Path] = []
    with contextlib.suppress(OSError):  # the next run looks again
        folders += _cluster_folders()
    for folder in folders:
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            is_ours = folder.stat().st_uid == os.getuid()
            if is_ours and pid.isdigit() and not exists(f"/proc/{pid}"):
                end_workers(folder)
                shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """The daemons of a cluster.

    Parameters
    ----------
    home : Path
        The folder of Storm.
    folder : Path
        An empty folder.
    """

    def __init__(self, home: Path, folder: Path) -> None:
        self._home, self._folder = home, folder
        self._programs: list[subprocess.Popen[bytes]] = []
        ports = free_ports(3 + _N_SLOTS)
        self._zookeeper_port, self._nimbus_port = ports[:2]
        self.nimbus = Nimbus(_HOST, ports[1])
        write_settings(folder, ports, _HOST, _HOST)

    def start(self) -> None:
        """Start the daemons, and wait until the supervisor is known to Nimbus.

        Raises
        ------
        MappingUnavailable
            If one of them ends, or it takes too long.
        """
        deadline = time.monotonic() + _START_S
        with hold_signals():
            self._start_daemon("zookeeper")
        self._wait(deadline, lambda: _answers(self._zookeeper_port))
        with hold_signals():
            self._start_daemon("nimbus")
            self._start_daemon("supervisor")
        self._wait(deadline, lambda: _answers(self._nimbus_port))
        self._wait(deadline, self._has_supervisor)

    def _start_daemon(self, name: str) -> None:
        folder = self._folder
        words = daemon_words(name, self._home, folder)
        with (folder / "logs" / f"{name}.out").open("wb") as output:
            program = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"STORM_CONF_DIR": str(folder / "conf")},
                cwd=folder,
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        self._programs.append(program)

    def _wait(self, deadline: float, condition: object) -> None:
        assert callable(condition)
        while not condition():
            for name, program in zip(_DAEMONS, self._programs, strict=False):
                if program.poll() is not None:
                    raise MappingUnavailable(
                        f"{name} of Storm does not start: {self._cause(name)}"
                    )
            if time.monotonic() > deadline:
                raise MappingUnavailable(
                    f"Storm does not start within {_START_S:g} s: "
                    f"{self._cause('nimbus')}"
                )
            time.sleep(0.05)

    def _cause(self, name: str) -> str:
        """Return the line with the cause in the output of a daemon."""
        lines = [
            line
            for end in (".log", ".out")
            for path in [self._folder / "logs" / f"{name}{end}"]
            if exists(path)
            for line in path.read_text(errors="replace").splitlines()
            if line.strip()
        ]
        for mark in ("Caused by: ", "Exception", "Error"):
            if marked := [line for line in lines if mark in line]:
                return marked[-1].strip()
        return lines[-1].strip() if lines else "no output"

    def _has_supervisor(self) -> bool:
        try:
            return bool(self.nimbus.supervisors())
        except MappingUnavailable:
            return False

    def stop(self) -> None:
        """End all processes of the cluster."""
        for program in reversed(self._programs):
            program.terminate()
            try:
                program.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        end_workers(self._folder)


def write_settings(folder: Path, ports: list[int], nimbus: str, own: str) -> None:
    """Write the settings of the daemons of one host into a folder.

    Parameters
    ----------
    folder : Path
    ports : list of int
        Ports of ZooKeeper, Nimbus, the supervisor, and its workers.
    nimbus, own : str
        Address of the host with ZooKeeper and Nimbus, and of this host.
    """
    for name in ("conf", "logs", "log4j2"):
        (folder / name).mkdir()
    settings = {
        "storm.zookeeper.servers": [nimbus],
        "storm.zookeeper.port": ports[0],
        "dev.zookeeper.path": str(folder / "zookeeper"),
        "nimbus.seeds": [nimbus],
        "nimbus.thrift.port": ports[1],
        "supervisor.thrift.port": ports[2],
        "supervisor.slots.ports": ports[3:],
        "storm.local.hostname": own,
        "storm.local.dir": str(folder / "local"),
        "storm.workers.artifacts.dir": str(folder / "logs"),
        "storm.log4j2.conf.dir": str(folder / "log4j2"),
        "worker.childopts": " ".join([*_JAVA, "-Xmx%HEAP-MEM%m"]),
        "topology.worker.logwriter.childopts": " ".join([*_JAVA, "-Xmx64m"]),
        "worker.heap.memory.mb": 256,
        "topology.worker.max.heap.size.mb": 100000.0,
        **dict.fromkeys(_PATIENT, _PATIENCE_S),
        "storm.zookeeper.session.timeout": 40_000,
        "supervisor.worker.shutdown.sleep.secs": 1,
        "nimbus.monitor.freq.secs": 1,
        "supervisor.monitor.frequency.secs": 1,
        "supervisor.heartbeat.frequency.secs": 1,
        "task.refresh.poll.secs": 1,
        "storm.health.check.dir": str(folder / "healthchecks"),
    }
    # YAML contains JSON
    (folder / "conf" / "storm.yaml").write_text(json.dumps(settings, indent=1))
    (folder / "log4j2" / "cluster.xml").write_text(_CLUSTER_LOG)
    (folder / "log4j2" / "worker.xml").write_text(_WORKER_LOG)


def daemon_words(name: str, home: Path, folder: Path) -> list[str]:
    """Return the command that starts a daemon.

    Parameters
    ----------
    name : str
        ``zookeeper``, ``nimbus`` or ``supervisor``.
    home : Path
        The folder of Storm.
    folder : Path
        The folder with the settings.
    """
    main, megabytes = _DAEMONS[name]
    return [
        *(java() or "java", *_JAVA, f"-Xmx{megabytes}m", f"-Ddaemon.name={name}"),
        *("-Dstorm.options=", f"-Dstorm.home={home}", "-Dstorm.conf.file="),
        *(f"-Dstorm.log.dir={folder / 'logs'}", f"-Dlogfile.name={name}.log"),
        f"-Dlog4j.configurationFile={folder / 'log4j2' / 'cluster.xml'}",
        *("-cp", f"{home}/lib/*:{folder / 'conf'}", main),
    ]


def end_workers(folder: Path) -> None:
    """End the workers of a cluster, which outlive its supervisor.

    Parameters
    ----------
    folder : Path
        The folder of the cluster; their command lines have it.
    """
    mark = os.fsencode(folder)
    names: list[str] = []
    with contextlib.suppress(OSError):  # nothing more can be done
        names += list_folder("/proc")[0]
    for pid in map(int, filter(str.isdigit, names)):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if pid != os.getpid() and mark in command:
                os.kill(pid, signal.SIGKILL)


def free_ports(n: int) -> list[int]:
    """Return ports of this host that are free now.

    The system gives other ports to outgoing connections. One of its ports could be
    taken by a connection before a daemon listens on it.
    """
    first_of_system = _LAST_PORT
    with contextlib.suppress(OSError, ValueError):  # not Linux
        first_of_system = int(_PORT_RANGE.read_text().split()[0])
    candidates = range(_FIRST_PORT, max(first_of_system, _FIRST_PORT + 1000))
    ports: list[int] = []
    for port in random.Random().sample(candidates, len(candidates)):
        if len(ports) == n:
            break
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind((_HOST, port))
            ports.append(port)
    return ports


def _answers(port: int) -> bool:
    try:
        socket.create_connection((_HOST, port), 1.0).close()
    except OSError:
        return False
    return True
