"""Runs over TCP: connections, frames, agents on this host, and what happens to them."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from over_tcp import CASES, ENDS, Numbers, ending

from dispel4py.base import IterativePE
from dispel4py.errors import MappingUnavailable, ParameterError, RunError
from dispel4py.mappings import get_mapping
from dispel4py.mappings.folders import remove_folder, run_folder
from dispel4py.mappings.process import process_state
from dispel4py.mappings.segments import Arena
from dispel4py.mappings.tcp import hosts as tcp_hosts
from dispel4py.mappings.tcp import run as tcp_run
from dispel4py.mappings.tcp.directory import Entry, write_token
from dispel4py.mappings.tcp.hello import Reception, Refused, introduce
from dispel4py.mappings.tcp.post import TCPPost
from dispel4py.mappings.tcp.ticket import Ticket
from dispel4py.run import run
from dispel4py.testing.conformance import Conformance

HERE = "127.0.0.1"
KEY = b"k" * 32
LONGEST_S = 60.0
#: Two agents on this host: the processes of each are hosts of their own.
HOSTS = {"mapping": "multi", "hosts": "localhost:2,127.0.0.1:2"}

# ------------------------------------------------------------------------ the hello


@pytest.fixture
def reception():
    reception = Reception(HERE, KEY)
    yield reception
    reception.close()


def test_a_process_that_knows_the_key_is_admitted(reception):
    with introduce(HERE, reception.port, KEY, 7) as connection:
        arrived = reception.next(LONGEST_S)
        assert arrived is not None
        member, other_end = arrived
        with other_end:
            assert member == 7
            connection.sendall(b"abc")
            other_end.settimeout(LONGEST_S)
            assert other_end.recv(3) == b"abc"


def test_a_connection_that_was_returned_stays_open(reception, monkeypatch):
    """Also if the reception is closed before the thread of the hello has ended."""
    is_closed = threading.Event()

    class Slow(queue.SimpleQueue):
        def put(self, item: Any) -> None:
            super().put(item)
            is_closed.wait(0.5)

    monkeypatch.setattr(reception, "_arrived", Slow())
    with introduce(HERE, reception.port, KEY, 7) as connection:
        _, other_end = reception.next(LONGEST_S)
        with other_end:
            reception.close()
            is_closed.set()
            time.sleep(0.1)
            connection.sendall(b"abc")
            other_end.settimeout(LONGEST_S)
            assert other_end.recv(3) == b"abc"


def test_another_key_is_refused_by_both_ends(reception):
    with pytest.raises(Refused, match="does not know the key"):
        introduce(HERE, reception.port, b"x" * 32, 7)
    assert reception.next(0.2) is None


@pytest.mark.parametrize("text", [b"", b"GET / HTTP/1.1\r\n\r\n", bytes(100)])
def test_strangers_neither_enter_nor_delay(reception, text):
    with socket.create_connection((HERE, reception.port)) as stranger:
        stranger.sendall(text)
        began = time.monotonic()
        with introduce(HERE, reception.port, KEY, 3):
            arrived = reception.next(LONGEST_S)
        assert arrived is not None
        arrived[1].close()
        assert arrived[0] == 3
        assert time.monotonic() - began < LONGEST_S
        assert reception.next(0.0) is None


def test_a_repeated_hello_is_refused(reception):
    """An eavesdropper who sends the bytes of an earlier hello again stays outside."""
    sent: list[bytes] = []

    class Recorded(socket.socket):
        def sendall(self, data: Any, *flags: int) -> None:
            sent.append(bytes(data))
            super().sendall(data, *flags)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", Recorded)
        introduce(HERE, reception.port, KEY, 5).close()
    arrived = reception.next(LONGEST_S)
    assert arrived is not None
    arrived[1].close()
    hello, proof = (text for text in sent if text.startswith(b"dispel4py")), sent[-1]
    with socket.create_connection((HERE, reception.port)) as stranger:
        stranger.sendall(next(hello) + proof)
        stranger.settimeout(LONGEST_S)
        while stranger.recv(1000):
            pass
    assert reception.next(0.2) is None


# ------------------------------------------------------------------------- the post


@pytest.fixture
def posts(reception):
    """Two posts, 0 and 1, with a connection."""
    connection = introduce(HERE, reception.port, KEY, 0)
    arrived = reception.next(LONGEST_S)
    assert arrived is not None
    pair = TCPPost(0, 30.0), TCPPost(1, 30.0)
    pair[0].add(1, connection)
    pair[1].add(0, arrived[1])
    yield pair
    for post in pair:
        post.close()


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 100_000),
            st.lists(st.integers(0, 700_000), max_size=4),
        ),
        max_size=8,
    )
)
def test_frames_arrive_as_they_were_sent(posts, sizes):
    sender, receiver = posts
    frames = [
        (os.urandom(head), [os.urandom(size) for size in buffers])
        for head, buffers in sizes
    ]
    for head, buffers in frames:
        mutable = [bytearray(buffer) for buffer in buffers]
        sender.send(1, head, mutable)
        for buffer in mutable:  # the sender uses its memory again
            buffer[:] = bytes(len(buffer))
    arrived = []
    while len(arrived) < len(frames):
        sender.catch_up()
        frame = receiver.receive(0.01)
        if frame is not None:
            assert frame.source == 0
            arrived.append((frame.head, [bytes(b) for b in frame.buffers]))
    assert arrived == frames
    assert not sender.is_behind


def test_many_buffers_in_one_frame(posts):
    buffers = [struct.pack("<I", k) for k in range(3000)]
    posts[0].send(1, b"head", buffers)
    frame = posts[1].receive(LONGEST_S)
    assert frame is not None
    assert [bytes(buffer) for buffer in frame.buffers] == buffers


def test_a_waiting_receiver_sends_what_another_thread_has_queued(posts):
    first, second = posts
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(first.receive(LONGEST_S)))
    waiting.start()
    data = bytes(30_000_000)
    first.send(1, b"large", [data])  # more than the system keeps
    frame = second.receive(LONGEST_S)
    second.send(0, b"thanks")
    waiting.join(LONGEST_S)
    assert frame is not None
    assert len(frame.buffers[0]) == len(data)
    assert got[0].head == b"thanks"


def test_the_last_frames_of_a_process_arrive_although_it_has_ended(posts):
    first, second = posts
    second.send(0, b"last")
    first.send(1, b"never read")
    time.sleep(0.05)
    second.close()  # with a frame that it has not read: the system resets the link
    for _ in range(20):
        first.send(1, b"too late")
        time.sleep(0.005)
    frame = first.receive(LONGEST_S)
    assert frame is not None
    assert frame.head == b"last"
    assert first.receive(0.0) is None
    assert (first.lost, first.is_linked(1)) == ({}, False)


def test_a_connection_that_breaks_is_noticed(posts):
    first, second = posts
    second.close(in_order=False)
    assert first.receive(LONGEST_S) is None
    assert first.lost == {1: "the connection was lost"}


def test_buffers_for_a_process_of_this_host_go_through_memory(reception, tmp_path):
    connection = introduce(HERE, reception.port, KEY, 0)
    arrived = reception.next(LONGEST_S)
    assert arrived is not None
    sender = TCPPost(0, 30.0, Arena(tmp_path, 0))
    receiver = TCPPost(1, 30.0, Arena(tmp_path, 1))
    sender.add(1, connection)
    receiver.add(0, arrived[1])
    sender.share_memory_with(1)
    data = np.arange(100_000.0)
    sender.send(1, b"head", [data.data.cast("B")])
    assert list(tmp_path.glob("segment-0-*"))
    frame = receiver.receive(LONGEST_S)
    assert frame is not None
    assert frame.head == b"head"
    np.testing.assert_array_equal(np.frombuffer(frame.buffers[0], "f8"), data)
    sender.close()
    receiver.close()


def test_memory_is_shared_where_a_token_can_be_read(tmp_path):
    path, token = write_token(tmp_path, 3)
    assert Entry("a", HERE, 1, path, token).shares_memory()
    assert not Entry("a", HERE, 1, path, "of another host").shares_memory()
    assert not Entry("a", HERE, 1, str(tmp_path / "none"), token).shares_memory()


def test_a_ticket_is_a_line():
    ticket = Ticket(HERE, 1, KEY.hex(), 4, 5, (0, 1), 2, 60.0, {"A": "b\n"}, "/f")
    line = ticket.to_line()
    assert line.count(b"\n") == 1
    assert Ticket.from_line(line) == ticket


# ---------------------------------------------------------------------- conformance


@pytest.mark.usefixtures("nothing_left")
class TestConformance(Conformance):
    mapping = "multi"
    options = {"hosts": HOSTS["hosts"]}  # noqa: RUF012
    processes = (3,)
    cases = CASES
    n_random_graphs = 2


def test_inputs_of_an_iterator_and_results_of_a_stopped_stream(nothing_left):
    first = FirstItems()
    graph = graphs.chain(graphs.Pass(), first)
    source = graph.roots()[0]
    endless = ({"input": k} for k in iter(int, 1))
    result = run(graph, {source: endless}, processes=3, **HOSTS)
    assert result.output(first.id) == [0] * 5


class FirstItems(IterativePE):
    """Stops the stream after five items."""

    def __init__(self) -> None:
        super().__init__()
        self.inputconnections["input"]["grouping"] = "global"
        self.n = 0

    def _process(self, item: Any) -> Any:
        self.n += 1
        if self.n == 5:
            self.stop_stream()
        return item if self.n <= 5 else None


# ------------------------------------------------------------------------- failures


@pytest.mark.parametrize(("how", "cause"), ENDS)
def test_the_first_cause_ends_the_run(nothing_left, how, cause):
    with pytest.raises(RunError, match=cause) as caught:
        run(ending(how), processes=3, silence_s=3.0, **HOSTS)
    assert len(caught.value.failures) == 1
    remove_folder(run_folder())  # the next run removes what a killed agent has left


class DiesWithChild(IterativePE):
    """Is killed at item 3, and leaves a child with all its connections."""

    def __init__(self, note: Path) -> None:
        super().__init__()
        self.note = note

    def _process(self, number: Any) -> Any:
        if number == 3:
            child = os.fork()
            if child == 0:
                time.sleep(3600.0)
                os._exit(0)
            self.note.write_text(str(child))
            os.kill(os.getpid(), signal.SIGKILL)
        return number


def test_a_child_that_keeps_connections_hides_no_death(
    nothing_left, monkeypatch, tmp_path
):
    monkeypatch.setattr(tcp_run, "_GRACE_SECONDS", 0.5)
    dies = DiesWithChild(tmp_path / "child")
    graph = graphs.chain(graphs.Range(), dies, graphs.Pass())
    with pytest.raises(RunError, match=r"DiesWithChild1 .* = 3: killed by"):
        run(graph, processes=3, **HOSTS)
    child = int(dies.note.read_text())
    deadline = time.monotonic() + 10.0
    while (state := process_state(child)) not in ("", "Z"):
        assert time.monotonic() < deadline, f"the child is there, in state {state}"
        time.sleep(0.01)


class Hangs(IterativePE):
    """Does not return from item 3, and ignores its interruption."""

    def _process(self, number: Any) -> Any:
        while number == 3:
            with contextlib.suppress(BaseException):
                time.sleep(0.1)
        return number


def test_a_call_that_hangs_is_ended(nothing_left):
    graph = graphs.chain(graphs.Range(), Hangs())
    with pytest.raises(RunError, match=r"Hangs1 .* took more than 0.2 s"):
        run(graph, processes=2, item_timeout_s=0.2, **HOSTS)


@pytest.fixture
def ssh(tmp_path: Path) -> str:
    """A command in place of ssh: it runs the line in a shell here, and notes it."""
    program = tmp_path / "ssh"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/words\n'
        '[ "$2" = absent ] && exit 255\nexec sh -c "$3"\n'
    )
    program.chmod(0o755)
    return f"{program} -q"


def test_other_hosts_are_reached_by_a_command(nothing_left, ssh, tmp_path):
    how = {"mapping": "multi", "hosts": "a:1,b:2", "ssh": ssh, "address": HERE}
    result = graphs.outcome("group_by_string", **how)
    assert result == graphs.outcome("group_by_string", mapping="simple")
    lines = (tmp_path / "words").read_text().splitlines()
    assert sorted(line.split()[1] for line in lines) == ["a", "b"]
    assert "key" not in "".join(lines)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[str]:
    """Start a server for ssh at 127.0.0.2; return the command that logs in there."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or shutil.which("ssh") is None:
        pytest.skip("needs ssh and sshd (apt: openssh-client, openssh-server)")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it, and leaves it empty
    for name in ("host", "user"):
        words = ("-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name))
        subprocess.run(["ssh-keygen", *words], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.2", 0))
        port = free.getsockname()[1]
    (tmp_path / "config").write_text(
        f"ListenAddress 127.0.0.2:{port}\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nUsePAM no\n"
    )
    log = tmp_path / "sshd.log"
    server = subprocess.Popen(
        [program, "-D", "-f", str(tmp_path / "config"), "-E", str(log)]
    )
    try:
        wait_for(lambda: log.exists() and "Server listening" in log.read_text())
        known = f"-o UserKnownHostsFile={tmp_path}/known -o StrictHostKeyChecking=no"
        yield f"ssh -F none -q -o BatchMode=yes {known} -p {port} -i {tmp_path}/user"
    finally:
        server.kill()
        server.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


def test_a_host_is_reached_by_true_ssh(sshd, nothing_left):
    how = {"mapping": "multi", "hosts": "127.0.0.2:2,localhost:1", "ssh": sshd}
    result = graphs.outcome("arrays_of_every_kind", **how)
    assert result == graphs.outcome("arrays_of_every_kind", mapping="simple")
    with pytest.raises(RunError, match=ENDS[0][1]):
        run(ending("killed"), processes=3, **how)


#: In place of ssh: an agent that is stopped before or after it has connected.
STOPPED = f"""#!{sys.executable}
import os, signal, sys
from dispel4py.mappings.tcp.hello import introduce
from dispel4py.mappings.tcp.ticket import Ticket

ticket = Ticket.from_line(sys.stdin.buffer.readline())
if sys.argv[1] == "after":
    key = bytes.fromhex(ticket.key)
    connection = introduce(ticket.address, ticket.port, key, ticket.member)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.parametrize(
    ("moment", "error", "text"),
    [
        ("before", MappingUnavailable, "nothing has come from a within 2 s"),
        ("after", RunError, "a is stopped, or down, or cut off: nothing comes from it"),
    ],
)
def test_an_agent_that_is_stopped_at_the_start_is_silent(
    nothing_left, tmp_path, monkeypatch, moment, error, text
):
    program = tmp_path / "ssh"
    program.write_text(STOPPED)
    program.chmod(0o755)
    monkeypatch.setattr(tcp_run, "FIRST_ANSWER_SECONDS", 2.0)
    monkeypatch.setattr(tcp_run, "START_SECONDS", 600.0)
    monkeypatch.setattr(tcp_hosts, "_END_SECONDS", 0.2)
    how = {"hosts": "a", "ssh": f"{program} {moment}", "address": HERE}
    with pytest.raises(error, match=text):
        graphs.outcome("diamond", processes=2, mapping="multi", silence_s=2.0, **how)


def test_an_agent_that_is_terminated_ends_its_workers(nothing_left):
    """A scheduler of jobs or a shutdown sends SIGTERM; nothing may be left."""
    graph = graphs.chain(Numbers(), EndsAgent(), graphs.Pass())
    with pytest.raises(RunError, match=r"(localhost|127.0.0.1).*: the connection was"):
        run(graph, processes=3, silence_s=3.0, **HOSTS)


class EndsAgent(IterativePE):
    """Ends the agent of its host by SIGTERM."""

    def _process(self, number: Any) -> Any:
        if number == 70:
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(30)
        return number


def test_a_host_that_cannot_be_reached_is_named(nothing_left, ssh):
    how = {"mapping": "multi", "hosts": "a,absent", "ssh": ssh, "address": HERE}
    with pytest.raises(MappingUnavailable, match=r"^absent cannot be used: .* 255$"):
        graphs.outcome("pipeline_order", processes=2, **how)


@pytest.mark.parametrize(
    "options",
    [
        {"hosts": "a,,b"},
        {"hosts": "a:0"},
        {"hosts": "-oProxyCommand=x"},
        {"hosts": "a", "restart_workers": True},
        {"hosts": "a", "start_method": "spawn"},
        {"hosts": "a", "silence_s": 0.0},
        {"ssh": "ssh"},
        {"silence_s": -3.0},
    ],
)
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ParameterError):
        get_mapping("multi", **options)


def test_the_number_of_processes_is_that_of_the_hosts():
    mapping = get_mapping("multi", hosts="a:3,b:2")
    assert mapping.processes(None) == 5
    assert mapping.processes(2) == 2
