"""The SMTP client and Dovecot 2.3's submission server, which hands all on to a sink of ours."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailhaul.protocols.sasl.choose import make_client
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import (
    Bdat,
    BodyChunk,
    Command,
    Data,
    Ehlo,
    EndOfData,
    Heard,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Vrfy,
)
from mailhaul.protocols.smtp.events import Answered, Closed, Greeted, Reply
from mailhaul.servers.smtp import MemorySink

from ..corpus import leading_dots, simple
from ..servers.certificates import Certificates
from ..servers.dovecot_services import DovecotServices
from .clients import SmtpWire
from .smtp_sink import listening
from .wire import authenticate, tcp

pytestmark = pytest.mark.real

NONCE = b"as-good-as-random-for-a-test"
NO_SUCH_USER = Reply(550, (b"5.1.1 nobody here",))


def refuse_nobody(heard: Heard) -> Reply | None:
    """Refuse the recipient that the tests call nobody."""
    nobody = isinstance(heard, Rcpt) and heard.recipient.startswith(b"nobody@")
    return NO_SUCH_USER if nobody else None


@pytest.fixture(scope="module")
def received() -> MemorySink:
    """What comes out at the other end."""
    return MemorySink(policy=refuse_nobody)


@pytest.fixture(scope="module")
def server(
    scratch: Path, certificates: Certificates, received: MemorySink
) -> Iterator[DovecotServices]:
    """A running Dovecot that relays to a sink of ours."""
    with listening(received) as port:
        running = DovecotServices(scratch / "submission", certificates.good, relay_port=port)
        with running.running():
            yield running


@pytest.fixture
def sink(received: MemorySink) -> MemorySink:
    """The sink, empty."""
    received.messages.clear()
    return received


def credentials(server: DovecotServices) -> Credentials:
    return Credentials(server.new_user().encode(), Secret(server.password.encode()))


@contextmanager
def introduced(server: DovecotServices) -> Generator[SmtpWire, None, None]:
    with SmtpWire(tcp(server.submission_port)) as wire:
        assert wire.expect(Greeted).reply.positive
        assert wire.ask(Ehlo(b"client.example.org")).reply.positive
        yield wire


@contextmanager
def logged_in(server: DovecotServices) -> Generator[SmtpWire, None, None]:
    with introduced(server) as wire:
        plain = make_client(b"PLAIN", credentials(server), nonce=NONCE)
        assert authenticate(wire, plain, Answered).reply.code == 235
        # What the server can do depends on the relay, which it knows only now.
        assert wire.ask(Ehlo(b"client.example.org")).reply.positive
        yield wire


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-256"])
def test_every_mechanism_opens_the_way_out(
    server: DovecotServices, sink: MemorySink, mechanism: bytes
) -> None:
    exchange = make_client(mechanism, credentials(server), nonce=NONCE)
    with introduced(server) as wire:
        assert mechanism in wire.client.capabilities[b"AUTH"]
        assert authenticate(wire, exchange, Answered).reply.code == 235
        exchange.finish()
        assert wire.ask(Mail(b"ann@example.net")).reply.positive


def test_without_a_login_no_mail_is_taken(server: DovecotServices) -> None:
    with introduced(server) as wire:
        assert wire.ask(Mail(b"ann@example.net")).reply.code == 530


def test_a_wrong_password_leaves_a_second_try(server: DovecotServices) -> None:
    wrong = make_client(b"PLAIN", Credentials(b"ann", Secret(b"wrong")), nonce=NONCE)
    right = make_client(b"PLAIN", credentials(server), nonce=NONCE)
    with introduced(server) as wire:
        assert authenticate(wire, wrong, Answered).reply.code == 535
        assert authenticate(wire, right, Answered).reply.code == 235


def test_a_message_is_relayed_octet_for_octet(server: DovecotServices, sink: MemorySink) -> None:
    with logged_in(server) as wire:
        commands: list[Command] = [Mail(b"ann@example.net", size=len(leading_dots()))]
        commands += [Rcpt(b"bob@example.org"), Rcpt(b"nobody@example.org"), Data()]
        wire.send(*commands)
        assert wire.codes(4) == [250, 250, 550, 354]
        wire.send(BodyChunk(leading_dots()), EndOfData())
        assert wire.expect(Answered).accepts
        assert wire.ask(Quit()).reply.code == 221
        assert wire.event() == Closed()
    [message] = sink.messages
    assert (message.sender, message.recipients) == (b"ann@example.net", (b"bob@example.org",))
    # The server puts a Received field on top.
    assert message.text.startswith(b"Received: ")
    assert message.text.endswith(leading_dots())


def test_chunks_are_relayed_as_one_message(server: DovecotServices, sink: MemorySink) -> None:
    with logged_in(server) as wire:
        assert b"CHUNKING" in wire.client.extensions
        wire.send(Mail(b"ann@example.net"), Rcpt(b"bob@example.org"))
        assert wire.codes(2) == [250, 250]
        wire.send(Bdat(10), BodyChunk(simple()[:10]))
        wire.send(Bdat(len(simple()) - 10, last=True), BodyChunk(simple()[10:]))
        assert not wire.expect(Answered).accepts
        assert wire.expect(Answered).accepts
    [message] = sink.messages
    assert message.text.endswith(simple())


def test_noop_and_vrfy_are_answered(server: DovecotServices) -> None:
    with logged_in(server) as wire:
        assert wire.ask(Noop()).reply.code == 250
        assert wire.ask(Vrfy(b"bob")).reply.code in {250, 252}
