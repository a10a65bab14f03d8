"""Client and server agree on any valid sequence of commands and replies."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import (
    Append,
    AppendChunk,
    AppendEnd,
    AskStatus,
    Capability,
    CloseMailbox,
    Command,
    Compress,
    Copy,
    CreateMailbox,
    DeleteMailbox,
    Done,
    Enable,
    EventGroup,
    Expunge,
    Fetch,
    GetQuotaRoot,
    Id,
    Idle,
    ListMailboxes,
    ListSubscribed,
    Move,
    Namespace,
    Noop,
    Notify,
    Rename,
    Resync,
    Search,
    Select,
    Store,
    Subscribe,
    UidCopy,
    UidExpunge,
    UidFetch,
    UidMove,
    UidSearch,
    UidStore,
    Unselect,
    Unsubscribe,
)
from mailhaul.protocols.imap.events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Code,
    Completed,
    Condition,
    Enabled,
    Event,
    Exists,
    Expunged,
    Fetched,
    Found,
    FoundInShort,
    Greeted,
    Identified,
    Idling,
    Listed,
    MailboxStatus,
    NamespaceEntry,
    Namespaces,
    Quota,
    ReadyForText,
    Status,
    Vanished,
)
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.imap.values import Atom, Text
from mailhaul.protocols.machine import NeedData

ANNOUNCED = (b"IMAP4REV1", b"IMAP4REV1 LITERAL+", b"IMAP4REV1 LITERAL-")
NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & {0, 10, 13})
PATTERNS = st.lists(NAMES, min_size=1, max_size=2).map(tuple)
SETS = st.sampled_from([b"1", b"1:*", b"2,4:7", b"*"])
FLAGS = st.lists(st.sampled_from([rb"\Seen", b"$Junk"]), min_size=1, max_size=2).map(tuple)
NUMBERS = st.integers(1, 2**31)
WORDS = st.sampled_from([b"MIN", b"COUNT", b"ALL"])


def one_of(*kinds: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([kind() for kind in kinds])


EVENTS = st.sampled_from([(), (b"MailboxName",), (b"MessageNew", b"MessageExpunge")])
OTHERS = st.one_of(
    st.builds(EventGroup, st.just(b"INBOXES"), EVENTS),
    st.builds(EventGroup, st.sampled_from([b"MAILBOXES", b"SUBTREE"]), EVENTS, PATTERNS),
)
OPENED = st.one_of(
    st.builds(EventGroup, st.just(b"SELECTED-DELAYED"), EVENTS),
    st.builds(
        EventGroup,
        st.just(b"SELECTED"),
        st.just((b"MessageNew", b"MessageExpunge")),
        fetch=st.just((b"UID", b"BODY.PEEK[HEADER.FIELDS (From To)]")),
    ),
)
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    one_of(Capability, Noop, Id, Namespace, CloseMailbox, Unselect, Expunge, Compress),
    st.builds(Id, st.lists(st.tuples(NAMES, st.none() | NAMES), max_size=2).map(tuple)),
    st.builds(Enable, st.just((b"CONDSTORE", b"UTF8=ACCEPT"))),
    st.builds(Select, NAMES, st.booleans(), st.booleans()),
    st.builds(
        Select, NAMES, resync=st.builds(Resync, NUMBERS, NUMBERS, st.just(b"") | st.just(b"1:9"))
    ),
    st.builds(CreateMailbox, NAMES, st.sampled_from([(), (rb"\Sent",)])),
    *(st.builds(kind, NAMES) for kind in (DeleteMailbox, Subscribe, Unsubscribe, GetQuotaRoot)),
    st.builds(Rename, NAMES, NAMES),
    st.builds(
        ListMailboxes, st.just(b"") | NAMES, st.lists(NAMES, min_size=1, max_size=2).map(tuple)
    ),
    st.builds(
        ListMailboxes,
        st.just(b""),
        st.just((b"*",)),
        st.sampled_from([(), (b"SUBSCRIBED",)]),
        st.sampled_from([(), (b"CHILDREN", b"SUBSCRIBED")]),
        st.sampled_from([(), (b"MESSAGES", b"UIDNEXT")]),
    ),
    st.builds(ListSubscribed, st.just(b""), NAMES),
    st.builds(AskStatus, NAMES, st.just((b"MESSAGES",))),
    st.builds(
        Append,
        NAMES,
        st.integers(1, 5000),
        st.just(()) | FLAGS,
        st.none() | st.just(b"17-Jul-1996 02:44:25 -0700"),
        binary=st.booleans(),
    ),
    st.builds(Idle),
    st.just(Notify()),
    st.builds(Notify, st.tuples(OPENED), st.booleans()),
    st.builds(Notify, st.tuples(OTHERS, OPENED, OTHERS), st.booleans()),
    *(
        st.builds(kind, st.just(b"UNSEEN"), st.none() | st.lists(WORDS, max_size=2).map(tuple))
        for kind in (Search, UidSearch)
    ),
    *(
        st.builds(kind, SETS, st.just(b"(UID BODY[])"), st.just(b"") | st.just(b"CHANGEDSINCE 3"))
        for kind in (Fetch, UidFetch)
    ),
    *(
        st.builds(kind, SETS, st.just(b"+FLAGS"), st.just(rb"(\Seen)"), st.none() | NUMBERS)
        for kind in (Store, UidStore)
    ),
    *(st.builds(kind, SETS, NAMES) for kind in (Copy, Move, UidCopy, UidMove)),
    st.builds(UidExpunge, SETS),
)
TEXTS = st.binary(max_size=30)
CODES = st.none() | st.builds(Code, st.just(b"UIDNEXT"), st.just(b"7"))
NEWS: st.SearchStrategy[list[Event]] = st.one_of(
    st.builds(Exists, NUMBERS),
    st.builds(Expunged, NUMBERS),
    st.builds(Vanished, SETS.filter(lambda s: b"*" not in s), st.booleans()),
    st.builds(Found, st.lists(NUMBERS, max_size=3).map(tuple)),
    st.builds(FoundInShort, st.just(b"A1"), st.booleans(), NUMBERS, count=NUMBERS),
    st.builds(Listed, NAMES, st.just(b"/"), st.just(()) | FLAGS, st.booleans()),
    st.builds(MailboxStatus, NAMES, st.just(((b"MESSAGES", 3), (b"UIDNEXT", 9)))),
    st.builds(Quota, st.just(b"") | NAMES, st.just(((b"STORAGE", 10, 512), (b"MESSAGE", 3, 4)))),
    st.builds(Namespaces, st.just((NamespaceEntry(b"", b"/"),))),
    st.builds(Identified, st.lists(st.tuples(st.just(b"NAME"), NAMES), max_size=1).map(tuple)),
    st.builds(Enabled, st.just(frozenset({b"CONDSTORE"}))),
    st.builds(Status, st.sampled_from(Condition), CODES, st.just(b"so it is")),
    st.builds(
        Fetched,
        NUMBERS,
        st.none() | NUMBERS,
        NUMBERS,
        FLAGS,
        modseq=st.none() | NUMBERS,
        others=st.just(())
        | st.builds(lambda text: ((b"ENVELOPE", [Text(text), Atom(b"1")]),), NAMES),
    ),
).map(lambda event: [event])
FETCHES: st.SearchStrategy[list[Event]] = st.builds(
    lambda text, uid: [
        BodyStart(1, uid, b"", len(text)),
        *([BodyChunk(text)] if text else []),
        BodyEnd(),
        Fetched(1, uid, 9),
    ],
    TEXTS,
    st.none() | NUMBERS,
)


class Talk:
    """Both machines, the connection between them, and the events of each."""

    def __init__(self, announced: bytes, piece: int) -> None:
        self.client, self.server = ImapClient(), ImapServer()
        self.seen: list[Any] = []
        self.heard: list[Any] = []
        self._piece = piece
        self.server.send(Greeted(True, Code(b"CAPABILITY", announced), b"hi"))
        self.carry()
        self.seen.clear()

    def carry(self) -> None:
        """Transfer bytes in both directions, in pieces, until there are no more."""
        while self.client.unsent or self.server.unsent:
            for sender, taker, seen in (
                (self.client, self.server, self.heard),
                (self.server, self.client, self.seen),
            ):
                data = b"".join(sender.data_to_send())
                for place in range(0, len(data), self._piece):
                    taker.receive_data(data[place : place + self._piece])
                    self._pull(taker, seen)

    def _pull(self, machine: ImapClient | ImapServer, seen: list[Any]) -> None:
        while not isinstance(event := machine.next_event(), NeedData):
            last = seen[-1] if seen else None
            if isinstance(event, AppendChunk | BodyChunk) and type(event) is type(last):
                seen[-1] = type(event)(last.data + event.data)
            else:
                seen.append(event)

    def say(self, command: Command) -> None:
        """Send a command, and its message if it may follow without waiting."""
        self.client.send(command)
        self._pull(self.client, self.seen)
        if isinstance(command, Append) and self.seen:
            assert self.seen.pop() == ReadyForText(command)
            self.client.send(AppendChunk(b"m" * command.size))
        self.carry()
        assert self.heard.pop() == command

    def converse(self, command: Command) -> None:
        """Do the steps between a command and its reply."""
        if isinstance(command, Idle):
            self.server.send(Idling(command))
            self.carry()
            assert self.seen.pop() == Idling(command)
            self.client.send(Done())
            self.carry()
            assert self.heard.pop() == Done()
        elif isinstance(command, Append):
            self.server.send(ReadyForText(command))
            self._pull(self.server, self.heard)
            self.carry()
            message = b"m" * command.size
            if self.seen:
                assert self.seen.pop() == ReadyForText(command)
                self.client.send(AppendChunk(message))
                self.carry()
            assert self.heard == [AppendChunk(message), AppendEnd()]
            self.heard.clear()


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(ANNOUNCED),
    st.integers(1, 70),
    st.lists(
        st.tuples(
            COMMANDS,
            st.lists(NEWS | FETCHES, max_size=3),
            st.sampled_from([Condition.OK, Condition.OK, Condition.NO]),
            CODES,
        ),
        max_size=8,
    ),
)
def test_both_agree_on_any_legal_sequence(
    announced: bytes, piece: int, exchanges: list[tuple[Command, list[list[Event]], Any, Any]]
) -> None:
    talk = Talk(announced, piece)
    for command, groups, condition, code in exchanges:
        try:
            talk.say(command)
        except LocalProtocolError:
            # Not legal now, and so not said.
            assert not talk.client.unsent
            continue
        if condition is Condition.OK:
            talk.converse(command)
        expected: list[Event] = [event for group in groups for event in group]
        expected.append(Completed(command, condition, code, b"done"))
        for event in expected:
            talk.server.send(event)
        talk.carry()
        assert talk.seen == expected
        assert (talk.heard, talk.client.state) == ([], talk.server.state)
        talk.seen.clear()
