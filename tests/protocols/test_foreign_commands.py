"""Objects that are not commands are refused with LocalProtocolError."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import Noop, StartTls
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.smtp.client import SmtpClient

CLIENTS: list[tuple[Any, bytes]] = [
    (ImapClient, b"* OK\r\n"),
    (Pop3Client, b"+OK\r\n"),
    (SmtpClient, b"220 x\r\n"),
]


@pytest.mark.parametrize(("kind", "greeting"), CLIENTS)
@pytest.mark.parametrize("foreign", [object(), None, 5, b"NOOP", "NOOP", Noop])
def test_an_object_that_is_not_a_command_is_refused(
    kind: Any, greeting: bytes, foreign: Any
) -> None:
    client = kind()
    client.receive_data(greeting)
    client.next_event()
    with pytest.raises(LocalProtocolError, match=r"is not an? \w+ command"):
        client.send(foreign)
    assert client.data_to_send() == []


def test_tls_is_not_started_inside_tls() -> None:
    client = ImapClient()
    client.receive_data(b"* OK ready\r\n")
    client.next_event()
    client.send(StartTls())
    client.receive_data(b"A0001 OK go\r\n")
    client.next_event()
    client.tls_started()
    client.data_to_send()
    with pytest.raises(LocalProtocolError, match="TLS is already active"):
        client.send(StartTls())
    assert client.data_to_send() == []
