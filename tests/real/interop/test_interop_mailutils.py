"""The IMAP and POP3 clients and GNU Mailutils 3.15, which goes its own ways in places."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailhaul.protocols.imap.commands import (
    Append,
    AskStatus,
    Copy,
    CreateMailbox,
    Done,
    Expunge,
    Fetch,
    Id,
    Idle,
    ListMailboxes,
    Login,
    Logout,
    Namespace,
    Noop,
    Search,
    Select,
    UidFetch,
    UidSearch,
    UidStore,
    Unselect,
)
from mailhaul.protocols.imap.events import (
    BodyChunk,
    BodyStart,
    Completed,
    Condition,
    Exists,
    Expunged,
    Found,
    Greeted,
    Idling,
    Listed,
    MailboxStatus,
    NamespaceEntry,
    Namespaces,
)
from mailhaul.protocols.imap.events import Closed as ImapClosed
from mailhaul.protocols.imap.structure import Address, read_body, read_envelope
from mailhaul.protocols.pop3 import commands as pop3
from mailhaul.protocols.pop3 import events as pop3_events
from mailhaul.protocols.pop3.events import Counted, ResponseCode, UniqueId
from mailhaul.protocols.sasl.choose import make_client
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.secret import Secret

from ..corpus import CORPUS, leading_dots, simple, unix
from ..servers.mailutils import Mailutils
from .clients import ImapWire, Pop3Wire
from .imap_sessions import append, fetched
from .wire import authenticate, joined

pytestmark = pytest.mark.real

NONCE = b"as-good-as-random-for-a-test"
TWO_PARTS = (
    b"From: Ann Sender <ann@example.net>\r\nTo: bob@example.org\r\nSubject: two parts\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n"
    b"--cut\r\nContent-Type: text/plain\r\n\r\none\r\n"
    b"--cut\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>two\r\n--cut--\r\n"
)


@pytest.fixture(scope="module")
def mailutils(scratch: Path) -> Mailutils:
    """Mailutils with a place for its users."""
    return Mailutils(scratch / "mailutils")


def filled(mailutils: Mailutils, *messages: bytes) -> str:
    """Return a new user whose mailbox holds these messages, as programs keep them on disk."""
    user = mailutils.new_user()
    for message in messages:
        mailutils.mailbox(user).deliver(unix(message))
    return user


@contextmanager
def greeted(mailutils: Mailutils) -> Generator[ImapWire, None, None]:
    with mailutils.imap4d() as stream, ImapWire(stream) as wire:
        wire.until(Greeted)
        yield wire


@contextmanager
def in_inbox(mailutils: Mailutils, *messages: bytes) -> Generator[ImapWire, None, None]:
    """Log in as a new user whose inbox holds these messages, and open it."""
    user = filled(mailutils, *messages)
    with greeted(mailutils) as wire:
        wire.told(Login(user.encode(), Secret(mailutils.password.encode())))
        wire.told(Select(b"INBOX"))
        yield wire


# imap4d


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-256"])
def test_imap4d_takes_every_mechanism(mailutils: Mailutils, mechanism: bytes) -> None:
    credentials = Credentials(filled(mailutils).encode(), Secret(mailutils.password.encode()))
    exchange = make_client(mechanism, credentials, nonce=NONCE)
    with greeted(mailutils) as wire:
        done = authenticate(wire, exchange, Completed)
        assert done.condition is Condition.OK
        exchange.finish()
        wire.told(Select(b"INBOX"))


def test_imap4d_refuses_a_wrong_password(mailutils: Mailutils) -> None:
    with greeted(mailutils) as wire:
        _, done = wire.ask(Login(mailutils.new_user().encode(), Secret(b"wrong")))
        assert done.condition is Condition.NO
        wire.told(Noop())


# Of a header that is not followed by a blank line imap4d 3.15 shows nothing, as an empty message.
@pytest.mark.parametrize("name", sorted(CORPUS.keys() - {"header_only"}))
def test_imap4d_hands_over_what_it_has(mailutils: Mailutils, name: str) -> None:
    message = CORPUS[name]()
    with in_inbox(mailutils, message) as wire:
        told = wire.told(UidFetch(b"1:*", b"(UID RFC822.SIZE BODY.PEEK[])"))
        wire.told(Noop())
    assert joined(told, BodyChunk) == message
    [one] = fetched(told)
    assert (one.uid, one.size) == (1, len(message))


def test_imap4d_describes_messages(mailutils: Mailutils) -> None:
    with in_inbox(mailutils, simple(), TWO_PARTS) as wire:
        first, second = fetched(wire.told(Fetch(b"1:2", b"(FLAGS ENVELOPE BODYSTRUCTURE)")))
    envelope = read_envelope(dict(first.others)[b"ENVELOPE"])
    assert envelope.subject == b"simple"
    assert envelope.from_ == (Address(b"Ann Sender", None, b"ann", b"example.net"),)
    parts = read_body(dict(second.others)[b"BODYSTRUCTURE"]).parts
    assert [part.subtype for part in parts] == [b"plain", b"html"]
    assert parts[1].parameters == ((b"charset", b"utf-8"),)


def test_imap4d_cuts_partial_texts_and_headers(mailutils: Mailutils) -> None:
    items = b"(BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[]<5.9>)"
    with in_inbox(mailutils, simple()) as wire:
        told = wire.told(UidFetch(b"1", items))
    starts = [event for event in told if isinstance(event, BodyStart)]
    assert [(start.section, start.origin) for start in starts] == [
        (b"HEADER.FIELDS (SUBJECT)", None),
        (b"", 5),
    ]
    # It writes the name of the field as it was asked for.
    assert joined(told, BodyChunk) == b"SUBJECT: simple\r\n\r\n" + simple()[5:14]


def test_imap4d_says_expunged_where_the_rfc_says_expunge(mailutils: Mailutils) -> None:
    with in_inbox(mailutils, simple(1), simple(2), simple(3)) as wire:
        wire.told(UidStore(b"2", b"+FLAGS", b"(\\Deleted)"))
        told = wire.told(Expunge())
        assert Expunged(2) in told
        assert Found((1, 3)) in wire.told(UidSearch(b"ALL"))


def test_imap4d_lists_without_a_hierarchy(mailutils: Mailutils) -> None:
    with in_inbox(mailutils, simple()) as wire:
        assert wire.told(Namespace()) == [Namespaces((NamespaceEntry(b"", b"/"),))]
        names = [event for event in wire.told(ListMailboxes()) if isinstance(event, Listed)]
        assert names == [Listed(b"INBOX", None, (b"\\NoInferiors",))]
        [status] = wire.told(AskStatus(b"INBOX", (b"MESSAGES", b"UNSEEN")))
        assert status == MailboxStatus(b"INBOX", ((b"MESSAGES", 1), (b"UNSEEN", 1)))


def test_imap4d_takes_messages_and_copies_them(mailutils: Mailutils) -> None:
    with in_inbox(mailutils) as wire:
        command = Append(b"INBOX", len(leading_dots()), (b"\\Seen",))
        pieces = [leading_dots()[:50], leading_dots()[50:]]
        assert append(wire, command, pieces).condition is Condition.OK
        wire.told(CreateMailbox(b"kept"))
        wire.told(Select(b"INBOX"))
        assert joined(wire.told(UidFetch(b"1", b"(BODY.PEEK[])")), BodyChunk) == leading_dots()
        wire.told(Copy(b"1", b"kept"))
        assert Exists(1) in wire.told(Select(b"kept"))


def test_imap4d_waits_for_news_until_done(mailutils: Mailutils) -> None:
    with in_inbox(mailutils, simple()) as wire:
        wire.told(Id(((b"name", b"mailhaul"),)))
        wire.send(Idle())
        wire.until(Idling)
        wire.send(Done())
        assert wire.answer()[1].condition is Condition.OK
        assert Found((1,)) in wire.told(Search(b"UNSEEN"))
        wire.told(Unselect())
        wire.told(Logout())
        assert wire.event() == ImapClosed()


# pop3d


@contextmanager
def maildrop(mailutils: Mailutils, user: str) -> Generator[Pop3Wire, None, None]:
    """Log in at pop3d."""
    with mailutils.pop3d() as stream, Pop3Wire(stream) as wire:
        wire.expect(pop3_events.Greeted)
        told(wire, pop3.Capa())
        told(wire, pop3.User(user.encode()))
        told(wire, pop3.Pass(Secret(mailutils.password.encode())))
        told(wire, pop3.Capa())
        yield wire


def told(wire: Pop3Wire, command: pop3.Command) -> list[pop3_events.Event]:
    """Ask what has to succeed; return what came before the reply was over."""
    events, done = wire.ask(command)
    assert done.positive, done
    return events


def test_pop3d_lists_hands_over_and_deletes(mailutils: Mailutils) -> None:
    user = filled(mailutils, simple(1), simple(2), leading_dots())
    with maildrop(mailutils, user) as wire:
        sizes = [len(simple(1)), len(simple(2)), len(leading_dots())]
        assert told(wire, pop3.Stat()) == [Counted(3, sum(sizes))]
        assert told(wire, pop3.List(2)) == [pop3_events.Listed(2, sizes[1])]
        assert joined(told(wire, pop3.Retrieve(3)), pop3_events.BodyChunk) == leading_dots()
        header = simple().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        assert joined(told(wire, pop3.Top(1, 0)), pop3_events.BodyChunk) == header
        told(wire, pop3.Delete(1))
        assert not wire.ask(pop3.Retrieve(1))[1].positive
        told(wire, pop3.Reset())
        told(wire, pop3.Delete(2))
        told(wire, pop3.Quit())
        assert wire.event() == pop3_events.Closed()
    left = mailutils.mailbox(user).messages()
    assert sorted(left) == sorted([unix(simple(1)), unix(leading_dots())])


def test_pop3d_makes_messages_longer_by_naming_them(mailutils: Mailutils) -> None:
    """UIDL puts a field into every message, and LIST tells other sizes from then on."""
    user = filled(mailutils, simple())
    with maildrop(mailutils, user) as wire:
        assert told(wire, pop3.List()) == [pop3_events.Listed(1, len(simple()))]
        [named] = told(wire, pop3.Uidl())
        assert isinstance(named, UniqueId)
        text = joined(told(wire, pop3.Retrieve(1)), pop3_events.BodyChunk)
        assert b"\r\nX-UIDL: " + named.uid + b"\r\n" in text
        assert told(wire, pop3.List(1)) == [pop3_events.Listed(1, len(text))]
        told(wire, pop3.Quit())
    with maildrop(mailutils, user) as wire:
        assert told(wire, pop3.Uidl(1)) == [named]


def test_pop3d_is_read_although_it_forgets_a_blank(mailutils: Mailutils) -> None:
    """It announces EXPIRENEVER, one word, for EXPIRE NEVER (RFC 2449, section 6.7)."""
    with maildrop(mailutils, filled(mailutils)) as wire:
        assert wire.client.capabilities.keys() >= {b"TOP", b"UIDL", b"EXPIRENEVER"}
        assert told(wire, pop3.List()) == []


def test_pop3d_answers_in_order_what_is_pipelined(mailutils: Mailutils) -> None:
    messages = [simple(number) for number in range(1, 6)]
    user = filled(mailutils, *messages)
    with maildrop(mailutils, user) as wire:
        assert b"PIPELINING" in wire.client.capabilities
        commands: list[pop3.Command] = [*(pop3.Retrieve(n) for n in range(1, 6)), pop3.Quit()]
        wire.send(*commands)
        answers = [wire.answer() for _ in commands]
    assert [done.command for _, done in answers] == commands
    assert [joined(text, pop3_events.BodyChunk) for text, _ in answers[:5]] == messages


def test_pop3d_tells_a_wrong_password_from_other_trouble(mailutils: Mailutils) -> None:
    with mailutils.pop3d() as stream, Pop3Wire(stream) as wire:
        greeting = wire.expect(pop3_events.Greeted)
        # Mailutils 3.19 no longer has one.
        assert (greeting.timestamp is not None) == (b"<" in greeting.text)
        told(wire, pop3.User(mailutils.new_user().encode()))
        _, done = wire.ask(pop3.Pass(Secret(b"wrong")))
        assert (done.positive, done.code) == (False, ResponseCode.AUTH)
