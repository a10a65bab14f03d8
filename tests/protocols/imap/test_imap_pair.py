"""The IMAP client and the IMAP server, connected in memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import (
    Capability,
    CloseMailbox,
    Command,
    Expunge,
    Fetch,
    Heard,
    Login,
    Logout,
    Noop,
    Search,
    Select,
    StartTls,
    Store,
    UidExpunge,
    UidFetch,
    UidSearch,
    UidStore,
)
from mailhaul.protocols.imap.events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Capabilities,
    Closed,
    Code,
    Completed,
    Condition,
    Event,
    Exists,
    Expunged,
    Fetched,
    Flags,
    Found,
    Greeted,
    Recent,
    SaidBye,
    Status,
    TlsReady,
)
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.secret import Secret

OK = Condition.OK
ONE_UID = UidFetch(b"5", b"(UID BODY.PEEK[])")


class Pair:
    """Both machines and their connection; ``cut`` transfers bytes one by one."""

    def __init__(self, greeting: Greeted, *, cut: bool = False) -> None:
        self.client = ImapClient()
        self.server = ImapServer()
        self.cut = cut
        self.server.send(greeting)
        self.seen: list[Event] = []
        self.heard: list[Heard | Closed] = []
        self.carry()

    def carry(self) -> None:
        """Transfer bytes in both directions until there are no more."""
        while (out := b"".join(self.client.data_to_send())) or self.server.unsent:
            self._to_server(out)
            self._to_client(b"".join(self.server.data_to_send()))

    def ask(self, command: Command, *answers: Event) -> list[Event]:
        """Send a command; return the client's events for these replies."""
        self.seen.clear()
        self.client.send(command)
        self.carry()
        for event in answers:
            self.server.send(event)
        self.carry()
        return self.seen

    def _to_server(self, data: bytes) -> None:
        for piece in self._pieces(data):
            self.server.receive_data(piece)
            while not isinstance(event := self.server.next_event(), NeedData):
                self.heard.append(event)

    def _to_client(self, data: bytes) -> None:
        for piece in self._pieces(data):
            self.client.receive_data(piece)
            while not isinstance(event := self.client.next_event(), NeedData):
                last = self.seen[-1] if self.seen else None
                if isinstance(event, BodyChunk) and isinstance(last, BodyChunk):
                    self.seen[-1] = BodyChunk(last.data + event.data)
                else:
                    self.seen.append(event)

    def _pieces(self, data: bytes) -> list[bytes]:
        return [data[i : i + 1] for i in range(len(data))] if self.cut else [data]


def selected(*, cut: bool = False) -> Pair:
    pair = Pair(Greeted(True, None, b"hi"), cut=cut)
    pair.ask(Select(b"INBOX"), Completed(Select(b"INBOX"), OK))
    return pair


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("announced", [b"IMAP4REV1", b"IMAP4REV1 LITERAL+", b"IMAP4REV1 LITERAL-"])
@pytest.mark.parametrize(
    ("user", "password"), [("joe", "sesame"), ('j"oe', "se\\same"), ("jörg", "süß"), ("", "")]
)
def test_a_login_arrives_as_it_was_sent(
    user: str, password: str, announced: bytes, cut: bool
) -> None:
    pair = Pair(Greeted(False, Code(b"CAPABILITY", announced), b"hi"), cut=cut)
    command = Login(user.encode(), Secret(password.encode()))
    done = Completed(command, OK, Code(b"CAPABILITY", b"IMAP4REV1 UIDPLUS"), b"welcome")
    assert pair.ask(command, done) == [
        Capabilities(frozenset({b"IMAP4REV1", b"UIDPLUS"})),
        done,
    ]
    [heard] = pair.heard
    assert isinstance(heard, Login)
    assert (heard.user, heard.password.reveal()) == (user.encode(), password.encode())
    assert pair.client.state == pair.server.state == "authenticated"


@pytest.mark.parametrize(
    "command",
    [
        Capability(),
        Noop(),
        Logout(),
        Select(b"a b"),
        Select(b"Entw&APw-rfe", read_only=True),
        CloseMailbox(),
        Search(b"UNSEEN"),
        Fetch(b"1:3", b"(RFC822.SIZE)"),
        Store(b"1", b"+FLAGS", b"(\\Seen)"),
        UidSearch(b"UNSEEN UNDELETED"),
        ONE_UID,
        UidStore(b"1,3", b"+FLAGS.SILENT", b"(\\Deleted)"),
        UidExpunge(b"1:4"),
        Expunge(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_what_the_client_sends_is_what_the_server_hears(command: Command) -> None:
    pair = selected()
    pair.heard.clear()
    done = Completed(command, Condition.NO, Code(b"X", b"1 2"), b"no [really]")
    assert pair.ask(command, done) == [done]
    assert pair.heard == [command]


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "bytewise"])
def test_what_the_server_sends_is_what_the_client_sees(cut: bool) -> None:
    pair = selected(cut=cut)
    events: list[Event] = [
        Capabilities(frozenset({b"IMAP4REV1", b"UIDPLUS"})),
        Status(OK, Code(b"UIDNEXT", b"9"), b"next"),
        Status(Condition.BAD, None, b"odd {3}"),
        Flags((rb"\Seen",)),
        Exists(3),
        Recent(1),
        Expunged(2),
        Found((3, 1)),
        Found(()),
        BodyStart(1, 5, b"", 9),
        BodyChunk(b"a\r\n)\r\n{3}"),
        BodyEnd(),
        BodyStart(1, 5, b"HEADER", 0, b"RFC822.HEADER"),
        BodyEnd(),
        Fetched(1, 5, 9, (rb"\Seen",), b"01-Jan-2026 00:00:00 +0000"),
        Fetched(2, flags=()),
        Completed(ONE_UID, OK, None, b"done"),
    ]
    assert pair.ask(ONE_UID, *events) == events


def test_tls_is_agreed_on_and_announced_anew() -> None:
    pair = Pair(Greeted(False, Code(b"CAPABILITY", b"STARTTLS"), b"hi"))
    assert pair.ask(StartTls(), TlsReady(StartTls())) == [TlsReady(StartTls())]
    pair.client.tls_started()
    pair.server.tls_started()
    assert pair.client.capabilities == {}
    names = Capabilities(frozenset({b"IMAP4REV1"}))
    done = Completed(Capability(), OK, None, b"done")
    assert pair.ask(Capability(), names, done) == [names, done]


def test_a_logout_ends_both_sides_in_order() -> None:
    pair = selected()
    done = Completed(Logout(), OK, None, b"done")
    assert pair.ask(Logout(), SaidBye(None, b"bye"), done) == [SaidBye(None, b"bye"), done]
    pair.client.receive_eof()
    pair.server.receive_eof()
    assert pair.client.next_event() == Closed()
    assert pair.server.next_event() == Closed()


def test_commands_sent_together_are_answered_one_by_one() -> None:
    pair = selected()
    commands = [UidFetch(b"%d" % uid, b"(UID)") for uid in range(1, 4)]
    for command in commands:
        pair.client.send(command)
    pair.seen.clear()
    pair.carry()
    for command in commands:
        pair.server.send(Fetched(1, int(command.uids)))
        pair.server.send(Completed(command, OK, None, b"done"))
        assert isinstance(event := pair.server.next_event(), UidFetch | NeedData), event
    pair.carry()
    assert [e.command for e in pair.seen if isinstance(e, Completed)] == commands
    assert [e.uid for e in pair.seen if isinstance(e, Fetched)] == [1, 2, 3]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=5), st.booleans())
def test_any_text_arrives_octet_for_octet(texts: list[bytes], cut: bool) -> None:
    pair = selected(cut=cut)
    events: list[Event] = []
    for number, text in enumerate(texts, 1):
        chunk = [BodyChunk(text)] if text else []
        events += [
            BodyStart(number, number, b"", len(text)),
            *chunk,
            BodyEnd(),
            Fetched(number, number),
        ]
    events.append(Completed(ONE_UID, OK, None, b"done"))
    assert pair.ask(ONE_UID, *events) == events
