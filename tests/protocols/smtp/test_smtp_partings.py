"""How an SMTP connection ends: error messages, and replies that cut a text short."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import Data, Ehlo, EndOfData, Mail, Rcpt, StartTls
from mailhaul.protocols.smtp.events import Answered, Event, Reply

HELLO = b"250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n"


def hear(client: SmtpClient, data: bytes) -> list[Event]:
    client.receive_data(data)
    events: list[Event] = []
    while not isinstance(event := client.next_event(), NeedData):
        events.append(event)
    return events


def ready(*, lmtp: bool = False) -> SmtpClient:
    client = SmtpClient(lmtp)
    hear(client, b"220 mx\r\n")
    client.send(Ehlo(b"client.example"))
    hear(client, HELLO)
    client.data_to_send()
    return client


def in_text(replies: bytes) -> SmtpClient:
    client = ready()
    for command in (Mail(b"a@b"), Rcpt(b"c@d"), Data()):
        client.send(command)
    hear(client, replies)
    client.data_to_send()
    return client


TAKEN = b"250 ok\r\n250 ok\r\n354 go\r\n"
REFUSED = b"250 ok\r\n550 no\r\n354 go\r\n"


@pytest.mark.parametrize("replies", [TAKEN, REFUSED])
@pytest.mark.parametrize("code", [400, 421, 599])
def test_a_refusal_inside_a_text_is_the_reply_to_the_final_dot(replies: bytes, code: int) -> None:
    client = in_text(replies)
    assert hear(client, b"%d no more\r\n" % code) == [
        Answered(EndOfData(), Reply(code, (b"no more",)))
    ]
    assert client.state == "cut-short"


@pytest.mark.parametrize("replies", [TAKEN, REFUSED])
def test_anything_else_inside_a_text_is_a_fault(replies: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="no command was waiting") as caught:
        hear(in_text(replies), b"399 what?\r\n")
    assert caught.value.line == b"399 what?"


def lost(client: SmtpClient) -> str:
    client.receive_eof()
    with pytest.raises(ConnectionLost) as caught:
        client.next_event()
    return caught.value.problem


def test_a_lost_connection_names_the_missing_reply() -> None:
    assert lost(SmtpClient()) == "connection closed before the greeting"
    assert lost(in_text(TAKEN)) == "connection closed in state body"
    client = in_text(TAKEN)
    client.send(EndOfData())
    assert lost(client) == "connection closed while the final dot was unanswered"


@pytest.mark.parametrize(("lmtp", "verb"), [(False, "EHLO"), (True, "LHLO")])
def test_a_lost_connection_names_the_command(lmtp: bool, verb: str) -> None:
    client = SmtpClient(lmtp)
    hear(client, b"220 mx\r\n")
    client.send(Ehlo(b"client.example"))
    assert lost(client) == f"connection closed while {verb} was unanswered"


def test_a_handshake_without_starttls_is_refused() -> None:
    client = ready()
    with pytest.raises(LocalProtocolError, match="the handshake is not allowed in state ready"):
        client.tls_started()


def test_data_injected_after_starttls_is_an_error_at_its_position() -> None:
    client = ready()
    client.send(StartTls())
    hear(client, b"220 go\r\n")
    client.receive_data(b"250 injected\r\n")
    client.tls_started()
    with pytest.raises(RemoteProtocolError, match="RFC 3207") as caught:
        client.next_event()
    assert (caught.value.state, client.state) == ("tls-handover", "error")
