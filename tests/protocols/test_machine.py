"""All machines: errors are permanent, earlier events come first, a tap receives everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mailhaul.protocols.errors import ConnectionLost, RemoteProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.machine import NEED_DATA, Tap
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import Capa, List, Quit
from mailhaul.protocols.pop3.events import Closed, Completed, Greeted, Listed
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import Ehlo
from mailhaul.protocols.smtp.events import Greeted as SmtpGreeted
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer

CLIENTS: list[Any] = [ImapClient, Pop3Client, SmtpClient]


class Listener(Tap):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def handed_over(self, pieces: Sequence[bytes]) -> None:
        self.heard.append(list(pieces))

    def said(self, command: object) -> None:
        self.heard.append(command)

    def told(self, news: str) -> None:
        self.heard.append(news)

    def returned(self, event: object) -> None:
        self.heard.append(event)

    def failed(self, fault: RemoteProtocolError) -> None:
        self.heard.append(fault)


def listened_to(machine: Any) -> list[Any]:
    machine.tap = listener = Listener()
    return listener.heard


def test_a_tap_hears_everything_in_order() -> None:
    client = Pop3Client()
    heard = listened_to(client)
    client.receive_data(b"+OK\r\n")
    client.next_event()
    assert client.next_event() is NEED_DATA
    assert client.data_to_send() == []
    client.send(Quit())
    client.data_to_send()
    client.receive_data(b"+OK\r\n")
    client.next_event()
    client.receive_eof()
    client.next_event()
    assert heard == [
        *(b"+OK\r\n", Greeted(), Quit(), [b"QUIT\r\n"]),
        *(b"+OK\r\n", Completed(Quit(), True), "receive_eof", Closed()),
    ]


def test_a_tap_receives_what_a_server_sends() -> None:
    server = SmtpServer()
    heard = listened_to(server)
    server.send(Reply(220, (b"mx",)))
    server.data_to_send()
    assert heard == [Reply(220, (b"mx",)), [b"220 mx\r\n"]]


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_fault_is_raised_for_good_and_nothing_is_kept(kind: Any) -> None:
    client = kind()
    heard = listened_to(client)
    client.receive_data(b"nonsense\r\n" + b"more" * 1000)
    faults: list[RemoteProtocolError] = []
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="greeting is not") as caught:
            client.next_event()
        faults.append(caught.value)
    assert faults[0] is faults[1]
    assert (faults[0].state, client.state) == ("greeting", "error")
    assert heard[1:] == faults
    client.receive_data(b"still more\r\n")
    assert len(client._input) == 0


def test_events_before_an_error_are_returned_first() -> None:
    client = Pop3Client()
    client.receive_data(b"+OK\r\n")
    client.next_event()
    client.assume_authenticated()
    client.send(List())
    client.receive_data(b"+OK\r\n1 10\r\n2 20\r\n+OK\r\n")
    assert [client.next_event(), client.next_event()] == [Listed(1, 10), Listed(2, 20)]
    with pytest.raises(RemoteProtocolError, match="a status line inside the reply") as caught:
        client.next_event()
    assert (caught.value.state, caught.value.line) == ("transaction", b"+OK")


@pytest.mark.parametrize("kind", [ImapServer, Pop3Server, SmtpServer])
def test_a_client_that_closes_before_the_greeting_is_reported_once(kind: Any) -> None:
    server = kind()
    server.receive_eof()
    assert type(server.next_event()).__name__ == "Closed"
    assert server.next_event() is NEED_DATA


def test_a_command_that_is_refused_is_not_heard() -> None:
    client = Pop3Client()
    heard = listened_to(client)
    with pytest.raises(Exception, match="CAPA is not allowed in state greeting"):
        client.send(Capa())
    assert heard == []


class Reads(SmtpClient):
    """A client that counts how often it reads its input."""

    reads = 0

    def _read(self) -> Any:
        self.reads += 1
        return super()._read()


def test_input_is_not_parsed_again_while_nothing_has_come() -> None:
    client = Reads()
    client.receive_data(b"220 mx\r\n")
    assert client.next_event() == SmtpGreeted(Reply(220, (b"mx",)))
    for _ in range(3):
        assert client.next_event() is NEED_DATA
    client.send(Ehlo(b"client.example.net"))
    assert (client.next_event(), client.reads) == (NEED_DATA, 2)
    client.receive_data(b"25")
    assert [client.next_event(), client.next_event()] == [NEED_DATA, NEED_DATA]
    assert client.reads == 3
    client.receive_eof()
    with pytest.raises(ConnectionLost):
        client.next_event()


def test_a_reply_lets_a_server_read_the_command_that_has_already_come() -> None:
    server = Pop3Server()
    server.send(Greeted())
    server.receive_data(b"CAPA\r\nQUIT\r\n")
    assert server.next_event() == Capa()
    assert server.next_event() is NEED_DATA
    server.send(Completed(Capa(), False))
    assert server.next_event() == Quit()
