"""The SMTP client and Exim 4: pipelines, refusals, chunks, and line ends that others fall for."""

from __future__ import annotations

import ssl
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
    Etrn,
    Expn,
    Helo,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Vrfy,
)
from mailhaul.protocols.smtp.events import Answered, Closed, Greeted, TlsReady

from ..corpus import CORPUS, body_of, deferred_at_dot, refused_at_dot, simple
from ..servers.certificates import Certificates
from ..servers.exim_services import SIZE_LIMIT, EximServices
from ..servers.inetd import attached
from .clients import SmtpWire
from .wire import authenticate, tcp

pytestmark = pytest.mark.real

NONCE = b"as-good-as-random-for-a-test"
SENDER = b"ann@example.net"
BOB = b"bob@example.org"
SMUGGLED = b"MAIL FROM:<eve@example.net>%bRCPT TO:<eve@example.org>%bDATA%bX: 1%b%bsmuggled%b"
ENDINGS = (b"\r\n", b"\n", b"\r")


@pytest.fixture(scope="module")
def running_server(scratch: Path, certificates: Certificates) -> Iterator[EximServices]:
    """The module's Exim; tests take ``server``."""
    running = EximServices(scratch / "exim-services", certificates.good)
    with running.running():
        yield running


@pytest.fixture
def server(running_server: EximServices) -> EximServices:
    """A running Exim that has delivered nothing yet."""
    running_server.clear()
    return running_server


@contextmanager
def introduced(server: EximServices) -> Generator[SmtpWire, None, None]:
    with SmtpWire(tcp(server.port)) as wire:
        assert wire.expect(Greeted).reply.positive
        assert wire.ask(Ehlo(b"client.example.org")).reply.positive
        yield wire


def deliver(wire: SmtpWire, message: bytes, size: int = 65536) -> Answered:
    """Send a message to Bob by DATA, in pieces of some size; return the answer to the dot."""
    wire.send(Mail(SENDER), Rcpt(BOB), Data())
    assert wire.codes(3) == [250, 250, 354]
    for at in range(0, len(message), size):
        wire.send(BodyChunk(message[at : at + size]))
        wire.flush()
    wire.send(EndOfData())
    return wire.expect(Answered)


def test_ehlo_tells_what_there_is(server: EximServices) -> None:
    with introduced(server) as wire:
        extensions = wire.client.extensions
        assert extensions[b"SIZE"] == b"%d" % SIZE_LIMIT
        assert extensions[b"AUTH"].split() == [b"PLAIN", b"LOGIN", b"CRAM-MD5"]
        assert {b"PIPELINING", b"CHUNKING", b"DSN", b"SMTPUTF8", b"STARTTLS"} <= extensions.keys()
        assert wire.ask(Quit()).reply.code == 221
        assert wire.event() == Closed()


def test_several_transactions_go_in_one_pipeline(server: EximServices) -> None:
    with introduced(server) as wire:
        accepted: list[bool] = []
        for number in range(1, 4):
            # The answer to the dot is waited for behind the next envelope only.
            envelope: list[Command] = [Mail(SENDER), Rcpt(b"refused@example.org"), Rcpt(BOB)]
            wire.send(*envelope, Data())
            if number > 1:
                accepted.append(wire.expect(Answered).accepts)
            assert wire.codes(4) == [250, 550, 250, 354]
            wire.send(BodyChunk(simple(number)), EndOfData())
        wire.send(Quit())
        accepted.append(wire.expect(Answered).accepts)
        assert wire.codes(1) == [221]
    assert accepted == [True, True, True]
    bodies = sorted(body_of(one.data) for one in server.delivered())
    assert bodies == sorted(body_of(simple(number)) for number in range(1, 4))


@pytest.mark.parametrize(
    ("recipient", "code"),
    [(b"refused@localhost", 550), (b"later@localhost", 451), (b"bob@elsewhere.example", 550)],
)
def test_a_pipeline_without_recipients_carries_no_text(
    server: EximServices, recipient: bytes, code: int
) -> None:
    with introduced(server) as wire:
        wire.send(Mail(SENDER), Rcpt(recipient), Data())
        assert wire.codes(3) == [250, code, 503]
        assert wire.ask(Rset()).reply.positive
        assert deliver(wire, simple()).accepts
    assert [one.recipient for one in server.delivered()] == ["bob@example.org"]


@pytest.mark.parametrize(("message", "code"), [(refused_at_dot(), 550), (deferred_at_dot(), 451)])
def test_a_text_refused_behind_the_dot_is_not_accepted(
    server: EximServices, message: bytes, code: int
) -> None:
    with introduced(server) as wire:
        refused = deliver(wire, message)
        assert (refused.reply.code, refused.accepts) == (code, False)
        assert deliver(wire, simple()).accepts
    [one] = server.delivered()
    assert body_of(one.data) == body_of(simple())


def test_a_message_that_is_too_large_is_refused_at_mail(server: EximServices) -> None:
    with introduced(server) as wire:
        assert wire.ask(Mail(SENDER, size=SIZE_LIMIT + 1)).reply.code == 552
        assert wire.client.state == "ready"
        assert deliver(wire, simple()).accepts


def test_a_text_that_turns_out_too_large_is_refused_behind_the_dot(server: EximServices) -> None:
    with introduced(server) as wire:
        answer = deliver(wire, simple() + b"0123456789abcde\r\n" * (SIZE_LIMIT // 16))
        assert (answer.reply.code, answer.accepts) == (552, False)
    assert server.delivered() == []


@pytest.mark.parametrize("name", sorted(CORPUS.keys() - {"big"}))
def test_every_body_of_the_corpus_arrives_as_it_is(server: EximServices, name: str) -> None:
    message = CORPUS[name]()
    with introduced(server) as wire:
        assert deliver(wire, message, size=7).accepts
    [one] = server.delivered()
    assert body_of(one.data).rstrip(b"\n") == body_of(message).rstrip(b"\n")


@pytest.mark.parametrize("before", ENDINGS)
@pytest.mark.parametrize("after", ENDINGS)
@pytest.mark.parametrize("size", [1, 65536])
def test_no_dot_in_a_text_ends_it(
    server: EximServices, before: bytes, after: bytes, size: int
) -> None:
    """What looks like the end of the text to anybody arrives as a part of it."""
    commands = SMUGGLED.replace(b"%b", after)
    text = b"Subject: one\r\n\r\nfirst" + before + b"." + after + commands + before + b"." + after
    with introduced(server) as wire:
        assert deliver(wire, text, size=size).accepts
        assert wire.ask(Noop()).reply.code == 250
    [one] = server.delivered()
    lines = body_of(one.data).splitlines()
    assert lines[:3] == [b"first", b".", b"MAIL FROM:<eve@example.net>"]
    assert lines[-2:] == [b"smuggled", b"."] or lines[-3:] == [b"smuggled", b"", b"."]


def test_chunks_carry_any_octets_and_dots_as_they_are(server: EximServices) -> None:
    # An empty chunk may be the last one only: to any other Exim 4.96 says 504, or hangs up.
    message = b"Subject: chunks\r\n\r\n.\r\n..\r\n" + bytes(range(0x80, 0x100)) + b"\r\n.\r\n"
    with introduced(server) as wire:
        wire.send(Mail(SENDER, body=b"8BITMIME"), Rcpt(BOB))
        wire.send(Bdat(5), BodyChunk(message[:5]), Bdat(len(message) - 5), BodyChunk(message[5:]))
        wire.send(Bdat(0, last=True))
        assert wire.codes(4) == [250, 250, 250, 250]
        assert wire.expect(Answered).accepts
    [one] = server.delivered()
    assert body_of(one.data) == body_of(message)


def test_a_refused_last_chunk_is_not_accepted(server: EximServices) -> None:
    message = refused_at_dot()
    with introduced(server) as wire:
        wire.send(Mail(SENDER), Rcpt(BOB))
        wire.send(Bdat(len(message), last=True), BodyChunk(message))
        assert wire.codes(2) == [250, 250]
        answer = wire.expect(Answered)
        assert (answer.reply.code, answer.accepts) == (550, False)
        assert wire.ask(Rset()).reply.positive
        assert deliver(wire, simple()).accepts


def test_chunks_for_nobody_are_read_and_refused(server: EximServices) -> None:
    with introduced(server) as wire:
        wire.send(Mail(SENDER), Rcpt(b"refused@localhost"))
        wire.send(Bdat(len(simple()), last=True), BodyChunk(simple()))
        assert wire.codes(2) == [250, 550]
        answer = wire.expect(Answered)
        assert (answer.reply.positive, answer.accepts) == (False, False)
        assert wire.ask(Rset()).reply.positive
        assert deliver(wire, simple()).accepts


def test_wishes_for_delivery_reports_are_taken(server: EximServices) -> None:
    with introduced(server) as wire:
        mail = Mail(SENDER, ret=b"HDRS", envid=b"QQ 314+159")
        recipient = Rcpt(BOB, notify=(b"SUCCESS", b"DELAY"), original=b"rfc822;bob+x@example.org")
        wire.send(mail, recipient, Data())
        assert wire.codes(3) == [250, 250, 354]
        wire.send(BodyChunk(simple()), EndOfData())
        assert wire.expect(Answered).accepts
    # The report goes to the sender, who is served here as well.
    delivered = {one.recipient: one for one in server.delivered()}
    assert delivered.keys() == {"bob@example.org", "ann@example.net"}
    report = delivered["ann@example.net"]
    assert report.sender == ""
    assert b"\nOriginal-Envelope-ID: QQ+20314+2B159\n" in report.data
    assert b"\nOriginal-Recipient: rfc822;bob+2Bx@example.org\n" in report.data
    # Only the header comes back.
    assert b"this is number 1" not in report.data


def test_addresses_beyond_ascii_go_with_smtputf8(server: EximServices) -> None:
    with introduced(server) as wire:
        wire.send(Mail("jörg@example.net".encode()), Rcpt("böb@example.org".encode()), Data())
        assert wire.codes(3) == [250, 250, 354]
        wire.send(BodyChunk(simple()), EndOfData())
        assert wire.expect(Answered).accepts
    [one] = server.delivered()
    assert (one.sender, one.recipient) == ("jörg@example.net", "böb@example.org")


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"LOGIN", b"CRAM-MD5"])
def test_every_mechanism_logs_in_and_out_goes_the_mail(
    server: EximServices, mechanism: bytes
) -> None:
    held = Credentials(server.user.encode(), Secret(server.password.encode()))
    with introduced(server) as wire:
        exchange = make_client(mechanism, held, nonce=NONCE)
        assert authenticate(wire, exchange, Answered).reply.code == 235
        exchange.finish()
        assert deliver(wire, simple()).accepts


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"LOGIN", b"CRAM-MD5"])
def test_a_wrong_password_is_refused(server: EximServices, mechanism: bytes) -> None:
    wrong = Credentials(server.user.encode(), Secret(b"wrong"))
    with introduced(server) as wire:
        exchange = make_client(mechanism, wrong, nonce=NONCE)
        assert authenticate(wire, exchange, Answered).reply.code == 535
        assert wire.ask(Noop()).reply.positive


def test_inside_tls_all_begins_anew(server: EximServices, certificates: Certificates) -> None:
    trust = ssl.create_default_context(cafile=str(certificates.authority))
    with introduced(server) as wire:
        wire.send(StartTls())
        wire.expect(TlsReady)
        wire.shake_hands(trust, "localhost")
        assert not wire.client.extensions
        assert wire.ask(Ehlo(b"client.example.org")).reply.positive
        assert b"STARTTLS" not in wire.client.extensions
        assert deliver(wire, simple()).accepts


def test_after_helo_nothing_is_announced_and_mail_goes_all_the_same(
    server: EximServices,
) -> None:
    with SmtpWire(tcp(server.port)) as wire:
        wire.expect(Greeted)
        assert wire.ask(Helo(b"client.example.org")).reply.positive
        assert not wire.client.extensions
        answers = [wire.ask(command) for command in (Mail(SENDER), Rcpt(BOB), Data())]
        assert [answer.reply.code for answer in answers] == [250, 250, 354]
        wire.send(BodyChunk(simple()), EndOfData())
        assert wire.expect(Answered).accepts


def test_the_lesser_commands_are_answered(server: EximServices) -> None:
    with introduced(server) as wire:
        assert wire.ask(Etrn(b"example.org")).reply.code == 250
        assert wire.ask(Vrfy(BOB)).reply.code == 250
        assert wire.ask(Expn(b"list")).reply.code == 550
        helpful = wire.ask(Help()).reply
        assert (helpful.code, len(helpful.lines)) == (214, 2)


def test_a_program_on_a_pipe_is_spoken_to_like_any_server(server: EximServices) -> None:
    with attached(server.bs_argv, server.folder / "bs") as stream, SmtpWire(stream) as wire:
        assert wire.expect(Greeted).reply.positive
        assert wire.ask(Ehlo(b"client.example.org")).reply.positive
        assert deliver(wire, simple()).accepts
        assert wire.ask(Quit()).reply.code == 221
        assert wire.event() == Closed()
    [one] = server.delivered()
    assert body_of(one.data) == body_of(simple())
