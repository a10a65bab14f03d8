"""Commands with several steps, on the server side: AUTHENTICATE, APPEND, IDLE."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mailhaul.protocols.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.imap.commands import (
    Append,
    AppendChunk,
    AppendEnd,
    Compress,
    Done,
    Idle,
    Noop,
)
from mailhaul.protocols.imap.events import (
    Closed,
    Code,
    Completed,
    Condition,
    Enabled,
    Event,
    Exists,
    FoundInShort,
    Greeted,
    Idling,
    Listed,
    ReadyForText,
    SaidBye,
)
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge, Respond
from tests.shown_lines import ShownLines

OK, NO = Condition.OK, Condition.NO
Cut = Callable[[bytes], Iterator[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def bytewise(data: bytes) -> Iterator[bytes]:
    for place in range(len(data)):
        yield data[place : place + 1]


def greeted(*, preauth: bool = True, limits: Limits | None = None) -> ImapServer:
    server = ImapServer(limits or Limits())
    server.send(Greeted(preauth))
    said(server)
    return server


def said(server: ImapServer) -> bytes:
    return b"".join(server.data_to_send())


def hear(server: ImapServer, data: bytes = b"", cut: Cut = whole) -> list[Any]:
    """Return what the server received, with the parts of a message joined."""
    heard: list[Any] = []
    for piece in cut(data):
        server.receive_data(piece)
        while not isinstance(event := server.next_event(), NeedData):
            last = heard[-1] if heard else None
            if isinstance(event, AppendChunk) and isinstance(last, AppendChunk):
                heard[-1] = AppendChunk(last.data + event.data)
            else:
                heard.append(event)
    return heard


# APPEND


@pytest.mark.parametrize("cut", [whole, bytewise])
def test_a_waiting_message_is_requested(cut: Cut) -> None:
    server = greeted()
    [append] = hear(server, b"a APPEND x {5}\r\n", cut)
    assert append == Append(b"x", 5)
    assert said(server) == b""
    server.send(ReadyForText(append))
    assert said(server) == b"+ go ahead\r\n"
    assert hear(server, b"a\r\nbc\r\nb NOOP\r\n", cut) == [AppendChunk(b"a\r\nbc"), AppendEnd()]
    server.send(Completed(append, OK, Code(b"APPENDUID", b"1 2")))
    assert said(server) == b"a OK [APPENDUID 1 2] done\r\n"
    assert hear(server, b"", whole) == [Noop()]


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize(
    "line", [b"a APPEND x {3+}\r\nabc\r\n", b"a APPEND x UTF8 (~{3+}\r\nabc)\r\n"]
)
def test_a_message_sent_without_waiting_is_returned_after_ready_for_text(
    line: bytes, cut: Cut
) -> None:
    server = greeted()
    [append] = hear(server, line + b"b NOOP\r\n", cut)
    assert isinstance(append, Append)
    server.send(ReadyForText(append))
    assert said(server) == b""
    assert hear(server) == [AppendChunk(b"abc"), AppendEnd()]
    server.send(Completed(append, OK))
    assert hear(server) == [Noop()]


def test_a_mailbox_may_be_a_literal_before_the_message() -> None:
    server = greeted()
    assert hear(server, b"a APPEND {3}\r\n") == []
    assert said(server) == b"+ go ahead\r\n"
    assert hear(server, b"x y {9}\r\n") == [Append(b"x y", 9)]


def test_a_message_without_octets_is_one() -> None:
    server = greeted()
    [append] = hear(server, b"a APPEND x {0+}\r\n\r\n")
    assert isinstance(append, Append)
    server.send(ReadyForText(append))
    assert hear(server) == [AppendEnd()]


@pytest.mark.parametrize("cut", [whole, bytewise])
def test_a_refused_message_that_waits_does_not_come(cut: Cut) -> None:
    server = greeted()
    [append] = hear(server, b"a APPEND x {5}\r\n", cut)
    assert isinstance(append, Append)
    server.send(Completed(append, NO, Code(b"TRYCREATE")))
    assert hear(server, b"b NOOP\r\n", cut) == [Noop()]


@pytest.mark.parametrize("cut", [whole, bytewise])
def test_a_refused_message_that_arrives_anyway_is_dropped(cut: Cut) -> None:
    server = greeted()
    [append] = hear(server, b"a APPEND x {9+}\r\nb LOGOUT\r", cut)
    assert isinstance(append, Append)
    server.send(Completed(append, NO))
    assert hear(server, b"\r\nc NOOP\r\n", cut) == [Noop()]


def test_an_append_out_of_order_is_refused_and_its_message_dropped() -> None:
    server = greeted(preauth=False)
    assert hear(server, b"a APPEND x {9+}\r\nb LOGOUT\r\r\n") == []
    assert said(server) == b"a BAD not allowed in state not-authenticated\r\n"
    assert hear(server, b"c NOOP\r\n") == [Noop()]


def test_a_malformed_append_is_refused_after_its_literal() -> None:
    server = greeted()
    assert hear(server, b"a APPEND x y {3+}\r\nabc\r\nb NOOP\r\n") == [Noop()]
    assert said(server).startswith(b"a BAD ")


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize(
    "more", [b" x", b" {1}", b" (\\Seen) {8+}\r\nb NOOP\r\n", b" {0+}\r\n {2+}\r\n\r\n)"]
)
def test_data_after_a_message_is_dropped_and_reported(more: bytes, cut: Cut) -> None:
    for refused in (False, True):
        server = greeted()
        [append] = hear(server, b"a APPEND x {1+}\r\n")
        assert isinstance(append, Append)
        server.send(Completed(append, NO) if refused else ReadyForText(append))
        heard = hear(server, b"a" + more + b"\r\n", cut)
        assert heard == ([] if refused else [AppendChunk(b"a"), AppendEnd(malformed=True)])
        if not refused:
            server.send(Completed(append, NO))
        assert hear(server, b"c APPEND x {1+}\r\nb\r\n") == [append]
        server.send(ReadyForText(append))
        assert hear(server) == [AppendChunk(b"b"), AppendEnd()]


def test_no_answer_is_given_before_the_message_is_whole() -> None:
    server = greeted()
    [append] = hear(server, b"a APPEND x {5}\r\n")
    assert isinstance(append, Append)
    server.send(ReadyForText(append))
    hear(server, b"abc")
    for event in (Completed(append, OK), ReadyForText(append), Idling(Idle())):
        with pytest.raises(LocalProtocolError):
            server.send(event)
    server.receive_eof()
    assert hear(server) == [Closed()]


def test_a_huge_message_is_never_held() -> None:
    server = greeted(limits=Limits(literal=10, response_line=50))
    [append] = hear(server, b"a APPEND x {1000000}\r\n")
    assert isinstance(append, Append)
    server.send(ReadyForText(append))
    for _ in range(1000):
        assert hear(server, b"x" * 1000) == [AppendChunk(b"x" * 1000)]
    assert hear(server, b"\r\n") == [AppendEnd()]


def test_a_message_that_was_not_taken_cannot_be_stored() -> None:
    server = greeted()
    [append] = hear(server, b"a APPEND x {5}\r\n")
    with pytest.raises(LocalProtocolError, match="has not been requested"):
        server.send(Completed(append, OK))


# AUTHENTICATE


def test_an_initial_response_is_heard() -> None:
    server = greeted(preauth=False)
    [command] = hear(server, b"a AUTHENTICATE PLAIN AGEAYg==\r\n")
    assert isinstance(command, Authenticate)
    assert command.initial_response is not None
    assert command.initial_response.reveal() == b"\0a\0b"
    server.send(Completed(command, OK))
    assert server.state == "authenticated"


@pytest.mark.parametrize("cut", [whole, bytewise])
def test_challenges_are_sent_and_responses_received(cut: Cut) -> None:
    server = greeted(preauth=False)
    [command] = hear(server, b"a AUTHENTICATE LOGIN\r\n", cut)
    server.send(Challenge(b"User"))
    assert said(server) == b"+ VXNlcg==\r\n"
    [response] = hear(server, b"am9l\r\n", cut)
    assert isinstance(response, Respond)
    assert response.response.reveal() == b"joe"
    server.send(Challenge(b""))
    assert said(server) == b"+ \r\n"
    assert hear(server, b"*\r\n", cut) == [CancelAuthentication()]
    assert isinstance(command, Authenticate)
    server.send(Completed(command, NO))
    assert server.state == "not-authenticated"


def test_a_response_that_is_not_base64_cancels_the_exchange() -> None:
    server = greeted(preauth=False)
    hear(server, b"a AUTHENTICATE LOGIN\r\n")
    server.send(Challenge(b""))
    assert hear(server, b"?\r\n") == [CancelAuthentication()]


def test_a_response_has_a_limit() -> None:
    server = greeted(preauth=False, limits=Limits(sasl=10))
    hear(server, b"a AUTHENTICATE LOGIN\r\n")
    server.send(Challenge(b""))
    with pytest.raises(LimitExceeded, match="response"):
        hear(server, b"x" * 11)


def test_a_challenge_without_authentication_is_not_allowed() -> None:
    server = greeted(preauth=False)
    with pytest.raises(LocalProtocolError, match="challenge"):
        server.send(Challenge(b""))
    [command] = hear(server, b"a AUTHENTICATE LOGIN\r\n")
    assert isinstance(command, Authenticate)
    server.send(Challenge(b""))
    with pytest.raises(LocalProtocolError):
        server.send(Challenge(b""))
    with pytest.raises(LocalProtocolError):
        server.send(Completed(command, OK))


def test_no_secret_is_in_a_trace() -> None:
    lines: list[bytes] = []
    server = ImapServer(tap=ShownLines(lambda way, line: lines.append(line)))
    server.send(Greeted(False))
    hear(server, b"a AUTHENTICATE PLAIN AGEAYg==\r\n")
    server.send(Challenge(b"secret question"))
    [response] = hear(server, b"c2VzYW1l\r\n")
    shown = b"\n".join(lines) + repr(response).encode()
    for secret in (b"AGEAYg", b"secret", b"c2Vj", b"c2VzYW1l", b"sesame"):
        assert secret not in shown


# IDLE


@pytest.mark.parametrize("preauth_state", ["authenticated", "selected"])
def test_an_idle_client_gets_updates_until_done(preauth_state: str) -> None:
    server = greeted()
    if preauth_state == "selected":
        [select] = hear(server, b"s SELECT x\r\n")
        server.send(Completed(select, OK))
        said(server)
    [idle] = hear(server, b"a IDLE\r\n")
    assert idle == Idle()
    server.send(Idling(idle))
    server.send(Exists(3))
    assert said(server) == b"+ idling\r\n* 3 EXISTS\r\n"
    with pytest.raises(LocalProtocolError):
        server.send(Completed(idle, OK))
    assert hear(server, b"done\r\n", bytewise) == [Done()]
    server.send(Completed(idle, OK))
    assert said(server) == b"a OK done\r\n"
    assert server.state == preauth_state


def test_an_idle_client_may_send_only_done() -> None:
    server = greeted()
    hear(server, b"a IDLE\r\n")
    server.send(Idling(Idle()))
    with pytest.raises(RemoteProtocolError, match="DONE"):
        hear(server, b"b NOOP\r\n")


def test_a_server_may_leave_an_idle_client() -> None:
    server = greeted()
    hear(server, b"a IDLE\r\n")
    server.send(Idling(Idle()))
    server.send(SaidBye(text=b"enough"))
    assert hear(server, b"DONE\r\n") == []
    server.receive_eof()
    assert hear(server) == []
    server.send(Completed(Idle(), NO))
    assert hear(server) == [Closed()]


def test_a_trace_shows_the_dialogue_without_message_text() -> None:
    lines: list[bytes] = []
    server = ImapServer(tap=ShownLines(lambda way, line: lines.append(line)))
    server.send(Greeted(True))
    [append] = hear(server, b"a APPEND x {3+}\r\nabc\r\n")
    server.send(ReadyForText(append))
    hear(server)
    server.send(Completed(append, OK))
    [idle] = hear(server, b"b IDLE\r\n")
    server.send(Idling(idle))
    hear(server, b"DONE\r\n")
    assert lines[1:] == [b"a APPEND {3}", b"a OK done", b"b IDLE", b"+ idling", b"DONE"]


# COMPRESS, ENABLE, ESEARCH


def deflated(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("cut", [whole, bytewise])
def test_after_the_ok_both_directions_are_compressed(cut: Cut) -> None:
    server = greeted()
    [compress] = hear(server, b"a COMPRESS DEFLATE\r\n", cut)
    assert compress == Compress()
    server.send(Completed(compress, OK))
    assert server.unsent == len(b"a OK done\r\n")
    assert said(server) == b"a OK done\r\n"
    [noop] = hear(server, deflated(b"b NOOP\r\n"), cut)
    assert noop == Noop()
    server.send(Completed(noop, OK))
    assert zlib.decompressobj(wbits=-15).decompress(said(server)) == b"b OK done\r\n"


def test_data_after_the_ok_is_compressed() -> None:
    server = greeted()
    hear(server, b"a COMPRESS DEFLATE\r\n")
    server.send(Completed(Compress(), OK))
    server.send(Exists(3))
    data = said(server)
    ok = b"a OK done\r\n"
    assert data.startswith(ok)
    assert zlib.decompressobj(wbits=-15).decompress(data[len(ok) :]) == b"* 3 EXISTS\r\n"


def test_compression_is_requested_only_once() -> None:
    server = greeted()
    hear(server, b"a COMPRESS DEFLATE\r\n")
    server.send(Completed(Compress(), OK))
    said(server)
    assert hear(server, deflated(b"b COMPRESS DEFLATE\r\n")) == []
    answer = zlib.decompressobj(wbits=-15).decompress(said(server))
    assert answer.startswith(b"b NO [COMPRESSIONACTIVE]")


def test_names_in_utf8_are_quoted_once_that_is_enabled() -> None:
    server = greeted()
    server.send(Listed(b"\xc3\xa4"))
    assert b"{2}" in said(server)
    server.send(Enabled(frozenset({b"UTF8=ACCEPT"})))
    server.send(Listed(b"\xc3\xa4"))
    assert said(server).endswith(b'"\xc3\xa4"\r\n')


def test_a_short_answer_names_the_search_it_is_for() -> None:
    server = greeted()
    [select] = hear(server, b"s SELECT x\r\n")
    server.send(Completed(select, OK))
    said(server)
    hear(server, b"q7 UID SEARCH RETURN (COUNT) ALL\r\n")
    server.send(FoundInShort(uid=True, count=2))
    assert said(server) == b'* ESEARCH (TAG "q7") UID COUNT 2\r\n'


@pytest.mark.parametrize(
    "event",
    [
        ReadyForText(Append(b"x", 1)),
        Idling(Idle()),
        Greeted(False),
        Completed(Noop(), OK),
        SaidBye(text=b"a\r\nb"),
    ],
)
def test_an_event_without_a_command_is_not_sent(event: Event) -> None:
    server = greeted()
    with pytest.raises(LocalProtocolError):
        server.send(event)
    assert said(server) == b""


def test_no_reply_ends_a_line_early() -> None:
    server = greeted()
    [noop] = hear(server, b"a NOOP\r\n")
    assert isinstance(noop, Noop)
    with pytest.raises(LocalProtocolError, match="line ending"):
        server.send(Completed(noop, OK, None, b"x\r\na OK"))
    server.send(Completed(noop, OK))
    assert said(server) == b"a OK done\r\n"


def test_a_password_as_a_literal_is_requested_as_usual() -> None:
    server = greeted(preauth=False)
    [login] = hear(server, b"a LOGIN joe {3+}\r\na b\r\n")
    assert (login.user, login.password.reveal()) == (b"joe", b"a b")
