"""Commands with several steps: AUTHENTICATE, APPEND, IDLE, COMPRESS, literals."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from mailhaul.protocols.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import (
    Append,
    AppendChunk,
    Command,
    Compress,
    Continuation,
    Done,
    Enable,
    Idle,
    Login,
    Noop,
    Select,
    UidCopy,
    UidFetch,
    UidSearch,
)
from mailhaul.protocols.imap.events import (
    Closed,
    Code,
    Completed,
    Condition,
    Exists,
    Idling,
    ReadyForText,
    SaidBye,
)
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge, Respond
from mailhaul.protocols.secret import Secret
from tests.shown_lines import ShownLines

from .imap_clients import authenticated, events_of, feed, greeted, hear, selected, sent, with_utf8

OK, NO = Condition.OK, Condition.NO
PLAIN = Authenticate(b"PLAIN", Secret(b"\0joe\0sesame"))
PLAIN_BASE64 = b"AGpvZQBzZXNhbWU="
CRAM = Authenticate(b"CRAM-MD5")

# AUTHENTICATE


def test_an_initial_response_is_sent_with_the_command_if_the_server_supports_it() -> None:
    client = greeted(b"IMAP4REV1 SASL-IR AUTH=PLAIN")
    client.send(PLAIN)
    assert sent(client) == b"A0001 AUTHENTICATE PLAIN %b\r\n" % PLAIN_BASE64
    assert hear(client, b"A0001 OK welcome") == [Completed(PLAIN, OK, None, b"welcome")]
    assert client.state == "authenticated"
    assert client.capabilities == {}


@pytest.mark.parametrize("plus", [b"+ ", b"+", b"+ go ahead"])
def test_otherwise_it_waits_for_the_servers_go_ahead(plus: bytes) -> None:
    client = greeted()
    client.send(PLAIN)
    assert sent(client) == b"A0001 AUTHENTICATE PLAIN\r\n"
    assert hear(client, plus) == []
    assert sent(client) == PLAIN_BASE64 + b"\r\n"
    assert hear(client, b"A0001 NO wrong") == [Completed(PLAIN, NO, None, b"wrong")]
    assert client.state == "not-authenticated"


def test_an_empty_initial_response_is_an_equals_sign_after_the_command() -> None:
    client = greeted(b"SASL-IR")
    client.send(Authenticate(b"EXTERNAL", Secret(b"")))
    assert sent(client) == b"A0001 AUTHENTICATE EXTERNAL =\r\n"


def test_challenges_are_handed_out_plain_and_answered_in_base64() -> None:
    client = greeted(b"SASL-IR")
    client.send(CRAM)
    assert sent(client) == b"A0001 AUTHENTICATE CRAM-MD5\r\n"
    assert hear(client, b"+ PDE4QHg+") == [Challenge(b"<18@x>")]
    client.send(Respond(Secret(b"joe 5f")))
    assert sent(client) == b"am9lIDVm\r\n"
    assert hear(client, b"+ ") == [Challenge(b"")]
    client.send(Respond(Secret(b"")))
    assert sent(client) == b"\r\n"


def test_an_authentication_can_be_cancelled() -> None:
    client = greeted()
    client.send(CRAM)
    hear(client, b"+ PDE4QHg+")
    client.data_to_send()
    client.send(CancelAuthentication())
    assert sent(client) == b"*\r\n"
    assert hear(client, b"A0001 BAD cancelled") == [
        Completed(CRAM, Condition.BAD, None, b"cancelled")
    ]
    assert client.state == "not-authenticated"


@pytest.mark.parametrize("challenge", [b"+ !!", b"+ QQ", b"+ Q=Q=", b"+ QUJD\xff"])
def test_a_challenge_that_is_not_base64_cancels_the_exchange(challenge: bytes) -> None:
    client = greeted()
    client.send(CRAM)
    client.data_to_send()
    assert hear(client, challenge) == []
    assert sent(client) == b"*\r\n"
    assert hear(client, b"A0001 BAD cancelled") == [
        Completed(CRAM, Condition.BAD, None, b"cancelled")
    ]
    client.send(CRAM)
    assert hear(client, b"+ Zm9v") == [Challenge(b"foo")]


def test_a_challenge_after_the_exchange_was_cancelled_is_a_fault_that_quotes_nothing() -> None:
    client = greeted()
    client.send(CRAM)
    with pytest.raises(RemoteProtocolError, match="was cancelled") as caught:
        hear(client, b"+ what now?", b"+ Zm9v")
    assert caught.value.line == b""


def test_a_challenge_after_we_have_cancelled_is_a_fault() -> None:
    client = greeted()
    client.send(CRAM)
    hear(client, b"+ Zm9v")
    client.send(CancelAuthentication())
    with pytest.raises(RemoteProtocolError, match="was cancelled"):
        hear(client, b"+ Zm9v")


def test_an_initial_response_is_kept_where_it_is_not_to_go_along() -> None:
    client = greeted(b"IMAP4REV1 SASL-IR AUTH=PLAIN")
    client.send(Authenticate(b"PLAIN", Secret(b"\0joe\0sesame"), at_once=False))
    assert sent(client) == b"A0001 AUTHENTICATE PLAIN\r\n"
    hear(client, b"+ PLAIN supported")
    assert sent(client) == b"AGpvZQBzZXNhbWU=\r\n"


def test_a_second_challenge_before_the_first_is_answered_is_a_fault() -> None:
    client = greeted()
    client.send(CRAM)
    assert hear(client, b"+ ") == [Challenge(b"")]
    with pytest.raises(RemoteProtocolError, match="before the last one was answered"):
        hear(client, b"+ ")


def test_nothing_a_server_repeats_of_a_response_is_shown() -> None:
    shown: list[bytes] = []
    client = greeted(tap=ShownLines(lambda _, line: shown.append(line)))
    client.send(PLAIN)
    hear(client, b"+ ")
    hear(client, b"* OK you said %b" % PLAIN_BASE64)
    (refused,) = hear(client, b"A0001 NO sesame is wrong")
    assert refused == Completed(PLAIN, NO, None, b"* is wrong")
    assert not any(b"sesame" in line or PLAIN_BASE64 in line for line in shown)


def test_a_fault_while_logging_in_quotes_nothing() -> None:
    client = greeted()
    client.send(CRAM)
    hear(client, b"+ ")
    client.send(Respond(Secret(b"ticket")))
    with pytest.raises(RemoteProtocolError) as caught:
        hear(client, b"tick of something")
    assert caught.value.line == b""


# Who may say what when


def waiting_for_challenge() -> ImapClient:
    client = greeted()
    client.send(CRAM)
    return client


def appending(size: int = 5, capabilities: bytes = b"IMAP4REV1") -> tuple[ImapClient, Append]:
    client = authenticated(capabilities)
    command = Append(b"Sent", size)
    client.send(command)
    client.data_to_send()
    return client, command


def idling() -> ImapClient:
    client = selected(b"IMAP4REV1 IDLE")
    client.send(Idle())
    assert hear(client, b"+ idling") == [Idling(Idle())]
    client.data_to_send()
    return client


@pytest.mark.parametrize(
    ("start", "word"),
    [
        (greeted, Respond(Secret(b"x"))),
        (greeted, CancelAuthentication()),
        (waiting_for_challenge, Respond(Secret(b"x"))),
        (selected, AppendChunk(b"x")),
        (lambda: appending()[0], AppendChunk(b"x")),
        (lambda: appending()[0], Done()),
        (selected, Done()),
        (idling, AppendChunk(b"x")),
        (idling, Noop()),
        (idling, Idle()),
        (waiting_for_challenge, Noop()),
        (lambda: appending()[0], Noop()),
        (selected, Enable((b"X",))),
        (selected, PLAIN),
        (greeted, Idle()),
        (greeted, Append(b"x", 5)),
        (authenticated, UidCopy(b"1", b"x")),
    ],
)
def test_a_command_not_allowed_now_is_refused_and_changes_nothing(
    start: Callable[[], ImapClient], word: Command | Continuation
) -> None:
    client = start()
    client.data_to_send()
    state = client.state
    with pytest.raises(LocalProtocolError):
        client.send(word)
    assert sent(client) == b""
    assert client.state == state


# APPEND


def test_a_message_follows_when_the_server_asks_for_it() -> None:
    client, command = appending()
    assert hear(client, b"+ ready") == [ReadyForText(command)]
    client.send(AppendChunk(b"abc"))
    client.send(AppendChunk(b"de"))
    assert sent(client) == b"abcde\r\n"
    assert hear(client, b"A0001 OK [APPENDUID 1 2] stored") == [
        Completed(command, OK, Code(b"APPENDUID", b"1 2"), b"stored")
    ]
    client.send(Noop())


@pytest.mark.parametrize("capability", [b"LITERAL+", b"LITERAL-"])
def test_it_may_follow_without_waiting_if_the_server_supports_that(capability: bytes) -> None:
    client, command = appending(5, capability)
    assert list(events_of(client)) == [ReadyForText(command)]
    client.send(AppendChunk(b"abcde"))
    assert sent(client) == b"abcde\r\n"


def test_a_header_in_utf8_has_its_own_form() -> None:
    client = with_utf8()
    command = Append(b"x", 2, utf8=True)
    client.send(command)
    assert sent(client) == b'A0002 APPEND "x" UTF8 (~{2}\r\n'
    hear(client, b"+ ")
    client.send(AppendChunk(b"ab"))
    assert sent(client) == b"ab)\r\n"


def test_utf8_has_to_be_enabled_for_it() -> None:
    with pytest.raises(LocalProtocolError, match="enabled first"):
        authenticated().send(Append(b"x", 2, utf8=True))


def test_a_refused_append_owes_no_message() -> None:
    client, command = appending()
    code = Code(b"TRYCREATE")
    assert hear(client, b"A0001 NO [TRYCREATE] none") == [Completed(command, NO, code, b"none")]
    with pytest.raises(LocalProtocolError):
        client.send(AppendChunk(b"x"))
    client.send(Noop())
    assert sent(client) == b"A0002 NOOP\r\n"


def test_a_requested_message_is_sent_completely_even_if_it_is_refused() -> None:
    client, command = appending()
    hear(client, b"+ ")
    client.send(AppendChunk(b"abc"))
    assert hear(client, b"A0001 NO full") == [Completed(command, NO, None, b"full")]
    with pytest.raises(LocalProtocolError, match="has not been sent completely"):
        client.send(Noop())
    client.send(AppendChunk(b"de"))
    client.send(Noop())
    assert sent(client) == b"abcde\r\nA0002 NOOP\r\n"


@pytest.mark.parametrize("sent_before", [b"", b"abc"])
def test_an_ok_to_half_a_message_is_a_fault(sent_before: bytes) -> None:
    client, _ = appending()
    hear(client, b"+ ")
    if sent_before:
        client.send(AppendChunk(sent_before))
    with pytest.raises(RemoteProtocolError, match="has not been sent completely"):
        hear(client, b"A0001 OK stored")


def test_a_message_longer_than_announced_is_refused() -> None:
    client, _ = appending()
    hear(client, b"+ ")
    with pytest.raises(LocalProtocolError, match="longer"):
        client.send(AppendChunk(b"abcdef"))
    assert sent(client) == b""


def test_nul_is_for_binary_only() -> None:
    client, _ = appending()
    hear(client, b"+ ")
    with pytest.raises(LocalProtocolError, match="NUL"):
        client.send(AppendChunk(b"a\0"))
    other = authenticated()
    other.send(Append(b"x", 2, binary=True))
    hear(other, b"+ ")
    other.data_to_send()
    other.send(AppendChunk(b"a\0"))
    assert sent(other) == b"a\0\r\n"


@pytest.mark.parametrize("size", [0, -1])
def test_an_empty_message_cannot_be_appended(size: int) -> None:
    with pytest.raises(LocalProtocolError, match="empty"):
        authenticated().send(Append(b"x", size))


def test_a_mailbox_name_may_be_a_literal_of_its_own() -> None:
    client = authenticated()
    command = Append("ü".encode(), 2)
    client.send(command)
    assert sent(client) == b"A0001 APPEND {2}\r\n"
    assert hear(client, b"+ ") == []
    assert sent(client) == b"\xc3\xbc {2}\r\n"
    assert hear(client, b"+ ") == [ReadyForText(command)]


# Literals


def test_a_literal_waits_and_nothing_may_go_before_it() -> None:
    client = selected()
    client.send(Noop())
    command = UidCopy(b"1", b"\xfc")
    client.send(command)
    assert sent(client) == b"A0002 NOOP\r\nA0003 UID COPY 1 {1}\r\n"
    with pytest.raises(LocalProtocolError, match="wait for the reply to UID COPY"):
        client.send(Noop())
    hear(client, b"A0002 OK done", b"+ ")
    assert sent(client) == b"\xfc\r\n"
    hear(client, b"A0003 OK done")
    client.send(Noop())


def test_a_refused_literal_is_not_sent() -> None:
    client = selected()
    client.send(UidCopy(b"1", b"\xfc"))
    hear(client, b"A0002 NO [TRYCREATE] none")
    client.data_to_send()
    client.send(Noop())
    assert sent(client) == b"A0003 NOOP\r\n"


def test_an_ok_before_the_literal_is_a_fault() -> None:
    client = selected()
    client.send(UidCopy(b"1", b"\xfc"))
    with pytest.raises(RemoteProtocolError, match="has not been sent completely"):
        hear(client, b"A0002 OK copied")


# IDLE


def test_updates_arrive_until_done() -> None:
    client = idling()
    assert client.state == "idling-selected"
    assert hear(client, b"* 4 EXISTS") == [Exists(4)]
    client.send(Done())
    assert client.state == "selected"
    client.send(UidSearch(b"UNSEEN"))
    assert sent(client) == b"DONE\r\nA0003 UID SEARCH UNSEEN\r\n"
    assert hear(client, b"* 5 EXISTS", b"A0002 OK idled") == [
        Exists(5),
        Completed(Idle(), OK, None, b"idled"),
    ]


@pytest.mark.parametrize("answered_first", [True, False])
def test_a_server_may_refuse_to_idle_or_end_it(answered_first: bool) -> None:
    client = selected()
    client.send(Idle())
    if not answered_first:
        hear(client, b"+ ")
    assert hear(client, b"A0002 NO not now") == [Completed(Idle(), NO, None, b"not now")]
    assert client.state == "selected"
    with pytest.raises(LocalProtocolError):
        client.send(Done())
    client.send(Noop())


def test_idle_without_a_mailbox() -> None:
    client = authenticated()
    client.send(Idle())
    hear(client, b"+ ")
    assert client.state == "idling"
    client.send(Done())
    assert client.state == "authenticated"
    hear(client, b"A0001 OK done")
    client.send(Select(b"INBOX"))


def test_done_has_to_wait_until_the_server_idles() -> None:
    client = selected()
    client.send(Idle())
    with pytest.raises(LocalProtocolError):
        client.send(Done())


def test_a_server_may_hang_up_on_an_idle_client() -> None:
    client = idling()
    assert hear(client, b"* BYE autologout") == [SaidBye(None, b"autologout")]
    client.receive_eof()
    with pytest.raises(ConnectionLost):
        client.next_event()


# COMPRESS


def deflated(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH)


def compressed() -> ImapClient:
    client = selected(b"COMPRESS=DEFLATE")
    client.send(Compress())
    assert sent(client) == b"A0002 COMPRESS DEFLATE\r\n"
    assert hear(client, b"A0002 OK deflating") == [Completed(Compress(), OK, None, b"deflating")]
    return client


def test_both_directions_are_compressed_after_the_ok() -> None:
    client = compressed()
    client.send(Noop())
    plain = zlib.decompressobj(wbits=-15).decompress(sent(client))
    assert plain == b"A0003 NOOP\r\n"
    data = deflated(b"* 3 EXISTS\r\nA0003 OK done\r\n")
    events = feed(client, [data[i : i + 1] for i in range(len(data))])
    assert events == [Exists(3), Completed(Noop(), OK, None, b"done")]


def test_data_in_one_piece_with_the_ok_is_decompressed() -> None:
    client = selected()
    client.send(Compress())
    client.receive_data(b"A0002 OK now\r\n" + deflated(b"* 9 EXISTS\r\n"))
    assert list(events_of(client)) == [Completed(Compress(), OK, None, b"now"), Exists(9)]


def test_compression_is_requested_only_once() -> None:
    client = compressed()
    with pytest.raises(LocalProtocolError, match="already"):
        client.send(Compress())


def test_a_refused_compression_changes_nothing() -> None:
    client = selected()
    client.send(Compress())
    client.data_to_send()
    hear(client, b"A0002 NO [COMPRESSIONACTIVE] below already")
    client.send(Noop())
    assert sent(client) == b"A0003 NOOP\r\n"


def test_malformed_compressed_data_is_an_error() -> None:
    client = compressed()
    with pytest.raises(RemoteProtocolError):
        feed(client, [b"\xff\xff\xff\xff plain text"])


def test_a_decompression_bomb_is_read_in_small_pieces() -> None:
    client = compressed()
    client.send(UidFetch(b"1", b"BODY[]"))
    size = 64 * 1024 * 1024
    data = deflated(b"* 1 FETCH (BODY[] {%d}\r\n" % size + b"\0" * size)
    assert len(data) < 100_000
    client.receive_data(data)
    largest = total = 0
    for event in events_of(client):
        chunk = getattr(event, "data", b"")
        largest, total = max(largest, len(chunk)), total + len(chunk)
    assert total == size
    assert largest <= 256 * 1024


# ENABLE


def test_enabling_utf8_changes_how_names_are_written() -> None:
    client = with_utf8()
    assert client.utf8
    client.send(Select("Entwürfe".encode()))
    assert sent(client) == b'A0002 SELECT "%b"\r\n' % "Entwürfe".encode()


def test_a_login_does_not_wait_for_an_authentication() -> None:
    client = waiting_for_challenge()
    with pytest.raises(LocalProtocolError, match="LOGIN must wait for the reply to AUTHENTICATE"):
        client.send(Login(b"joe", Secret(b"x")))


def test_a_connection_closed_during_idle_is_reported() -> None:
    client = selected()
    client.receive_eof()
    assert list(events_of(client)) == [Closed()]
