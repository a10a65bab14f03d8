"""BDAT and BINARYMIME (RFC 3030) on both sides: chunks, pipelining, refusals."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import (
    Bdat,
    BodyChunk,
    Command,
    Data,
    Ehlo,
    Heard,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
)
from mailhaul.protocols.smtp.events import Answered, Closed, Event, Reply
from mailhaul.protocols.smtp.server import SmtpServer

EXTENSIONS = {b"PIPELINING": b"", b"CHUNKING": b"", b"BINARYMIME": b"", b"8BITMIME": b""}
HARD = b"no line end\r.\r\n.\r\n\n\0MAIL FROM:<evil@x>\r\n"


class Wire:
    """A client after EHLO to a server with CHUNKING."""

    def __init__(self, lmtp: bool = False) -> None:
        self.client = SmtpClient(lmtp)
        self.hear(b"220 mx\r\n")
        self.client.send(Ehlo(b"client"))
        self.hear(b"250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n")
        self.sent()

    def send(self, *commands: Command) -> None:
        for command in commands:
            self.client.send(command)

    def hear(self, data: bytes) -> list[Event]:
        self.client.receive_data(data)
        events: list[Event] = []
        while not isinstance(event := self.client.next_event(), NeedData):
            events.append(event)
        return events

    def answers(self, *codes: int) -> list[tuple[bytes | None, bool]]:
        events = self.hear(b"".join(b"%d \r\n" % code for code in codes))
        assert all(isinstance(event, Answered) for event in events)
        return [(one.recipient, one.accepts) for one in events if isinstance(one, Answered)]

    def sent(self) -> bytes:
        return b"".join(self.client.data_to_send())


ENVELOPE = (Mail(b"a@x", body=b"BINARYMIME"), Rcpt(b"b@x"), Rcpt(b"c@x"))


def test_a_whole_message_is_pipelined_and_sent_unchanged() -> None:
    wire = Wire()
    wire.send(*ENVELOPE, Bdat(len(HARD), last=True), BodyChunk(HARD), Rset())
    assert wire.sent() == (
        b"MAIL FROM:<a@x> BODY=BINARYMIME\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\n"
        b"BDAT %d LAST\r\n%bRSET\r\n" % (len(HARD), HARD)
    )
    assert [taken for _, taken in wire.answers(250, 250, 250, 250, 250)] == [
        *(False, False, False, True, False)
    ]


def test_chunks_go_on_without_waiting() -> None:
    wire = Wire()
    wire.send(*ENVELOPE, Bdat(3), BodyChunk(b"a"), BodyChunk(b"bc"), Bdat(0, last=True))
    assert wire.sent().endswith(b"BDAT 3\r\nabcBDAT 0 LAST\r\n")
    assert [taken for _, taken in wire.answers(250, 250, 250, 250, 250)][-2:] == [False, True]


@pytest.mark.parametrize(
    ("codes", "accepted"),
    [
        ((250, 250, 550, 250), True),
        ((250, 550, 550, 250), False),
        ((550, 250, 250, 250), False),
        ((250, 250, 250, 452), False),
    ],
)
def test_a_message_is_accepted_only_with_sender_and_recipient_taken(
    codes: tuple[int, ...], accepted: bool
) -> None:
    wire = Wire()
    wire.send(*ENVELOPE, Bdat(1, last=True), BodyChunk(b"a"))
    assert wire.answers(*codes)[-1] == (None, accepted)


def test_a_refused_chunk_loses_the_message() -> None:
    wire = Wire()
    wire.send(*ENVELOPE, Bdat(1), BodyChunk(b"a"), Bdat(1, last=True), BodyChunk(b"b"))
    # A broken server that takes the rest has half a message.
    assert wire.answers(250, 250, 250, 452, 250)[-1] == (None, False)


def test_after_a_refused_chunk_only_rset_is_allowed() -> None:
    wire = Wire()
    wire.send(*ENVELOPE, Bdat(1), BodyChunk(b"a"))
    wire.answers(250, 250, 250, 554)
    with pytest.raises(LocalProtocolError, match="RSET"):
        wire.client.send(Bdat(1, last=True))
    wire.send(Rset(), Mail(b"a@x"))


def test_exactly_the_announced_octets_must_follow() -> None:
    wire = Wire()
    wire.send(*ENVELOPE, Bdat(3), BodyChunk(b"ab"))
    for command in (Noop(), Rset(), Bdat(1), Quit()):
        with pytest.raises(LocalProtocolError, match="chunk"):
            wire.client.send(command)
    with pytest.raises(LocalProtocolError, match="longer"):
        wire.client.send(BodyChunk(b"cd"))
    wire.send(BodyChunk(b"c"), Rset())


def test_binary_does_not_go_by_data() -> None:
    wire = Wire()
    wire.send(*ENVELOPE)
    with pytest.raises(LocalProtocolError, match="BINARYMIME"):
        wire.client.send(Data())


def test_a_chunk_that_was_not_sent_cannot_be_accepted() -> None:
    wire = Wire()
    wire.send(*ENVELOPE, Bdat(3, last=True), BodyChunk(b"ab"))
    wire.answers(250, 250, 250)
    with pytest.raises(RemoteProtocolError, match="before it was sent"):
        wire.hear(b"250 ok\r\n")


def test_a_chunk_that_is_refused_early_is_still_sent_whole() -> None:
    wire = Wire()
    wire.send(*ENVELOPE, Bdat(3), BodyChunk(b"ab"))
    assert wire.answers(250, 250, 250, 552)[-1] == (None, False)
    wire.send(BodyChunk(b"c"), Rset())
    assert wire.sent().endswith(b"abcRSET\r\n")


def test_lmtp_answers_the_last_chunk_for_each_recipient_taken() -> None:
    wire = Wire(lmtp=True)
    wire.send(*ENVELOPE, Rcpt(b"d@x"), Bdat(1), BodyChunk(b"a"))
    wire.answers(250, 250)
    wire.send(Bdat(0, last=True))
    answers = wire.answers(550, 250, 250, 452, 250)
    assert answers[3:] == [(b"b@x", False), (b"d@x", True)]


def test_lmtp_has_no_last_chunk_before_a_recipient_is_accepted() -> None:
    wire = Wire(lmtp=True)
    wire.send(*ENVELOPE)
    for codes in ((), (250,), (550, 550)):
        wire.answers(*codes)
        with pytest.raises(LocalProtocolError, match="no recipient is accepted yet"):
            wire.client.send(Bdat(1, last=True))
    wire.send(Rset(), Mail(b"a@x"), Rcpt(b"b@x"))
    assert wire.sent().endswith(b"RCPT TO:<c@x>\r\nRSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n")
    assert len(wire.answers(250, 250, 250)) == 3


# The server

HELLO = b"EHLO client\r\n"
MAIL = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\n"


def serve(
    data: bytes,
    size: int = 99_999,
    lmtp: bool = False,
    refuse: Heard | None = None,
    extensions: Mapping[bytes, bytes] = EXTENSIONS,
) -> tuple[list[Heard | Closed], list[int]]:
    """Feed a server in pieces; return what it received, with texts joined, and its reply codes."""
    server = SmtpServer(lmtp, extensions)
    server.send(Reply(220))
    heard: list[Heard | Closed] = []
    said = b""
    for place in range(0, len(data), size):
        server.receive_data(data[place : place + size])
        while not isinstance(event := server.next_event(), NeedData):
            last = heard[-1] if heard else None
            if isinstance(event, BodyChunk) and isinstance(last, BodyChunk):
                heard[-1] = BodyChunk(last.data + event.data)
                continue
            heard.append(event)
            for _ in server.outstanding if not isinstance(event, BodyChunk) else ():
                server.send(Reply(452 if event == refuse else 250))
        said += b"".join(server.data_to_send())
    codes = [int(line[:3]) for line in said.split(b"\r\n")[:-1] if line[3:4] == b" "]
    return heard, codes[2:]


@given(st.integers(1, 60))
def test_a_server_does_not_change_octets(size: int) -> None:
    chunk = b"BDAT %d\r\n%b" % (len(HARD), HARD)
    heard, codes = serve(HELLO + MAIL + chunk + b"BDAT 0 LAST\r\nNOOP\r\n", size)
    assert heard[4:] == [
        *(BodyChunk(HARD), Bdat(len(HARD)), Bdat(0, last=True), Noop()),
    ]
    assert codes == [250] * 6


def test_octets_of_a_chunk_out_of_order_are_dropped() -> None:
    heard, codes = serve(HELLO + b"BDAT 6 LAST\r\nNOOP\r\nBDAT 0\r\nNOOP\r\n")
    assert heard[1:] == [Noop()]
    assert codes == [503, 503, 250]


def test_chunks_after_a_refused_one_are_out_of_order() -> None:
    chunks = b"BDAT 1\r\naBDAT 1 LAST\r\nb"
    heard, codes = serve(HELLO + MAIL + chunks + MAIL[:17], refuse=Bdat(1))
    assert heard[4:] == [BodyChunk(b"a"), Bdat(1), Mail(b"a@x")]
    assert codes == [250, 250, 250, 452, 503, 250]


def test_an_lmtp_server_owes_a_reply_for_each_recipient() -> None:
    hello = HELLO.replace(b"EH", b"LH")
    heard, codes = serve(hello + MAIL + b"BDAT 1\r\naBDAT 0 LAST\r\nRSET\r\n", lmtp=True)
    assert heard[4:] == [BodyChunk(b"a"), Bdat(1), Bdat(0, last=True), Rset()]
    assert codes == [250] * 7


def test_an_lmtp_server_owes_no_reply_to_the_last_chunk_for_nobody() -> None:
    hello = HELLO.replace(b"EH", b"LH")
    chunks = b"BDAT 1\r\naBDAT 1 LAST\r\nb"
    heard, codes = serve(hello + MAIL[:17] + chunks + MAIL[:17] + b"NOOP\r\n", lmtp=True)
    assert heard[1:] == [Mail(b"a@x"), Mail(b"a@x"), Noop()]
    assert codes == [250, 503, 250, 250]


@pytest.mark.parametrize("behind", [b"DATA\r\n", b"RCPT TO:<d@x>\r\n", b"MAIL FROM:<d@x>\r\n"])
def test_after_the_first_chunk_only_chunks_are_allowed(behind: bytes) -> None:
    _, codes = serve(HELLO + MAIL + b"BDAT 1\r\na" + behind + b"BDAT 0 LAST\r\n")
    assert codes == [250, 250, 250, 250, 503, 250]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"BINARYMIME", 250),
        (b"binarymime", 250),
        (b"7BIT", 250),
        (b"8BITMIME", 501),
        (b"9BIT", 501),
    ],
)
def test_binary_needs_no_8bitmime(body: bytes, code: int) -> None:
    """RFC 3030, 3: it needs only CHUNKING."""
    extensions = {b"CHUNKING": b"", b"BINARYMIME": b""}
    mail = b"MAIL FROM:<a@x> BODY=" + body + b"\r\n"
    assert serve(HELLO + mail, extensions=extensions)[1] == [code]


def test_binary_is_not_taken_by_data() -> None:
    mail = MAIL.replace(b"<a@x>", b"<a@x> BODY=BINARYMIME")
    _, codes = serve(HELLO + mail + b"DATA\r\nNOOP\r\n")
    assert codes == [250, 250, 250, 503, 250]
