"""The POP3 client and Dovecot 2.3: every command, in clear and inside TLS."""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailhaul.protocols.pop3.commands import (
    Apop,
    Capa,
    Command,
    Delete,
    Lang,
    List,
    Noop,
    Pass,
    Quit,
    Reset,
    Retrieve,
    StartTls,
    Stat,
    Top,
    Uidl,
    User,
    Utf8,
)
from mailhaul.protocols.pop3.events import (
    BodyChunk,
    BodyStart,
    Capabilities,
    Closed,
    Completed,
    Counted,
    Event,
    Greeted,
    Listed,
    ResponseCode,
    TlsReady,
    UniqueId,
)
from mailhaul.protocols.sasl.choose import make_client
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge
from mailhaul.protocols.secret import Secret

from ..corpus import CORPUS, leading_dots, simple
from ..servers.certificates import Certificates
from ..servers.dovecot_services import DovecotServices
from .clients import Pop3Wire
from .wire import authenticate, joined, tcp

pytestmark = pytest.mark.real

NONCE = b"as-good-as-random-for-a-test"


@pytest.fixture(scope="module")
def server(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    """A running Dovecot with POP3."""
    running = DovecotServices(scratch / "pop3", certificates.good)
    with running.running():
        yield running


@contextmanager
def connected(server: DovecotServices) -> Generator[Pop3Wire, None, None]:
    """Connect and ask what the server can do."""
    with Pop3Wire(tcp(server.pop3_port)) as wire:
        wire.expect(Greeted)
        wire.ask(Capa())
        yield wire


@contextmanager
def logged_in(server: DovecotServices, user: str) -> Generator[Pop3Wire, None, None]:
    """Log in by USER and PASS, and ask again what the server can do."""
    with connected(server) as wire:
        assert positive(wire, User(user.encode()))
        assert positive(wire, Pass(Secret(server.password.encode())))
        wire.ask(Capa())
        yield wire


def told(wire: Pop3Wire, command: Command) -> list[Event]:
    """Ask what has to succeed; return what came before the reply was over."""
    events, done = wire.ask(command)
    assert done.positive, done
    return events


def positive(wire: Pop3Wire, command: Command) -> bool:
    _, done = wire.ask(command)
    return done.positive


def filled(server: DovecotServices, *messages: bytes) -> str:
    """Return a new user whose mailbox holds these messages."""
    user = server.new_user()
    for message in messages:
        server.deliver(user, message)
    return user


def credentials(server: DovecotServices, user: str) -> Credentials:
    return Credentials(user.encode(), Secret(server.password.encode()))


def test_the_greeting_and_capa_tell_what_there_is(server: DovecotServices) -> None:
    with Pop3Wire(tcp(server.pop3_port)) as wire:
        greeting = wire.expect(Greeted)
        assert greeting.timestamp
        assert greeting.timestamp.startswith(b"<")
        [capabilities] = told(wire, Capa())
    assert isinstance(capabilities, Capabilities)
    names = dict(capabilities.names)
    assert {b"TOP", b"UIDL", b"STLS", b"PIPELINING", b"RESP-CODES"} <= names.keys()
    assert b"SCRAM-SHA-256" in names[b"SASL"].split()


def test_a_whole_session_reads_lists_and_deletes(server: DovecotServices) -> None:
    user = filled(server, simple(1), leading_dots(), simple(3))
    sizes = [len(simple(1)), len(leading_dots()), len(simple(3))]
    with logged_in(server, user) as wire:
        assert told(wire, Stat()) == [Counted(3, sum(sizes))]
        assert told(wire, List()) == [Listed(n, size) for n, size in enumerate(sizes, 1)]
        assert told(wire, List(2)) == [Listed(2, sizes[1])]
        uids = told(wire, Uidl())
        assert [uid.number for uid in uids if isinstance(uid, UniqueId)] == [1, 2, 3]
        assert told(wire, Uidl(3)) == uids[2:]
        text = told(wire, Retrieve(2))
        assert text[0] == BodyStart(2)
        assert joined(text, BodyChunk) == leading_dots()
        assert positive(wire, Delete(2))
        assert positive(wire, Noop())
        assert not positive(wire, Retrieve(2))
        assert positive(wire, Quit())
        assert wire.event() == Closed()
    assert server.messages(user) == [simple(1), simple(3)]


def test_reset_takes_deletions_back(server: DovecotServices) -> None:
    user = filled(server, simple(1), simple(2))
    with logged_in(server, user) as wire:
        assert positive(wire, Delete(1))
        assert told(wire, Stat()) == [Counted(1, len(simple(2)))]
        assert not positive(wire, List(1))
        assert positive(wire, Reset())
        assert told(wire, List(1)) == [Listed(1, len(simple(1)))]
        assert positive(wire, Quit())
    assert server.messages(user) == [simple(1), simple(2)]


def test_without_quit_nothing_is_deleted(server: DovecotServices) -> None:
    user = filled(server, simple(1))
    with logged_in(server, user) as wire:
        assert positive(wire, Delete(1))
    with logged_in(server, user) as wire:
        assert told(wire, Stat()) == [Counted(1, len(simple(1)))]


def test_uids_stay_from_session_to_session(server: DovecotServices) -> None:
    user = filled(server, simple(1), simple(2))
    with logged_in(server, user) as wire:
        _, second = told(wire, Uidl())
        assert positive(wire, Delete(1))
        assert positive(wire, Quit())
    assert isinstance(second, UniqueId)
    with logged_in(server, user) as wire:
        assert told(wire, Uidl()) == [UniqueId(1, second.uid)]


def test_top_brings_the_header_and_so_many_lines(server: DovecotServices) -> None:
    header, _, _ = simple().partition(b"\r\n\r\n")
    with logged_in(server, filled(server, simple())) as wire:
        assert joined(told(wire, Top(1, 0)), BodyChunk) == header + b"\r\n\r\n"
        assert joined(told(wire, Top(1, 1)), BodyChunk) == header + b"\r\n\r\nHello Bob,\r\n"


@pytest.mark.parametrize("name", CORPUS)
def test_every_message_of_the_corpus_comes_octet_for_octet(
    server: DovecotServices, name: str
) -> None:
    message = CORPUS[name]()
    with logged_in(server, filled(server, message)) as wire:
        text = joined(told(wire, Retrieve(1)), BodyChunk)
    # POP3 cannot say that the last line has no end (RFC 1939, section 3).
    assert text == (message if message.endswith(b"\r\n") else message + b"\r\n")


def test_a_pipelined_session_is_answered_in_order(server: DovecotServices) -> None:
    numbers = range(1, 31)
    messages = [simple(number) for number in numbers]
    user = filled(server, *messages)
    commands: list[Command] = [Stat(), *map(Retrieve, numbers), *map(Delete, numbers[::2]), Quit()]
    with logged_in(server, user) as wire:
        assert b"PIPELINING" in wire.client.capabilities
        wire.send(*commands)
        answers = [wire.answer() for _ in commands]
        assert wire.event() == Closed()
    assert [done.command for _, done in answers] == commands
    assert all(done.positive for _, done in answers)
    assert [joined(text, BodyChunk) for text, _ in answers[1:31]] == messages
    assert server.messages(user) == messages[1::2]


def test_inside_tls_the_server_is_asked_again_and_offers_no_stls(
    server: DovecotServices, certificates: Certificates
) -> None:
    user = filled(server, simple())
    trust = ssl.create_default_context(cafile=str(certificates.authority))
    with connected(server) as wire:
        assert b"STLS" in wire.client.capabilities
        wire.send(StartTls())
        wire.expect(TlsReady)
        wire.shake_hands(trust, "localhost")
        assert wire.client.capabilities == {}
        told(wire, Capa())
        assert b"STLS" not in wire.client.capabilities
        assert positive(wire, User(user.encode()))
        assert positive(wire, Pass(Secret(server.password.encode())))
        assert joined(told(wire, Retrieve(1)), BodyChunk) == simple()
        assert positive(wire, Quit())


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-256"])
def test_every_mechanism_opens_the_maildrop(server: DovecotServices, mechanism: bytes) -> None:
    user = filled(server, simple())
    exchange = make_client(mechanism, credentials(server, user), nonce=NONCE)
    with connected(server) as wire:
        assert mechanism in wire.client.capabilities[b"SASL"]
        done = authenticate(wire, exchange, Completed)
        assert done.positive
        exchange.finish()
        assert told(wire, Stat()) == [Counted(1, len(simple()))]


def test_apop_proves_the_password_without_saying_it(server: DovecotServices) -> None:
    user = filled(server, simple())
    with connected(server) as wire:
        assert positive(wire, Apop(user.encode(), Secret(server.password.encode())))
        assert told(wire, Stat()) == [Counted(1, len(simple()))]


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"CRAM-MD5", b"SCRAM-SHA-256"])
def test_a_wrong_password_is_known_for_one(server: DovecotServices, mechanism: bytes) -> None:
    wrong = Credentials(server.new_user().encode(), Secret(b"wrong"))
    with connected(server) as wire:
        done = authenticate(wire, make_client(mechanism, wrong, nonce=NONCE), Completed)
        assert not done.positive
        assert done.code is ResponseCode.AUTH
        # The connection is good for another try.
        told(wire, Capa())


def test_a_wrong_password_behind_pass_leaves_a_second_try(server: DovecotServices) -> None:
    user = filled(server, simple())
    with connected(server) as wire:
        assert positive(wire, User(user.encode()))
        _, done = wire.ask(Pass(Secret(b"wrong")))
        assert (done.positive, done.code) == (False, ResponseCode.AUTH)
        assert positive(wire, User(user.encode()))
        assert positive(wire, Pass(Secret(server.password.encode())))


def test_a_cancelled_authentication_is_refused(server: DovecotServices) -> None:
    with connected(server) as wire:
        wire.send(Authenticate(b"CRAM-MD5"))
        wire.expect(Challenge)
        wire.send(CancelAuthentication())
        assert not wire.expect(Completed).positive


def test_messages_that_are_not_there_are_refused_one_by_one(server: DovecotServices) -> None:
    absent: list[Command] = [Retrieve(9), Top(9, 0), List(9), Uidl(9), Delete(9)]
    with logged_in(server, filled(server, simple())) as wire:
        wire.send(*absent, Stat())
        refusals = [wire.answer() for _ in absent]
        assert [(told, done.positive) for told, done in refusals] == [([], False)] * len(absent)
        assert wire.answer()[0] == [Counted(1, len(simple()))]


def test_an_empty_maildrop_has_empty_lists(server: DovecotServices) -> None:
    with logged_in(server, filled(server)) as wire:
        assert told(wire, Stat()) == [Counted(0, 0)]
        assert told(wire, List()) == []
        assert told(wire, Uidl()) == []


@pytest.mark.parametrize("command", [Lang(), Utf8()])
def test_what_a_server_does_not_know_is_refused_and_no_more(
    server: DovecotServices, command: Command
) -> None:
    with connected(server) as wire:
        assert not positive(wire, command)
        assert positive(wire, Capa())
