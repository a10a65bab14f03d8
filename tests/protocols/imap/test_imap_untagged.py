"""Every untagged response becomes the right event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.imap.commands import UidSearch
from mailhaul.protocols.imap.events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Completed,
    Condition,
    Enabled,
    Event,
    Exists,
    Fetched,
    Flags,
    Found,
    FoundInShort,
    Identified,
    Listed,
    MailboxStatus,
    NamespaceEntry,
    Namespaces,
    Quota,
    Unknown,
    Vanished,
)
from mailhaul.protocols.imap.values import Atom, Text

from .imap_clients import feed, hear, selected

ANSWERS: list[tuple[bytes, Event]] = [
    (b"* FLAGS (\\Seen $Junk)", Flags((b"\\Seen", b"$Junk"))),
    (b"* SEARCH", Found(())),
    (b"* search 5 7", Found((5, 7))),
    (b"* SEARCH 5 7 (MODSEQ 917)", Found((5, 7), 917)),
    (b"* ESEARCH", FoundInShort()),
    (b'* ESEARCH (TAG "A2") UID COUNT 0', FoundInShort(b"A2", True, count=0)),
    (
        b'* ESEARCH (TAG "A2") UID MIN 3 MAX 9 COUNT 2 ALL 3,9 MODSEQ 12',
        FoundInShort(b"A2", True, 3, 9, 2, b"3,9", None, 12),
    ),
    (b"* ESEARCH MIN 3", FoundInShort(lowest=3)),
    (b"* ESEARCH UID PARTIAL (-1:-2 4:5)", FoundInShort(uid=True, partial=(b"-1:-2", b"4:5"))),
    (b"* ESEARCH PARTIAL (1:2 NIL)", FoundInShort(partial=(b"1:2", None))),
    (b"* ESEARCH X-NEW (a b) COUNT 1", FoundInShort(count=1)),
    (b"* VANISHED 3:5,9", Vanished(b"3:5,9")),
    (b"* VANISHED (EARLIER) 3", Vanished(b"3", earlier=True)),
    (b'* LIST (\\HasNoChildren) "/" INBOX', Listed(b"INBOX", b"/", (b"\\HasNoChildren",))),
    (b'* LIST () NIL "a b"', Listed(b"a b")),
    (b'* LIST () "\\\\" "a\\"b"', Listed(b'a"b', b"\\")),
    (b'* LIST () "/" {3}\r\na\r\n', Listed(b"a\r\n", b"/")),
    (b"* LIST () NIL NIL", Listed(b"NIL")),
    (b'* LSUB (\\Noselect) "." x', Listed(b"x", b".", (b"\\Noselect",), lsub=True)),
    (
        b'* LIST () "/" "Foo" ("CHILDINFO" ("SUBSCRIBED"))',
        Listed(b"Foo", b"/", extended=((b"CHILDINFO", [Text(b"SUBSCRIBED")]),)),
    ),
    (
        b"* STATUS x (MESSAGES 3 uidnext 9 HIGHESTMODSEQ 7011231777 MAILBOXID (F1))",
        MailboxStatus(
            b"x",
            (
                (b"MESSAGES", 3),
                (b"UIDNEXT", 9),
                (b"HIGHESTMODSEQ", 7011231777),
                (b"MAILBOXID", b"F1"),
            ),
        ),
    ),
    (b"* STATUS {1}\r\nx (APPENDLIMIT NIL)", MailboxStatus(b"x", ())),
    (
        b'* NAMESPACE (("" "/")("#x." ".")) NIL (("#public/" NIL))',
        Namespaces(
            (NamespaceEntry(b"", b"/"), NamespaceEntry(b"#x.", b".")),
            (),
            (NamespaceEntry(b"#public/", None),),
        ),
    ),
    (
        b'* QUOTA "" (STORAGE 10 512 message 3 4)',
        Quota(b"", ((b"STORAGE", 10, 512), (b"MESSAGE", 3, 4))),
    ),
    (b'* QUOTA "User quota" ()', Quota(b"User quota")),
    (b"* QUOTA root (STORAGE 10 512 X)", Quota(b"root", ((b"STORAGE", 10, 512),))),
    (b"* QUOTA root (STORAGE ten 512)", Quota(b"root")),
    (b"* QUOTA (STORAGE 10 512)", Unknown(b"QUOTA")),
    (b'* NAMESPACE (("" "/" "X-PARAM" ("a"))) NIL NIL', Namespaces((NamespaceEntry(b"", b"/"),))),
    (b"* ID NIL", Identified()),
    (b'* ID ("name" "Dovecot" "os" NIL)', Identified(((b"NAME", b"Dovecot"), (b"OS", None)))),
    (b"* ENABLED qresync", Enabled(frozenset({b"QRESYNC"}))),
    (b"* ENABLED", Enabled(frozenset())),
    (b"* XSOMETHING (((", Unknown(b"XSOMETHING")),
    (b"* 5 XNEW", Unknown(b"XNEW")),
]


@pytest.mark.parametrize(("line", "event"), ANSWERS, ids=lambda value: str(value)[:50])
def test_a_response_becomes_an_event(line: bytes, event: Event) -> None:
    assert hear(selected(), line) == [event]


@pytest.mark.parametrize(("line", "event"), ANSWERS, ids=lambda value: str(value)[:50])
def test_it_becomes_the_same_byte_by_byte(line: bytes, event: Event) -> None:
    data = line + b"\r\n"
    assert feed(selected(), [data[i : i + 1] for i in range(len(data))]) == [event]


def test_enabled_names_several_extensions() -> None:
    enabled = Enabled(frozenset({b"CONDSTORE", b"QRESYNC"}))
    assert hear(selected(), b"* ENABLED condstore QRESYNC") == [enabled]


@pytest.mark.parametrize(
    "line",
    [
        b"* LIST",
        b"* LIST () x",
        b'* LIST "/" () x',
        b'* LIST () "/" (x)',
        b"* LSUB (x",
        b"* STATUS x",
        b"* STATUS (x) ()",
        b"* NAMESPACE NIL NIL",
        b"* NAMESPACE (()) NIL NIL",
        b"* NAMESPACE (x) NIL NIL",
        b"* ID",
        b"* ID x",
        b"* ID (",
        b"* STATUS x (MESSAGES 1))",
        b'* LIST () "/" "x',
        b"* SEARCH 123456789012345678901",
        b"* 123456789012345678901 EXISTS",
    ],
)
def test_an_answer_that_cannot_be_read_is_a_fault(line: bytes) -> None:
    client = selected()
    client.send(UidSearch(b"ALL"))
    with pytest.raises(RemoteProtocolError):
        hear(client, line)
    assert client.state == "error"


def test_other_items_are_returned_as_parsed() -> None:
    line = (
        b'* 1 FETCH (UID 5 X-GM-MSGID 1278455344230334865 X-GM-LABELS (\\Inbox "a b") EMAILID (M1)'
        b" MODSEQ (65402) THREADID NIL)"
    )
    (fetched,) = hear(selected(), line)
    assert isinstance(fetched, Fetched)
    assert (fetched.uid, fetched.modseq) == (5, 65402)
    assert fetched.others == (
        (b"X-GM-MSGID", Atom(b"1278455344230334865")),
        (b"X-GM-LABELS", [Atom(b"\\Inbox"), Text(b"a b")]),
        (b"EMAILID", [Atom(b"M1")]),
        (b"THREADID", None),
    )


@pytest.mark.parametrize(
    ("item", "start"),
    [
        (b"BODY[]", BodyStart(1, None, b"", 3)),
        (b"BODY[]<0>", BodyStart(1, None, b"", 3, b"", 0)),
        (b"BODY[1.TEXT]<4096>", BodyStart(1, None, b"1.TEXT", 3, b"", 4096)),
        (b"BINARY[1]", BodyStart(1, None, b"1", 3, b"", None, True)),
        (b"BINARY[1]<7>", BodyStart(1, None, b"1", 3, b"", 7, True)),
        (b"RFC822", BodyStart(1, None, b"", 3, b"RFC822")),
    ],
)
@pytest.mark.parametrize("form", [b"{3}\r\na\0b", b"~{3}\r\na\0b", b'"a\0b"'])
def test_message_text_in_every_form(item: bytes, start: BodyStart, form: bytes) -> None:
    assert hear(selected(), b"* 1 FETCH (%b %b)" % (item, form)) == [
        start,
        BodyChunk(b"a\0b"),
        BodyEnd(),
        Fetched(1),
    ]


@pytest.mark.parametrize("name", [b"ENVELOPE", b"BODY", b"BODY[", b"BODY[]<x>", b"BINARY.SIZE[1]"])
def test_what_only_looks_like_message_text_is_not_streamed(name: bytes) -> None:
    client = selected()
    try:
        events = hear(client, b'* 1 FETCH (%b "text")' % name)
    except RemoteProtocolError:
        assert name == b"BODY["
        return
    assert events == [Fetched(1, others=((name.upper(), Text(b"text")),))]


def test_the_set_that_a_search_found_may_be_long() -> None:
    client = selected()
    command = UidSearch(b"ALL", (b"ALL",))
    client.send(command)
    every = b",".join(b"%d" % uid for uid in range(1, 100_000, 2))
    assert hear(client, b'* ESEARCH (TAG "A0002") UID ALL ' + every, b"A0002 OK done") == [
        FoundInShort(b"A0002", True, every=every),
        Completed(command, Condition.OK, None, b"done"),
    ]


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_response_gives_events_or_a_fault_and_the_same_however_it_is_cut(
    noise: bytes, cut: int
) -> None:
    for start in (b"LIST ", b"STATUS x ", b"ESEARCH ", b"1 FETCH (", b"NAMESPACE ", b"ID ", b""):
        data = b"* " + start + noise + b"\r\n* 7 EXISTS\r\n"
        outcomes: list[object] = []
        for pieces in ([data], [data[:cut], data[cut:]]):
            try:
                outcomes.append(feed(selected(), pieces))
            except RemoteProtocolError as fault:
                outcomes.append(str(fault))
        assert outcomes[0] == outcomes[1]


def test_the_number_of_messages_is_reported() -> None:
    assert hear(selected(), b"* 23 exists") == [Exists(23)]
