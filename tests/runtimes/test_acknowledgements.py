"""What is acknowledged at once: short input that nothing was sent after."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mailhaul.flows.channel import Channel
from mailhaul.runtimes.stream import QUICKACK, Stream
from tests.adapters.sources.raw import Raw

pytestmark = pytest.mark.skipif(QUICKACK is None, reason="an option of Linux")


class Recorded(socket.socket):
    """A connection that counts the acknowledgements asked for."""

    asked = 0

    def setsockopt(self, *words: object) -> None:
        assert words == (socket.IPPROTO_TCP, QUICKACK, 1)
        self.asked += 1


@pytest.fixture
def pair() -> Iterator[tuple[Stream, Recorded, socket.socket]]:
    ours, theirs = socket.socketpair()
    recorded = Recorded(fileno=ours.detach())
    recorded.setblocking(False)
    channel = Channel("server", Raw())
    channel.address = "192.0.2.1"
    with recorded, theirs:
        yield Stream(channel, recorded, None, None), recorded, theirs


def test_one_reply_of_several(pair: tuple[Stream, Recorded, socket.socket]) -> None:
    stream, sock, peer = pair
    stream.acknowledge()
    assert sock.asked == 0
    peer.sendall(b"+OK\r\n")
    stream.fill()
    stream.acknowledge()
    stream.acknowledge()
    assert sock.asked == 1


def test_what_is_sent_acknowledges(pair: tuple[Stream, Recorded, socket.socket]) -> None:
    stream, sock, peer = pair
    peer.sendall(b"+OK\r\n")
    stream.fill()
    stream.channel.machine.outbox.put(b"QUIT\r\n")  # type: ignore[attr-defined]
    stream.flush()
    stream.acknowledge()
    assert sock.asked == 0


def test_a_long_piece_is_acknowledged_anyway(pair: tuple[Stream, Recorded, socket.socket]) -> None:
    stream, sock, peer = pair
    peer.sendall(bytes(4000))
    stream.fill()
    stream.acknowledge()
    assert sock.asked == 0


def test_only_over_tcp(pair: tuple[Stream, Recorded, socket.socket]) -> None:
    stream, sock, peer = pair
    stream.channel.address = ""
    peer.sendall(b"+OK\r\n")
    stream.fill()
    stream.acknowledge()
    assert sock.asked == 0
