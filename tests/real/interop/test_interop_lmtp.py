"""The LMTP client and Dovecot 2.3, over a UNIX socket: one reply for each recipient."""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.smtp.commands import (
    Bdat,
    BodyChunk,
    Data,
    Ehlo,
    EndOfData,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)
from mailhaul.protocols.smtp.events import Answered, Closed, Greeted, TlsReady

from ..corpus import CORPUS, big, leading_dots, simple, unix
from ..servers.certificates import Certificates
from ..servers.dovecot_services import FULL, DovecotServices
from .clients import SmtpWire
from .wire import unix as unix_socket

pytestmark = pytest.mark.real

RETURN_PATH = b"Return-Path: <ann@example.net>\n"


@pytest.fixture(scope="module")
def server(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    """A running Dovecot with LMTP."""
    running = DovecotServices(scratch / "lmtp", certificates.good)
    with running.running():
        yield running


@contextmanager
def introduced(server: DovecotServices) -> Generator[SmtpWire, None, None]:
    """Connect and say LHLO."""
    with SmtpWire(unix_socket(server.lmtp_socket), lmtp=True) as wire:
        assert wire.expect(Greeted).reply.positive
        assert wire.ask(Ehlo(b"client.example.org")).reply.positive
        yield wire


def full_user(server: DovecotServices) -> str:
    """Return a user who has no room for another message."""
    user = server.new_user()
    for number in range(FULL):
        server.deliver(user, simple(number))
    return user


def address(user: str) -> bytes:
    return f"{user}@example.org".encode()


def verdicts(wire: SmtpWire, count: int) -> list[tuple[bytes | None, int, bool]]:
    """Return for whom the next replies are, their codes, and whether they accept the text."""
    answers = [wire.expect(Answered) for _ in range(count)]
    return [(answer.recipient, answer.reply.code, answer.accepts) for answer in answers]


def test_lhlo_tells_what_there_is(server: DovecotServices) -> None:
    with introduced(server) as wire:
        announced = wire.client.extensions.keys()
        assert {b"PIPELINING", b"CHUNKING", b"ENHANCEDSTATUSCODES", b"8BITMIME"} <= announced
        assert wire.ask(Quit()).reply.code == 221
        assert wire.event() == Closed()


def test_each_recipient_has_a_reply_of_its_own(server: DovecotServices) -> None:
    good, full, other = server.new_user(), full_user(server), server.new_user()
    recipients = [address(good), b"no&body@example.org", address(full), address(other)]
    with introduced(server) as wire:
        wire.send(Mail(b"ann@example.net"), *map(Rcpt, recipients), Data())
        assert wire.codes(6) == [250, 250, 550, 250, 250, 354]
        wire.send(BodyChunk(leading_dots()), EndOfData())
        assert verdicts(wire, 3) == [
            (address(good), 250, True),
            (address(full), 552, False),
            (address(other), 250, True),
        ]
        assert wire.ask(Quit()).reply.positive
    stored = [RETURN_PATH + unix(leading_dots())]
    assert server.messages(good) == server.messages(other) == stored
    assert len(server.messages(full)) == FULL


def test_enhanced_codes_say_why(server: DovecotServices) -> None:
    full = full_user(server)
    with introduced(server) as wire:
        wire.ask(Mail(b"ann@example.net"))
        refused = wire.ask(Rcpt(b"no&body@example.org"))
        assert refused.reply.status == (5, 1, 1)
        wire.ask(Rcpt(address(full)))
        wire.ask(Data())
        wire.send(BodyChunk(simple()), EndOfData())
        assert wire.expect(Answered).reply.status == (5, 2, 2)


def test_without_recipients_no_text_is_asked_for(server: DovecotServices) -> None:
    with introduced(server) as wire:
        wire.send(Mail(b"ann@example.net"), Rcpt(b"no&body@example.org"), Data())
        # RFC 2033, section 4.2 wants a 503 there.
        assert wire.codes(3) == [250, 550, 503]
        assert wire.ask(Rset()).reply.positive
        assert wire.ask(Noop()).reply.positive


def test_there_is_no_last_chunk_for_nobody(server: DovecotServices) -> None:
    # Dovecot has a reply for it, and by RFC 2033, section 4.3 there is none.
    user = server.new_user()
    with introduced(server) as wire:
        wire.send(Mail(b"ann@example.net"), Rcpt(b"no&body@example.org"))
        assert wire.codes(2) == [250, 550]
        with pytest.raises(LocalProtocolError, match="no recipient is accepted yet"):
            wire.send(Bdat(len(simple()), last=True))
        assert wire.ask(Rset()).reply.positive
        wire.send(Mail(b"ann@example.net"), Rcpt(address(user)))
        assert wire.codes(2) == [250, 250]
        wire.send(Bdat(len(simple()), last=True), BodyChunk(simple()))
        assert wire.codes(1) == [250]
    assert server.messages(user) == [RETURN_PATH + unix(simple())]


@pytest.mark.parametrize("name", CORPUS)
def test_every_message_of_the_corpus_is_stored_as_it_is(server: DovecotServices, name: str) -> None:
    user, message = server.new_user(), CORPUS[name]()
    with introduced(server) as wire:
        wire.send(Mail(b"ann@example.net"), Rcpt(address(user)), Data())
        wire.codes(3)
        for at in range(0, len(message), 50_001):
            wire.send(BodyChunk(message[at : at + 50_001]))
            wire.flush()
        wire.send(EndOfData())
        assert wire.expect(Answered).accepts
    [stored] = server.messages(user)
    # Where a line end is missing from the last line, DATA puts it there.
    whole = message if message.endswith(b"\r\n") else message + b"\r\n"
    assert stored == RETURN_PATH + unix(whole)


def test_chunks_go_as_they_are_and_are_answered_per_recipient(server: DovecotServices) -> None:
    good, full, message = server.new_user(), full_user(server), big()
    half = len(message) // 2
    with introduced(server) as wire:
        wire.send(Mail(b"ann@example.net"), Rcpt(address(good)), Rcpt(address(full)))
        assert wire.codes(3) == [250, 250, 250]
        wire.send(Bdat(half), BodyChunk(message[:half]))
        assert wire.codes(1) == [250]
        wire.send(Bdat(len(message) - half), BodyChunk(message[half:]), Bdat(0, last=True))
        assert wire.codes(1) == [250]
        assert verdicts(wire, 2) == [(address(good), 250, True), (address(full), 552, False)]
    assert server.messages(good) == [RETURN_PATH + unix(message)]


def test_a_transaction_goes_in_two_writes_with_chunking(server: DovecotServices) -> None:
    user = server.new_user()
    with introduced(server) as wire:
        wire.send(Mail(b""), Rcpt(address(user)))
        assert wire.codes(2) == [250, 250]
        wire.send(Bdat(len(simple()), last=True), BodyChunk(simple()))
        assert wire.codes(1) == [250]
        assert wire.ask(Quit()).reply.code == 221
    assert server.messages(user) == [b"Return-Path: <>\n" + unix(simple())]


def test_inside_tls_all_begins_anew(server: DovecotServices, certificates: Certificates) -> None:
    trust = ssl.create_default_context(cafile=str(certificates.authority))
    user = server.new_user()
    with introduced(server) as wire:
        wire.send(StartTls())
        wire.expect(TlsReady)
        wire.shake_hands(trust, "localhost")
        assert not wire.client.extensions
        assert wire.ask(Ehlo(b"client.example.org")).reply.positive
        assert b"STARTTLS" not in wire.client.extensions
        wire.send(Mail(b"ann@example.net"), Rcpt(address(user)), Data())
        assert wire.codes(3) == [250, 250, 354]
        wire.send(BodyChunk(simple()), EndOfData())
        assert wire.expect(Answered).accepts
    assert server.messages(user) == [RETURN_PATH + unix(simple())]
