"""What every machine gives when the peer has closed: Closed once, and then nothing more."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul import imap, pop3, smtp

CLIENTS: list[tuple[Any, bytes, Any]] = [
    (imap.Client, b"* OK ready\r\n", imap.Noop()),
    (pop3.Client, b"+OK ready\r\n", pop3.Quit()),
    (smtp.Client, b"220 ready\r\n", smtp.Noop()),
]
SERVERS: list[tuple[Any, Any]] = [
    (imap.Server, imap.Greeted(False)),
    (pop3.Server, pop3.Greeted()),
    (smtp.Server, smtp.Reply(220, (b"ready",))),
]
CLOSED = (imap.Closed, pop3.Closed, smtp.Closed)


@pytest.mark.parametrize(("kind", "greeting", "command"), CLIENTS)
def test_a_client_needs_data_after_closed(kind: Any, greeting: bytes, command: Any) -> None:
    client = kind()
    client.receive_data(greeting)
    client.next_event()
    client.receive_eof()
    assert isinstance(client.next_event(), CLOSED)
    assert client.next_event() is client.next_event() is imap.NEED_DATA
    with pytest.raises(imap.LocalProtocolError, match="the server has closed"):
        client.send(command)


@pytest.mark.parametrize(("kind", "greeting"), SERVERS)
def test_a_server_needs_data_after_closed(kind: Any, greeting: Any) -> None:
    server = kind()
    server.send(greeting)
    server.receive_eof()
    assert isinstance(server.next_event(), CLOSED)
    assert server.next_event() is server.next_event() is imap.NEED_DATA
