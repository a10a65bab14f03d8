"""Objects that are not commands are refused with LocalProtocolError."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul import imap, pop3, smtp

CLIENTS: list[tuple[Any, bytes]] = [
    (imap.Client, b"* OK\r\n"),
    (pop3.Client, b"+OK\r\n"),
    (smtp.Client, b"220 x\r\n"),
]
SERVERS: list[tuple[Any, Any, bytes]] = [
    (imap.Server, imap.Greeted(False), b"a NOOP\r\n"),
    (pop3.Server, pop3.Greeted(), b"USER joe\r\n"),
    (smtp.Server, smtp.Reply(220, (b"x",)), b"EHLO x\r\n"),
]
FOREIGN = [object(), None, 5, b"NOOP", "NOOP", imap.Noop]


@pytest.mark.parametrize(("kind", "greeting"), CLIENTS)
@pytest.mark.parametrize("foreign", FOREIGN)
def test_an_object_that_is_not_a_command_is_refused(
    kind: Any, greeting: bytes, foreign: Any
) -> None:
    client = kind()
    client.receive_data(greeting)
    client.next_event()
    with pytest.raises(imap.LocalProtocolError, match=r"is not an? \w+ command"):
        client.send(foreign)
    assert client.data_to_send() == []


@pytest.mark.parametrize(("kind", "greeting", "command"), SERVERS)
@pytest.mark.parametrize("foreign", [*FOREIGN, imap.Noop(), pop3.Noop(), smtp.Noop()])
def test_what_a_server_cannot_say_is_the_callers_fault(
    kind: Any, greeting: Any, command: bytes, foreign: Any
) -> None:
    server = kind()
    with pytest.raises(imap.LocalProtocolError):
        server.send(foreign)
    assert server.data_to_send() == []
    # It is unharmed, also where a command waits for its answer.
    server.send(greeting)
    server.data_to_send()
    server.receive_data(command)
    server.next_event()
    with pytest.raises(imap.LocalProtocolError):
        server.send(foreign)
    assert server.data_to_send() == []
    assert len(server.outstanding) == 1


def test_a_reply_without_any_line_is_the_callers_fault() -> None:
    server = smtp.Server()
    with pytest.raises(smtp.LocalProtocolError, match="without any line"):
        server.send(smtp.Reply(220, ()))
    server.send(smtp.Reply(220, (b"ready",)))


def test_tls_is_not_started_inside_tls() -> None:
    client = imap.Client()
    client.receive_data(b"* OK ready\r\n")
    client.next_event()
    client.send(imap.StartTls())
    client.receive_data(b"A0001 OK go\r\n")
    client.next_event()
    client.tls_started()
    client.data_to_send()
    with pytest.raises(imap.LocalProtocolError, match="TLS is already active"):
        client.send(imap.StartTls())
    assert client.data_to_send() == []
