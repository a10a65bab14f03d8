"""The SMTP client: what it sends, how it matches replies, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import (
    ConnectionLost,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
)
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA, NeedData
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import (
    BodyChunk,
    Command,
    Data,
    Ehlo,
    EndOfData,
    Helo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)
from mailhaul.protocols.smtp.events import (
    Answered,
    Closed,
    Event,
    Greeted,
    Reply,
    SaidGoodbye,
    TlsReady,
)
from tests.shown_lines import ShownLines

Splitter = Callable[[bytes], list[bytes]]
HELLO = b"250-mx.example.org\r\n250-PIPELINING\r\n250-size 1000\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n"


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def events_of(client: SmtpClient) -> list[Event]:
    events: list[Event] = []
    while not isinstance(event := client.next_event(), NeedData):
        events.append(event)
    return events


def hear(client: SmtpClient, data: bytes, split: Splitter = whole) -> list[Event]:
    events: list[Event] = []
    for piece in split(data):
        client.receive_data(piece)
        events += events_of(client)
    return events


def sent(client: SmtpClient) -> bytes:
    return b"".join(client.data_to_send())


def ready(hello: bytes = HELLO, lmtp: bool = False, limits: Limits | None = None) -> SmtpClient:
    client = SmtpClient(lmtp, limits or Limits())
    hear(client, b"220 mx.example.org\r\n")
    client.send(Ehlo(b"client.example.net"))
    hear(client, hello)
    sent(client)
    return client


def envelope(client: SmtpClient, recipients: Sequence[bytes] = (b"bob@example.org",)) -> None:
    client.send(Mail(b"ann@example.net"))
    for recipient in recipients:
        client.send(Rcpt(recipient))
    client.send(Data())


def in_body(lmtp: bool = False, recipients: Sequence[bytes] = (b"bob@example.org",)) -> SmtpClient:
    client = ready(lmtp=lmtp)
    envelope(client, recipients)
    hear(client, b"250 ok\r\n" * (1 + len(recipients)) + b"354 go\r\n")
    sent(client)
    return client


def answers(events: list[Event]) -> list[tuple[type[Command], int, bytes | None, bool]]:
    assert all(isinstance(event, Answered) for event in events)
    return [
        (type(event.command), event.reply.code, event.recipient, event.accepts)
        for event in events
        if isinstance(event, Answered)
    ]


# Greeting and introduction


def test_nothing_is_sent_before_the_greeting() -> None:
    client = SmtpClient()
    for command in (Ehlo(b"a"), Quit(), Noop()):
        with pytest.raises(LocalProtocolError, match="greeting"):
            client.send(command)
    assert sent(client) == b""


def test_a_greeting_of_several_lines_is_one_event() -> None:
    client = SmtpClient()
    assert hear(client, b"220-mx\r\n220 ready\r\n") == [Greeted(Reply(220, (b"mx", b"ready")))]
    assert client.state == "start"


@pytest.mark.parametrize("code", [421, 450, 554, 250, 354])
def test_after_any_other_greeting_only_quit_may_follow(code: int) -> None:
    client = SmtpClient()
    [event] = hear(client, b"%d no\r\n" % code)
    assert isinstance(event, Greeted)
    with pytest.raises(LocalProtocolError):
        client.send(Ehlo(b"a"))
    client.send(Quit())
    assert sent(client) == b"QUIT\r\n"


@pytest.mark.parametrize("split", [whole, bytewise])
@pytest.mark.parametrize(
    ("greeting", "name"),
    [
        (b"* OK Dovecot ready.\r\n", "IMAP"),
        (b"* PREAUTH hi\r\n", "IMAP"),
        (b"+OK POP3 ready\r\n", "POP3"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "TLS"),
        (b"\x16\x03\x01\x00\xa5", "TLS"),
    ],
)
def test_a_greeting_of_another_protocol_is_named(
    greeting: bytes, name: str, split: Splitter
) -> None:
    client = SmtpClient()
    with pytest.raises(RemoteProtocolError, match=f"greeting is not SMTP but looks like {name}"):
        hear(client, greeting, split)
    assert client.state == "error"


def test_ehlo_tells_the_extensions_in_upper_case() -> None:
    client = ready(b"250-mx\r\n250-Size 35882577\r\n250-AUTH PLAIN LOGIN\r\n250 8bitmime\r\n")
    assert client.extensions == {
        b"SIZE": b"35882577",
        b"AUTH": b"PLAIN LOGIN",
        b"8BITMIME": b"",
    }


def test_helo_follows_a_refused_ehlo_and_has_no_extensions() -> None:
    client = ready(b"502 what?\r\n")
    client.send(Helo(b"client"))
    assert sent(client) == b"HELO client\r\n"
    assert answers(hear(client, b"250-mx\r\n250 SIZE\r\n")) == [(Helo, 250, None, False)]
    assert (client.state, client.extensions) == ("ready", {})


def test_an_lmtp_client_sends_lhlo_and_stops_when_it_is_refused() -> None:
    client = SmtpClient(lmtp=True)
    hear(client, b"220 lmtp\r\n")
    client.send(Ehlo(b"client"))
    assert sent(client) == b"LHLO client\r\n"
    hear(client, b"500 this is SMTP\r\n")
    with pytest.raises(LocalProtocolError, match="HELO"):
        client.send(Helo(b"client"))


def test_the_extensions_are_limited() -> None:
    with pytest.raises(LimitExceeded, match="extensions"):
        ready(b"250-mx\r\n" + b"250-X\r\n" * 9 + b"250 X\r\n", limits=Limits(capabilities=9))


def test_a_new_ehlo_forgets_the_extensions_of_the_last() -> None:
    client = ready()
    client.send(Ehlo(b"client"))
    hear(client, b"250 mx\r\n")
    assert client.extensions == {}


# Pipelining


def test_an_envelope_is_pipelined_and_each_reply_finds_its_command() -> None:
    client = ready()
    envelope(client, [b"a@x", b"b@x"])
    assert client.data_to_send() == [
        b"MAIL FROM:<ann@example.net>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n"
    ]
    mail, one, two, data = client.outstanding
    events = hear(client, b"250 ok\r\n250 ok\r\n550 5.1.1 unknown\r\n354 go\r\n")
    assert events == [
        Answered(mail, Reply(250, (b"ok",))),
        Answered(one, Reply(250, (b"ok",))),
        Answered(two, Reply(550, (b"5.1.1 unknown",), b"5.1.1")),
        Answered(data, Reply(354, (b"go",))),
    ]
    assert client.outstanding == ()


def test_the_next_envelope_is_sent_after_the_final_dot() -> None:
    client = in_body()
    client.send(BodyChunk(b"one\n"))
    client.send(EndOfData())
    envelope(client)
    assert client.data_to_send() == [
        b"one\r\n.\r\nMAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
    ]
    assert answers(hear(client, b"250 queued\r\n250 ok\r\n250 ok\r\n354 go\r\n")) == [
        (EndOfData, 250, None, True),
        (Mail, 250, None, False),
        (Rcpt, 250, None, False),
        (Data, 354, None, False),
    ]
    assert client.state == "body"


def test_a_refused_dot_does_not_affect_the_next_envelope() -> None:
    client = in_body()
    client.send(EndOfData())
    envelope(client)
    hear(client, b"552 too big\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    assert client.state == "body"


@pytest.mark.parametrize("behind", [Quit(), Rset(), Noop()])
def test_quit_may_be_sent_after_the_final_dot(behind: Command) -> None:
    client = in_body()
    client.send(EndOfData())
    client.send(behind)
    assert answers(hear(client, b"250 queued\r\n250 ok\r\n")) == [
        (EndOfData, 250, None, True),
        (type(behind), 250, None, False),
    ]


def test_without_pipelining_every_command_waits() -> None:
    client = ready(b"250 mx\r\n")
    client.send(Mail(b"a@x"))
    with pytest.raises(LocalProtocolError, match="RCPT must wait for the reply to MAIL"):
        client.send(Rcpt(b"b@x"))
    assert sent(client) == b"MAIL FROM:<a@x>\r\n"
    hear(client, b"250 ok\r\n")
    client.send(Rcpt(b"b@x"))
    assert sent(client) == b"RCPT TO:<b@x>\r\n"


@pytest.mark.parametrize("last", [Noop(), Quit(), StartTls(), Ehlo(b"a")])
def test_nothing_follows_the_last_of_a_group(last: Command) -> None:
    client = ready()
    client.send(last)
    for command in (Noop(), Mail(b"a@x"), Rset(), Quit(), Ehlo(b"a"), StartTls()):
        with pytest.raises(LocalProtocolError):
            client.send(command)


@pytest.mark.parametrize("alone", [StartTls(), Ehlo(b"a")])
def test_an_exclusive_command_waits_for_all_replies(alone: Command) -> None:
    client = ready()
    client.send(Rset())
    with pytest.raises(LocalProtocolError, match="must wait"):
        client.send(alone)


def test_text_waits_for_354() -> None:
    client = ready()
    envelope(client)
    for command in (BodyChunk(b"a"), EndOfData()):
        with pytest.raises(LocalProtocolError):
            client.send(command)


def test_only_so_many_commands_may_be_unanswered() -> None:
    client = ready(limits=Limits(outstanding=3))
    for command in (Mail(b"a@x"), Rcpt(b"b@x"), Rcpt(b"b@x")):
        client.send(command)
    with pytest.raises(LocalProtocolError, match="too many"):
        client.send(Rcpt(b"b@x"))


def test_a_command_that_was_refused_here_leaves_no_trace() -> None:
    client = ready()
    client.send(Mail(b"a@x"))
    sent(client)
    with pytest.raises(LocalProtocolError):
        client.send(Rcpt(b"b@x>\r\nDATA"))
    assert (sent(client), len(client.outstanding), client.state) == (b"", 1, "envelope")
    hear(client, b"250 ok\r\n")
    client.send(Rcpt(b"b@x"))


# Envelopes that are refused


@pytest.mark.parametrize(
    "replies",
    [
        b"250 ok\r\n550 no\r\n550 no\r\n",
        b"550 no\r\n250 ok\r\n250 ok\r\n",
        b"550 no\r\n503 no\r\n503 no\r\n",
    ],
)
@pytest.mark.parametrize("verdict", [b"250 queued", b"554 no recipients"])
@pytest.mark.parametrize("lmtp", [False, True])
def test_a_354_without_recipients_takes_a_lone_dot_that_accepts_nothing(
    replies: bytes, verdict: bytes, lmtp: bool
) -> None:
    client = ready(lmtp=lmtp)
    envelope(client, [b"a@x", b"b@x"])
    hear(client, replies + b"354 go\r\n")
    sent(client)
    assert client.state == "lone-dot"
    with pytest.raises(LocalProtocolError, match="lone-dot"):
        client.send(BodyChunk(b"secret"))
    client.send(EndOfData())
    assert sent(client) == b".\r\n"
    with pytest.raises(LocalProtocolError):
        client.send(Mail(b"a@x"))
    [(command, _, recipient, accepts)] = answers(hear(client, verdict + b"\r\n"))
    assert (command, recipient, accepts) == (EndOfData, None, False)
    client.send(Mail(b"a@x"))


@pytest.mark.parametrize("reply", [b"503 no", b"451 no"])
def test_only_354_lets_text_begin(reply: bytes) -> None:
    client = ready()
    envelope(client)
    hear(client, b"250 ok\r\n250 ok\r\n" + reply + b"\r\n")
    with pytest.raises(LocalProtocolError):
        client.send(BodyChunk(b"a"))
    client.send(Rset())
    client.send(Mail(b"a@x"))


def test_after_a_refused_mail_the_next_one_may_follow_at_once() -> None:
    client = ready()
    envelope(client)
    hear(client, b"451 later\r\n503 no\r\n503 no\r\n")
    assert client.state == "ready"
    client.send(Mail(b"a@x"))


def test_a_refused_mail_that_was_given_up_does_not_end_the_next_transaction() -> None:
    client = ready()
    for command in (Mail(b"a@x"), Rset(), Mail(b"b@x")):
        client.send(command)
    hear(client, b"550 no\r\n250 ok\r\n250 ok\r\n")
    assert client.state == "envelope"


def test_a_recipient_beyond_ascii_needs_smtputf8_at_mail() -> None:
    recipient = Rcpt("bäb@example.org".encode())
    client = ready()
    client.send(Mail(b"a@x"))
    with pytest.raises(LocalProtocolError, match="SMTPUTF8"):
        client.send(recipient)
    client.send(Rset())
    client.send(Mail(b"a@x", utf8=True))
    sent(client)
    client.send(recipient)
    assert sent(client) == "RCPT TO:<bäb@example.org>\r\n".encode()


# Text and verdict


@pytest.mark.parametrize("code", [250, 299, 450, 552])
def test_only_2xx_after_the_final_dot_accepts(code: int) -> None:
    client = in_body()
    client.send(EndOfData())
    [(_, heard, _, accepts)] = answers(hear(client, b"%d so\r\n" % code))
    assert (heard, accepts) == (code, 200 <= code <= 299)
    assert client.state == "ready"


def test_text_is_made_safe_and_large_chunks_pass_as_they_are() -> None:
    client = in_body()
    chunk = (b"x" * 74 + b"\r\n") * 1000
    for data in (b".a\nb\r", b"\n", chunk, b".end"):
        client.send(BodyChunk(data))
    assert client.unsent > len(chunk)
    client.send(EndOfData())
    pieces = client.data_to_send()
    assert any(piece is chunk for piece in pieces)
    assert b"".join(pieces) == b"..a\r\nb\r\n" + chunk + b"..end\r\n.\r\n"
    assert client.unsent == 0


def test_a_second_text_begins_anew() -> None:
    client = in_body()
    client.send(BodyChunk(b"a\r"))
    client.send(EndOfData())
    envelope(client)
    hear(client, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    sent(client)
    client.send(BodyChunk(b".b"))
    client.send(EndOfData())
    assert sent(client) == b"..b\r\n.\r\n"


def test_lmtp_answers_for_each_recipient_that_was_taken() -> None:
    client = ready(lmtp=True)
    envelope(client, [b"a@x", b"no@x", b"b@x", b"a@x"])
    hear(client, b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    client.send(EndOfData())
    assert client.outstanding == (EndOfData(),) * 3
    with pytest.raises(LocalProtocolError, match="replies to the text"):
        client.send(Mail(b"next@x"))
    events = hear(client, b"250 ok\r\n452 full\r\n250 ok\r\n")
    assert answers(events) == [
        (EndOfData, 250, b"a@x", True),
        (EndOfData, 452, b"b@x", False),
        (EndOfData, 250, b"a@x", True),
    ]
    client.send(Mail(b"next@x"))


@pytest.mark.parametrize("code", [421, 451, 552])
def test_a_refusal_inside_the_text_cuts_it_short(code: int) -> None:
    client = in_body()
    client.send(BodyChunk(b"a" * 100))
    assert answers(hear(client, b"%d enough\r\n" % code)) == [(EndOfData, code, None, False)]
    assert (client.state, client.unsent) == ("cut-short", 0)
    for command in (BodyChunk(b"a"), EndOfData(), Mail(b"a@x"), Rset(), Quit()):
        with pytest.raises(LocalProtocolError, match="cut-short"):
            client.send(command)
    assert hear(client, b"500 what?\r\n" * 5) == []
    client.receive_eof()
    assert events_of(client) == [Closed()]


@pytest.mark.parametrize("code", [250, 354])
def test_there_is_no_acceptance_before_the_final_dot(code: int) -> None:
    client = in_body()
    with pytest.raises(RemoteProtocolError, match="no command was waiting"):
        hear(client, b"%d ok\r\n" % code)


# Good-byes, ends and faults


def test_an_unsolicited_421_is_a_goodbye_and_then_an_orderly_end() -> None:
    client = ready()
    assert hear(client, b"421 4.3.2 shutting down\r\n") == [
        SaidGoodbye(Reply(421, (b"4.3.2 shutting down",), b"4.3.2"))
    ]
    with pytest.raises(LocalProtocolError):
        client.send(Mail(b"a@x"))
    client.receive_eof()
    assert events_of(client) == [Closed()]
    assert client.next_event() is NEED_DATA


def test_a_421_that_answers_a_command_is_an_answer() -> None:
    client = ready()
    client.send(Mail(b"a@x"))
    assert answers(hear(client, b"421 bye\r\n")) == [(Mail, 421, None, False)]
    with pytest.raises(LocalProtocolError):
        client.send(Mail(b"a@x"))
    client.receive_eof()
    assert events_of(client) == [Closed()]


def test_a_354_after_a_421_is_an_error() -> None:
    client = ready()
    envelope(client)
    with pytest.raises(RemoteProtocolError, match="not allowed in this state"):
        hear(client, b"250 ok\r\n421 bye\r\n354 go\r\n")
    assert client.state == "error"


@pytest.mark.parametrize("reply", [b"250 ok", b"500 what", b"354 go", b"220 hello"])
def test_a_reply_to_nothing_is_a_fault_for_good(reply: bytes) -> None:
    client = ready()
    client.send(Noop())
    client.receive_data(b"250 ok\r\n" + reply + b"\r\n")
    assert isinstance(client.next_event(), Answered)
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            client.next_event()
    assert client.state == "error"
    with pytest.raises(LocalProtocolError):
        client.send(Noop())


def test_the_end_after_quit_is_not_an_error() -> None:
    client = ready()
    client.send(Quit())
    assert answers(hear(client, b"221 bye\r\n")) == [(Quit, 221, None, False)]
    client.receive_eof()
    assert events_of(client) == [Closed()]


def test_a_server_that_hangs_up_on_quit_has_understood_it() -> None:
    client = ready()
    client.send(Quit())
    client.receive_eof()
    assert events_of(client) == [Closed()]


def test_a_lost_connection_names_the_unanswered_commands() -> None:
    client = in_body()
    client.send(EndOfData())
    client.send(Mail(b"a@x"))
    client.receive_eof()
    with pytest.raises(ConnectionLost, match="while the final dot was unanswered"):
        client.next_event()


def test_replies_before_the_end_are_returned_first() -> None:
    client = in_body()
    client.send(EndOfData())
    client.send(Mail(b"a@x"))
    client.receive_data(b"250 queued\r\n")
    client.receive_eof()
    assert isinstance(client.next_event(), Answered)
    with pytest.raises(ConnectionLost, match="while MAIL was unanswered"):
        client.next_event()


def test_the_end_is_a_loss_before_the_greeting_inside_a_reply_and_inside_a_text() -> None:
    for client, data in (
        (SmtpClient(), b""),
        (ready(), b"421 by"),
        (ready(), b"421-bye\r\n"),
        (in_body(), b""),
    ):
        client.receive_data(data)
        client.receive_eof()
        with pytest.raises(ConnectionLost):
            client.next_event()


def test_the_end_of_an_lmtp_text_is_a_loss_until_the_last_recipient_was_answered() -> None:
    client = in_body(lmtp=True, recipients=[b"a@x", b"b@x"])
    client.send(EndOfData())
    client.receive_data(b"250 ok\r\n")
    client.receive_eof()
    assert isinstance(client.next_event(), Answered)
    with pytest.raises(ConnectionLost, match="final dot"):
        client.next_event()


# STARTTLS


def start_tls() -> SmtpClient:
    client = ready()
    client.send(StartTls())
    return client


def test_starting_tls_drops_the_capabilities() -> None:
    client = start_tls()
    assert hear(client, b"220 go\r\n") == [TlsReady(Reply(220, (b"go",)))]
    with pytest.raises(LocalProtocolError):
        client.send(Ehlo(b"a"))
    client.tls_started()
    assert (client.extensions, client.state) == ({}, "start")
    with pytest.raises(LocalProtocolError):
        client.send(Mail(b"a@x"))
    client.send(Ehlo(b"a"))
    hear(client, HELLO)
    with pytest.raises(LocalProtocolError, match="already active"):
        client.send(StartTls())


def test_refused_tls_leaves_everything_as_it_was() -> None:
    client = start_tls()
    assert answers(hear(client, b"454 not now\r\n")) == [(StartTls, 454, None, False)]
    assert (client.state, b"SIZE" in client.extensions) == ("ready", True)
    with pytest.raises(LocalProtocolError):
        client.tls_started()


@pytest.mark.parametrize("split", [whole, bytewise])
def test_not_one_byte_may_follow_the_220_to_starttls(split: Splitter) -> None:
    client = start_tls()
    with pytest.raises(RemoteProtocolError, match="unencrypted data"):
        hear(client, b"220 go\r\n2", split)


def test_data_received_before_the_handshake_ended_is_an_error() -> None:
    client = start_tls()
    hear(client, b"220 go\r\n")
    client.receive_data(b"250 injected\r\n")
    client.tls_started()
    with pytest.raises(RemoteProtocolError, match="unencrypted data"):
        client.next_event()


# Trace, splits, fuzz


def test_the_trace_has_every_line_and_no_text() -> None:
    seen: list[tuple[str, bytes]] = []
    client = SmtpClient(tap=ShownLines(lambda way, line: seen.append((way, line))))
    hear(client, b"220 hi\r\n")
    client.send(Ehlo(b"a"))
    hear(client, b"250 mx\r\n")
    for command, reply in ((Mail(b"a@x"), 250), (Rcpt(b"b@x"), 250), (Data(), 354)):
        client.send(command)
        hear(client, b"%d ok\r\n" % reply)
    client.send(BodyChunk(b"secret\r\n"))
    client.send(EndOfData())
    assert seen == [
        ("<", b"220 hi"),
        (">", b"EHLO a"),
        ("<", b"250 mx"),
        (">", b"MAIL FROM:<a@x>"),
        ("<", b"250 ok"),
        (">", b"RCPT TO:<b@x>"),
        ("<", b"250 ok"),
        (">", b"DATA"),
        ("<", b"354 ok"),
        (">", b". (EOM)"),
    ]
    assert "secret" not in repr(BodyChunk(b"secret"))


TRANSCRIPT = (
    b"250-mx\r\n250 PIPELINING\n",
    b"250 ok\r\n250\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n354 go\r\n",
    b"250 queued\r\n221 bye\r\n",
)


def converse(split: Splitter) -> list[Event]:
    client = SmtpClient()
    events = hear(client, b"220-mx\r\n220 hi\r\n", split)
    client.send(Ehlo(b"a"))
    events += hear(client, TRANSCRIPT[0], split)
    envelope(client, [b"a@x", b"b@x"])
    events += hear(client, TRANSCRIPT[1], split)
    client.send(EndOfData())
    client.send(Quit())
    return events + hear(client, TRANSCRIPT[2], split)


def test_byte_by_byte_input_gives_the_same_events() -> None:
    assert converse(bytewise) == converse(whole)


@given(st.lists(st.integers(1, 20), min_size=1))
def test_however_bytes_are_cut_they_say_the_same(sizes: list[int]) -> None:
    def split(data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        while data:
            size = sizes[len(pieces) % len(sizes)]
            pieces.append(data[:size])
            data = data[size:]
        return pieces

    assert converse(split) == converse(whole)


LINES = st.lists(
    st.sampled_from(
        [
            *(b"220 a\r\n", b"250 a\r\n", b"250-PIPELINING\r\n", b"354 a\r\n", b"421 a\r\n"),
            *(b"450 a\r\n", b"550 a\r\n", b"221 a\r\n", b"\r\n", b"x\r\n", b"\x16\x03", b"25"),
        ]
    ),
    max_size=8,
)
COMMANDS: list[Command] = [
    *(Ehlo(b"a"), Helo(b"a"), StartTls(), Mail(b"a@x"), Rcpt(b"b@x"), Data(), BodyChunk(b"a")),
    *(EndOfData(), Rset(), Noop(), Quit()),
]


@given(
    st.booleans(),
    st.lists(st.one_of(st.sampled_from(COMMANDS), LINES.map(b"".join), st.binary(max_size=9))),
    st.booleans(),
)
def test_any_data_gives_events_or_an_error(
    lmtp: bool, steps: list[Command | bytes], eof: bool
) -> None:
    client = SmtpClient(lmtp)
    client.receive_data(b"220 hi\r\n")
    try:
        events_of(client)
        for step in steps:
            if isinstance(step, bytes):
                client.receive_data(step)
                events_of(client)
                continue
            try:
                client.send(step)
            except LocalProtocolError:
                continue
        if eof:
            client.receive_eof()
            assert Closed() in events_of(client) or client.state == "closed"
    except RemoteProtocolError:
        assert client.state == "error"
        assert sent(client) == b""
