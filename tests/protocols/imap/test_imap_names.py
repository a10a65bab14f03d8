"""Names of mailboxes, keywords and labels: brackets and NIL are allowed."""

from __future__ import annotations

import pytest

from mailhaul.protocols.imap.events import (
    Event,
    Fetched,
    Flags,
    Identified,
    Listed,
    MailboxStatus,
    NamespaceEntry,
    Namespaces,
)
from mailhaul.protocols.imap.values import Atom, Text, Value

from .imap_clients import hear, selected


@pytest.mark.parametrize(
    "name", [b"a[b", b"a]b", b"[a", b"a[b]c", b"[Gmail]/All", b"nil", b"NIL", b"BODY["]
)
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_mailbox_has_the_name_that_the_server_uses(name: bytes, quote: bytes) -> None:
    word = quote + name + quote
    assert hear(selected(), b'* LIST (\\HasNoChildren) "/" ' + word) == [
        Listed(name, b"/", (b"\\HasNoChildren",))
    ]
    assert hear(selected(), b"* LSUB () NIL " + word) == [Listed(name, None, (), True)]
    assert hear(selected(), b"* STATUS " + word + b" (MESSAGES 3)") == [
        MailboxStatus(name, ((b"MESSAGES", 3),))
    ]


def test_the_old_name_of_a_mailbox_may_be_nil_too() -> None:
    (listed,) = hear(selected(), b'* LIST () "/" new ("OLDNAME" (nil))')
    assert isinstance(listed, Listed)
    assert listed.extended == ((b"OLDNAME", [Atom(b"nil")]),)


@pytest.mark.parametrize("line", [b"a[b", b"QUOTAROOT a[b nil", b"QUOTA a[b (STORAGE 1 2)"])
def test_unknown_responses_may_contain_any_name(line: bytes) -> None:
    (event,) = hear(selected(), b"* " + line)
    assert event


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b'* NAMESPACE (("a[b" "/")) nil NIL',
            Namespaces((NamespaceEntry(b"a[b", b"/"),)),
        ),
        (
            b'* NAMESPACE ((nil "/")("" nil)) NIL NIL',
            Namespaces((NamespaceEntry(b"", b"/"), NamespaceEntry(b"", None))),
        ),
        (b"* ID nil", Identified()),
        (b'* ID ("name" "NIL" "version" NIL)', Identified(((b"NAME", b"NIL"), (b"VERSION", None)))),
        (b"* FLAGS (a[b nil \\Seen)", Flags((b"a[b", b"nil", b"\\Seen"))),
    ],
)
def test_nil_is_distinguished_from_a_name(line: bytes, expected: Event) -> None:
    assert hear(selected(), line) == [expected]


def test_keywords_and_labels_of_a_message_may_be_called_anything() -> None:
    line = b"* 1 FETCH (FLAGS (a[b nil \\Seen) X-GM-LABELS (c[d NIL) UID 5)"
    labels: list[Value] = [Atom(b"c[d"), Atom(b"NIL")]
    assert hear(selected(), line) == [
        Fetched(1, 5, None, (b"a[b", b"nil", b"\\Seen"), others=((b"X-GM-LABELS", labels),))
    ]


def test_a_section_in_a_fetch_response_keeps_its_spaces() -> None:
    line = b'* 1 FETCH (FLAGS (a[b) BODY[HEADER.FIELDS (TO "X[Y")]<0> "x" UID 5)'
    *_, event = hear(selected(), line)
    assert event == Fetched(1, 5, None, (b"a[b",))


def test_nil_in_an_envelope_is_nothing() -> None:
    (event,) = hear(selected(), b'* 1 FETCH (UID 5 X-ENV ("a" NIL (nil)))')
    assert isinstance(event, Fetched)
    assert event.others == ((b"X-ENV", [Text(b"a"), None, [None]]),)
