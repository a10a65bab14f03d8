"""Both roles of the TLS layer talk to each other."""

from __future__ import annotations

import ssl

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


def test_plain_text_comes_through(pair: tuple[TlsLayer, TlsLayer]) -> None:
    client, server = pair
    client.write(b"hello")
    exchange(client, server)
    assert server.read() == b"hello"
