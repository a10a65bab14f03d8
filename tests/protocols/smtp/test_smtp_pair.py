"""The SMTP client and the SMTP server, connected in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import (
    Bdat,
    BodyChunk,
    Command,
    Data,
    Ehlo,
    EndOfData,
    Heard,
    Mail,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)
from mailhaul.protocols.smtp.events import Answered, Closed, Event, Reply, TlsReady
from mailhaul.protocols.smtp.server import SmtpServer

PIPELINING = {b"PIPELINING": b"", b"8BITMIME": b"", b"SIZE": b"", b"SMTPUTF8": b""}
CHUNKING = {**PIPELINING, b"CHUNKING": b"", b"BINARYMIME": b""}
SERIAL = {b"8BITMIME": b"", b"SIZE": b""}
Message = tuple[bytes, Sequence[bytes], Sequence[bytes]]
"""Sender, recipients, and the text in chunks."""


class Pair:
    """A client, a server, and the accepted messages. Recipients at ``no`` are refused."""

    def __init__(self, extensions: Mapping[bytes, bytes], lmtp: bool, seed: int) -> None:
        self.client = SmtpClient(lmtp)
        self.server = SmtpServer(lmtp, extensions)
        self.received: list[tuple[bytes, list[bytes], bytes]] = []
        self.events: list[Event] = []
        self.turns = 0
        self._random = Random(seed)
        self._sender, self._recipients, self._text = b"", list[bytes](), b""
        self.server.send(Reply(220, (b"mx",)))
        self.turn()

    def turn(self) -> None:
        """Transfer bytes in both directions, in pieces, until there are no more."""
        while self.client.unsent or self.server.unsent:
            self.turns += bool(self.client.unsent)
            for piece in self._pieces(b"".join(self.client.data_to_send())):
                self.server.receive_data(piece)
                self._serve()
            for piece in self._pieces(b"".join(self.server.data_to_send())):
                self.client.receive_data(piece)
                while not isinstance(event := self.client.next_event(), NeedData):
                    self.events.append(event)

    def say(self, *commands: Command) -> None:
        """Send commands pipelined if that is allowed, otherwise one by one."""
        for command in commands:
            if self.client.outstanding and b"PIPELINING" not in self.client.extensions:
                self.turn()
            self.client.send(command)

    def _pieces(self, data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        while data:
            size = self._random.choice([1, 3, 50, 100_000])
            pieces.append(data[:size])
            data = data[size:]
        return pieces

    def _serve(self) -> None:
        while not isinstance(heard := self.server.next_event(), NeedData):
            assert not isinstance(heard, Closed)
            if isinstance(heard, BodyChunk):
                self._text += heard.data
            replies = [self._hear(heard) for _ in self.server.outstanding]
            for reply in replies:
                self.server.send(reply)
            if isinstance(heard, EndOfData | Bdat):
                if isinstance(heard, Bdat) and not heard.last:
                    continue
                self.received.append((self._sender, self._recipients, self._text))

    def _hear(self, heard: Heard) -> Reply:
        match heard:
            case Mail(sender):
                self._sender, self._recipients, self._text = sender, [], b""
            case Rcpt(recipient) if recipient.endswith(b"@no"):
                return Reply(550, (b"5.1.1 no",))
            case Rcpt(recipient):
                self._recipients.append(recipient)
            case Data():
                return Reply(354)
            case StartTls():
                return Reply(220)
            case _:
                pass
        return Reply(250)


def carry(pair: Pair, messages: Sequence[Message]) -> None:
    """Deliver messages; each envelope is pipelined after the dot of the previous message."""
    for sender, recipients, chunks in messages:
        pair.say(Mail(sender, body=b"8BITMIME"), *map(Rcpt, recipients), Data())
        pair.turn()
        if pair.client.state != "body":
            # Nobody was taken, so DATA was refused and the transaction is still open.
            pair.say(Rset())
            continue
        for chunk in chunks:
            pair.client.send(BodyChunk(chunk))
        pair.client.send(EndOfData())
        if len(pair.client.outstanding) > 1:
            # Nothing may follow while LMTP owes several answers.
            pair.turn()
    pair.say(Quit())
    pair.turn()


def carry_in_chunks(pair: Pair, messages: Sequence[Message]) -> None:
    """Deliver messages unchanged with BDAT; chunks are pipelined."""
    for sender, recipients, chunks in messages:
        pair.say(Mail(sender, body=b"BINARYMIME"), *map(Rcpt, recipients))
        for chunk in filter(None, chunks):
            pair.say(Bdat(len(chunk)), BodyChunk(chunk))
        if not pair.client.lmtp:
            pair.say(Bdat(0, last=True))
        else:
            # The last chunk waits for a recipient; for nobody there is none.
            pair.turn()
            if any(not name.endswith(b"@no") for name in recipients):
                pair.say(Bdat(0, last=True))
                # Nothing but RSET may follow before the answer, in LMTP not even that.
                pair.turn()
        # Where nobody was taken the transaction stays open; RSET may go ahead of knowing that.
        pair.say(Rset())
        pair.turn()
    pair.say(Quit())
    pair.turn()


def introduced(extensions: Mapping[bytes, bytes], lmtp: bool = False, seed: int = 0) -> Pair:
    pair = Pair(extensions, lmtp, seed)
    pair.client.send(Ehlo(b"client"))
    pair.turn()
    pair.events.clear()
    pair.turns = 0
    return pair


def stored(chunks: Sequence[bytes]) -> bytes:
    text = re.sub(rb"\r?\r?\n|\r", b"\r\n", b"".join(chunks))
    return text if not text or text.endswith(b"\r\n") else text + b"\r\n"


def wanted(messages: Sequence[Message]) -> list[tuple[bytes, list[bytes], bytes]]:
    return [
        (sender, taken, stored(chunks))
        for sender, recipients, chunks in messages
        if (taken := [name for name in recipients if not name.endswith(b"@no")])
    ]


NAMES = st.sampled_from([b"a@x", b"b@x", b'"odd name"@x', b"c@no"])
CHUNKS = st.lists(
    st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"text", b"\xff\0"]), max_size=9).map(
        b"".join
    ),
    max_size=4,
)
MESSAGES = st.lists(
    st.tuples(st.sampled_from([b"", b"ann@x"]), st.lists(NAMES, min_size=1, max_size=3), CHUNKS),
    max_size=4,
)


@given(MESSAGES, st.sampled_from([PIPELINING, SERIAL]), st.booleans(), st.integers(0, 999))
def test_sent_data_arrives_once_and_completely(
    messages: list[Message], extensions: dict[bytes, bytes], lmtp: bool, seed: int
) -> None:
    pair = introduced(extensions, lmtp, seed)
    carry(pair, messages)
    expected = wanted(messages)
    assert pair.received == expected
    accepted = [
        event.recipient for event in pair.events if isinstance(event, Answered) and event.accepts
    ]
    if lmtp:
        assert accepted == [name for _, taken, _ in expected for name in taken]
    else:
        assert accepted == [None] * len(expected)
    assert not pair.client.outstanding
    assert pair.client.state == "done"


@given(MESSAGES, st.booleans(), st.integers(0, 999))
def test_chunks_arrive_as_they_were(messages: list[Message], lmtp: bool, seed: int) -> None:
    pair = introduced(CHUNKING, lmtp, seed)
    carry_in_chunks(pair, messages)
    expected = [
        (sender, taken, b"".join(chunks))
        for sender, recipients, chunks in messages
        if (taken := [name for name in recipients if not name.endswith(b"@no")])
    ]
    assert pair.received == expected
    accepted = [event for event in pair.events if isinstance(event, Answered) and event.accepts]
    assert len(accepted) == sum(len(taken) if lmtp else 1 for _, taken, _ in expected)
    assert pair.client.state == "done"
    assert pair.turns == 1 + (2 * len(messages) + len(expected) if lmtp else len(messages))


@pytest.mark.parametrize("lmtp", [False, True])
def test_a_message_costs_one_round_trip(lmtp: bool) -> None:
    pair = introduced(PIPELINING, lmtp)
    carry(pair, [(b"ann@x", [b"a@x", b"b@x"], [b"text\r\n"])] * 10)
    # One for each envelope, where the dot before it goes along, and one for the last dot. Where a
    # text gets several answers, nothing goes along.
    assert (len(pair.received), pair.turns) == (10, 21 if lmtp else 11)


def test_both_begin_anew_inside_tls() -> None:
    pair = introduced({**PIPELINING, b"STARTTLS": b""})
    pair.client.send(StartTls())
    pair.turn()
    assert isinstance(pair.events[-1], TlsReady)
    pair.server.tls_started()
    pair.client.tls_started()
    pair.client.send(Ehlo(b"client"))
    pair.turn()
    assert pair.client.extensions == PIPELINING
