"""An event that a POP3 server must not send changes nothing, and nothing is sent."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.pop3.commands import Apop, Command, Heard, Pass, StartTls, User
from mailhaul.protocols.pop3.events import (
    BodyChunk,
    BodyStart,
    Capabilities,
    Closed,
    Completed,
    Counted,
    Event,
    Greeted,
    LastRead,
    Line,
    Listed,
    TlsReady,
    TurnedAway,
    UniqueId,
)
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.sasl.exchange import (
    Authenticate,
    CancelAuthentication,
    Challenge,
    Respond,
)


def asked(line: bytes) -> tuple[Pop3Server, Command]:
    """Return a server that has received this line, and the command."""
    server = Pop3Server()
    server.send(Greeted())
    verb = line.split()[0]
    early = {b"USER", b"PASS", b"APOP", b"AUTH", b"STLS"}
    login = [b"USER joe"] if verb == b"PASS" else [b"USER joe", b"PASS x"]
    for one in [] if verb in early - {b"PASS"} else login:
        server.receive_data(one + b"\r\n")
        server.send(Completed(only(server.next_event()), True))
    server.receive_data(line + b"\r\n")
    command = only(server.next_event())
    server.data_to_send()
    return server, command


def only(heard: Heard | Closed | NeedData) -> Command:
    assert not isinstance(heard, Closed | NeedData | Respond | CancelAuthentication)
    return heard


def refuses(server: Pop3Server, event: Event) -> None:
    before = (server.state, server.outstanding, server.unsent)
    with pytest.raises(LocalProtocolError):
        server.send(event)
    assert (server.state, server.outstanding, server.unsent) == before


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"NOOP", Closed()),
        (b"NOOP", Counted(1, 2)),
        (b"NOOP", LastRead(1)),
        (b"NOOP", Listed(1, 2)),
        (b"NOOP", UniqueId(1, b"a")),
        (b"NOOP", Capabilities(())),
        (b"NOOP", Line(b"a")),
        (b"LANG de", Line(b"a")),
        (b"NOOP", BodyStart(1)),
        (b"NOOP", BodyChunk(b"a")),
        (b"RETR 1", BodyChunk(b"a")),
        (b"NOOP", Challenge(b"a")),
        (b"NOOP", TlsReady(StartTls())),
        (b"LIST", UniqueId(1, b"a")),
        (b"UIDL", Listed(1, 2)),
        (b"LIST 1", UniqueId(1, b"a")),
        (b"UIDL 1", Listed(1, 2)),
        (b"STAT", LastRead(1)),
        (b"LAST", Counted(1, 2)),
    ],
)
def test_an_event_that_is_not_a_reply_to_the_command_is_refused(line: bytes, event: Event) -> None:
    server, command = asked(line)
    refuses(server, event)
    server.send(Completed(command, False))
    assert server.data_to_send() == [b"-ERR\r\n"]


@pytest.mark.parametrize("event", [Completed(User(b"joe"), True), Listed(1, 2), BodyStart(1)])
def test_without_a_command_there_is_no_answer(event: Event) -> None:
    server = Pop3Server()
    server.send(Greeted())
    server.data_to_send()
    refuses(server, event)


@pytest.mark.parametrize("line", [b"RETR 1", b"TOP 1 0", b"STAT", b"LAST", b"LIST 1", b"UIDL 1"])
def test_a_positive_reply_must_contain_the_requested_data(line: bytes) -> None:
    server, command = asked(line)
    refuses(server, Completed(command, True))
    server.send(Completed(command, False, b"no"))
    assert server.data_to_send() == [b"-ERR no\r\n"]


@pytest.mark.parametrize(
    ("line", "event"), [(b"RETR 1", BodyStart(1)), (b"LIST", Listed(1, 2)), (b"LANG", Line(b"a"))]
)
def test_a_reply_that_began_with_ok_cannot_be_refused(line: bytes, event: Event) -> None:
    server, command = asked(line)
    server.send(event)
    server.data_to_send()
    refuses(server, Completed(command, False))
    server.send(Completed(command, True))
    assert server.data_to_send() == [b".\r\n"]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"RETR 1", BodyStart(1)),
        (b"STAT", Counted(1, 2)),
        (b"LIST 1", Listed(1, 2)),
        (b"UIDL 1", UniqueId(1, b"a")),
        (b"AUTH PLAIN", Challenge(b"")),
    ],
)
def test_an_event_cannot_be_sent_twice(line: bytes, event: Event) -> None:
    server, _ = asked(line)
    server.send(event)
    server.data_to_send()
    refuses(server, event)


def test_facts_that_were_noted_are_forgotten_with_a_refusal() -> None:
    server, command = asked(b"STAT")
    server.send(Counted(1, 2))
    server.send(Completed(command, False, b"no"))
    server.receive_data(b"NOOP\r\n")
    server.send(Completed(only(server.next_event()), True))
    assert server.data_to_send() == [b"-ERR no\r\n+OK\r\n"]


def test_the_good_answer_to_stls_is_tls() -> None:
    server, command = asked(b"STLS")
    refuses(server, Completed(command, True))
    server.send(TlsReady(StartTls()))
    assert server.state == "tls-handover"


# A line end in a text would be a line of its own


@pytest.mark.parametrize("text", [b"a\r\n-ERR b", b"a\nb", b"a\rb"])
@pytest.mark.parametrize("make", [Greeted, TurnedAway])
def test_no_line_end_gets_into_a_greeting(make: type[Greeted | TurnedAway], text: bytes) -> None:
    server = Pop3Server()
    refuses(server, make(None, text))
    server.send(make(None, b"fine"))
    assert server.data_to_send()[0].endswith(b" fine\r\n")


@pytest.mark.parametrize("line", [b"PASS x", b"AUTH PLAIN", b"APOP joe x", b"USER joe", b"NOOP"])
@pytest.mark.parametrize("positive", [True, False])
def test_no_line_end_gets_into_a_reply(line: bytes, positive: bool) -> None:
    server, command = asked(line)
    refuses(server, Completed(command, positive, b"a\r\n+OK"))
    server.send(Completed(command, positive, b"fine"))
    assert server.data_to_send()[0].endswith(b" fine\r\n")
    if positive and isinstance(command, Pass | Apop | Authenticate):
        assert server.state == "transaction"


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"UIDL", UniqueId(1, b"a\r\nb")),
        (b"UIDL 1", UniqueId(1, b"a\nb")),
        (b"LANG", Line(b"a\rb")),
        (b"*ENV 1", Line(b"a\r\n.\r\n")),
        (b"CAPA", Capabilities(((b"TOP", b""), (b"X\r\nY", b"")))),
    ],
)
def test_no_line_end_gets_into_a_list(line: bytes, event: Event) -> None:
    server, command = asked(line)
    refuses(server, event)
    server.send(Completed(command, False, b"no"))
    assert server.data_to_send() == [b"-ERR no\r\n"]
