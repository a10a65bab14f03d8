"""Both roles of the TLS layer talk to each other."""

from __future__ import annotations

import ssl
from typing import cast

import pytest
import trustme

from mailhaul.flows.requests import Trust
from mailhaul.runtimes.tls import TlsLayer, client_layer, server_layer


@pytest.fixture
def pair() -> tuple[TlsLayer, TlsLayer]:
    """A client and a server that have shaken hands."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    client, server = client_layer(Trust("localhost", verify=False)), server_layer(context)
    done = False
    while not done:
        done = all([client.handshake(), server.handshake()])
        exchange(client, server)
        exchange(server, client)
    return client, server


def exchange(sender: TlsLayer, receiver: TlsLayer) -> None:
    if ciphertext := sender.to_send():
        receiver.receive(ciphertext)


class Incoming:
    """A buffer for ciphertext that knows how much it has held at most."""

    def __init__(self, incoming: ssl.MemoryBIO) -> None:
        self._incoming = incoming
        self.most = 0

    def write(self, data: bytes) -> int:
        written = self._incoming.write(data)
        self.most = max(self.most, self._incoming.pending)
        return written


def most_held(octets: int) -> int:
    """Return how much ciphertext OpenSSL holds at most when so many octets arrive together."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = server_layer(context)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)
    bio, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming = Incoming(bio)
    handshaker = trusting.wrap_bio(bio, outgoing, server_hostname="localhost")
    client = TlsLayer(handshaker, cast(ssl.MemoryBIO, incoming), outgoing)
    while not all([client.handshake(), server.handshake()]):
        exchange(client, server)
        exchange(server, client)
    server.write(b"x" * octets)
    exchange(server, client)
    assert b"".join(iter(client.read, b"")) == b"x" * octets
    return incoming.most


def test_openssl_holds_little_ciphertext_since_its_buffer_never_shrinks() -> None:
    assert most_held(100) <= 1024
    assert most_held(300_000) <= 16 * 1024


def test_what_came_with_the_end_of_the_handshake_is_read_first() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    client, server = client_layer(Trust("localhost", verify=False)), server_layer(context)
    client.handshake()
    exchange(client, server)
    server.handshake()
    exchange(server, client)
    assert client.handshake()
    exchange(client, server)
    assert server.handshake()
    server.write(b"greeting")
    exchange(server, client)
    server.write(b" and more")
    exchange(server, client)
    server.close()
    exchange(server, client)
    client.receive(b"")
    assert b"".join(iter(client.read, b"")) == b"greeting and more"
    assert client.ended
    assert not client.failure


def test_plain_text_comes_through(pair: tuple[TlsLayer, TlsLayer]) -> None:
    client, server = pair
    client.write(b"hello")
    exchange(client, server)
    assert server.read() == b"hello"
