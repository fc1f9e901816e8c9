"""Mailboxes: a frame that is sent to a mailbox during its creation arrives."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from dispel4py.mappings.sockets import SocketPost, inbox_path


@pytest.fixture
def sender(tmp_path):
    post = SocketPost(tmp_path, 0)
    yield post
    post.close()


def test_no_sender_is_refused_while_a_mailbox_is_made(tmp_path, sender, monkeypatch):
    # as in the system: the file exists before a socket is bound to it
    class Slow(socket.socket):
        def bind(self, path):
            os.mknod(path, stat.S_IFSOCK | 0o600)
            sender.send(1, b"early")
            os.unlink(path)
            super().bind(path)

    monkeypatch.setattr(socket, "socket", Slow)
    opened = SocketPost(tmp_path, 1)
    try:
        sender.deliver(1.0)
        frame = opened.receive(1.0)
    finally:
        opened.close()
    assert frame is not None, "the frame was dropped, as if its receiver had ended"
    assert (frame.source, frame.head) == (0, b"early")


def test_frames_wait_until_the_mailbox_exists(tmp_path, sender):
    sender.send(1, b"early")
    assert not sender.has_sent_all(1)
    opened = SocketPost(tmp_path, 1)
    try:
        sender.deliver(1.0)
        assert opened.receive(1.0).head == b"early"
    finally:
        opened.close()


def test_no_frame_waits_for_a_receiver_that_has_ended(tmp_path, sender):
    SocketPost(tmp_path, 1).close()
    assert inbox_path(tmp_path, 1).exists()
    sender.send(1, b"late")
    assert sender.has_sent_all(1)


def test_the_mailbox_of_a_worker_killed_at_its_start_can_be_replaced(tmp_path, sender):
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(str(inbox_path(tmp_path, 1).with_name(".inbox-1")))
    left.close()
    sender.send(1, b"early")
    opened = SocketPost(tmp_path, 1)
    try:
        sender.deliver(1.0)
        assert opened.receive(1.0).head == b"early"
    finally:
        opened.close()


def test_a_frame_that_can_never_be_sent_is_an_error(tmp_path, sender):
    """Before, it was sent again for ever."""
    opened = SocketPost(tmp_path, 1)
    limit = opened.inbox.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    try:
        with pytest.raises(OSError, match="too long"):
            sender._send_now(1, bytes(8 * limit + (8 << 20)))
    finally:
        opened.close()
