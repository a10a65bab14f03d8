"""The IMAP server parses search keys and data items."""

from __future__ import annotations

import pytest

from mailhaul.protocols.imap.arguments import BadSyntax
from mailhaul.servers.imap_queries import Refused, TextItem, read_items
from mailhaul.servers.imap_search import search
from mailhaul.servers.mailboxes import Mailbox
from mailhaul.servers.mime import split


def mailbox() -> Mailbox:
    """Return messages 1 to 4 of 10, 20, 30 and 40 octets: -, Seen, Deleted, Seen and Deleted."""
    box = Mailbox(b"x" * size for size in (10, 20, 30, 40))
    box.messages[1].flags = {rb"\Seen"}
    box.messages[2].flags = {rb"\Deleted"}
    box.messages[3].flags = {rb"\Seen", rb"\Deleted"}
    return box


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (b"ALL", [1, 2, 3, 4]),
        (b"UNSEEN", [1, 3]),
        (b"unseen Undeleted", [1]),
        (b"SEEN DELETED", [4]),
        (b"NOT SEEN", [1, 3]),
        (b"NOT NOT SEEN", [2, 4]),
        (b"NOT (SEEN DELETED)", [1, 2, 3]),
        (b"OR SEEN DELETED", [2, 3, 4]),
        (b"OR NOT SEEN UID 4", [1, 3, 4]),
        (b"(UNSEEN) (1:2)", [1]),
        (b"2:*", [2, 3, 4]),
        (b"*", [4]),
        (b"UID 2,9 SEEN", [2]),
        (b"LARGER 20", [3, 4]),
        (b"SMALLER 20", [1]),
        (b"NEW", []),
        (b"OLD ANSWERED", []),
        (b"UNFLAGGED UNDRAFT UNANSWERED", [1, 2, 3, 4]),
    ],
)
def test_the_result_of_a_search(criteria: bytes, expected: list[int]) -> None:
    assert [message.uid for _, message in search(criteria, mailbox())] == expected


@pytest.mark.parametrize(
    "criteria",
    [
        b"SINCE yesterday",
        b"SINCE 32-Jan-2026",
        b"SUBJECT",
        b"HEADER x",
        b"KEYWORD",
        b"MODSEQ x",
        b'"SEEN"',
        b"NOT",
        b"OR SEEN",
        b"UID",
        b"UID x",
        b"1:x",
        b"LARGER",
        b"LARGER x",
        b"()",
        b"(SEEN",
        b"SEEN)",
        b"UNUNSEEN",
        b"5",
        b"0",
        b"UID 0",
        b"SEEN  DELETED",
        b"SEEN ",
        b" SEEN",
        b"SUBJECT  x",
        b"SINCE 1-Jan-26",
        b'KEYWORD "x"',
        b"CHARSET UTF-8",
        b"X-OTHER",
    ],
)
def test_invalid_search_criteria_are_a_syntax_error(criteria: bytes) -> None:
    with pytest.raises(BadSyntax):
        search(criteria, mailbox())


@pytest.mark.parametrize(
    "criteria", [b"CHARSET KOI8-R ALL", b"NOT " * 20000 + b"SEEN", b"(" * 20000]
)
def test_unsupported_search_criteria_are_refused(criteria: bytes) -> None:
    with pytest.raises(Refused):
        search(criteria, mailbox())


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (b"SUBJECT NIL", [1]),
        (b"SUBJECT a[b", [1]),
        (b"HEADER Subject [b", [1]),
        (b"KEYWORD x[y", [1]),
        (b'SUBJECT "a\\"b"', []),
        ("CHARSET UTF-8 SUBJECT 	ÄPFEL".replace("	", '"').encode() + b'"', [2]),
        ('TEXT "äpfel"'.encode(), [2, 3]),
        ('BODY "äpfel"'.encode(), [3]),
        ('BODY "ÄPFEL UND"'.encode(), [3]),
        (b"BODY nothing", []),
    ],
)
def test_strings_in_a_search_are_equivalent_to_atoms(criteria: bytes, expected: list[int]) -> None:
    box = Mailbox(
        [
            b"Subject: nil a[b\r\n\r\nx\r\n",
            b"Subject: =?utf-8?Q?=C3=84pfel?=\r\n\r\nx\r\n",
            b"Content-Type: text/plain; charset=iso-8859-1\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\nxHBmZWwgdW5kIEJpcm5lbg==\r\n",
        ]
    )
    box.messages[0].flags = {b"X[y"}
    assert [message.uid for _, message in search(criteria, box)] == expected


def test_new_and_old_messages_are_found() -> None:
    box = mailbox()
    box.recent = {3, 4}
    assert [n for n, _ in search(b"RECENT", box)] == [3, 4]
    assert [n for n, _ in search(b"NEW", box)] == [3]
    assert [n for n, _ in search(b"OLD", box)] == [1, 2]


LETTER = (
    b"From: Ann <ann@example.net>\r\nSubject: Lunch\r\n on Friday\r\nX-Day: no\r\n"
    b"Date: Fri, 17 Jul 1996 02:44:25 -0700\r\n\r\nCome at twelve.\r\n"
)


def letters() -> Mailbox:
    """Return a message received on 20-Jul-1996, and a text without a header."""
    box = Mailbox([LETTER, b"\r\nnothing but Lunch\r\n"])
    box.messages[0].date = b"20-Jul-1996 10:00:00 +0000"
    box.messages[1].flags = {b"$Junk"}
    return box


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (b"SUBJECT lunch", [1]),
        (b'SUBJECT "lunch on"', [1]),
        (b"FROM ann@", [1]),
        (b"TO ann", []),
        (b'HEADER X-Day ""', [1]),
        (b"TEXT lunch", [1, 2]),
        (b"BODY lunch", [2]),
        (b"KEYWORD $junk", [2]),
        (b"UNKEYWORD $junk", [1]),
        (b"SENTON 17-Jul-1996", [1]),
        (b"SENTBEFORE 18-Jul-1996", [1]),
        (b"SENTSINCE 18-Jul-1996", []),
        (b"ON 20-Jul-1996", [1]),
        (b'SINCE "20-Jul-1996"', [1, 2]),
        (b"BEFORE 20-Jul-1996", []),
        (b"CHARSET UTF-8 SUBJECT Lunch", [1]),
        (b"MODSEQ 3", [2]),
        (b'MODSEQ "/flags/\\\\Seen" all 2', [1, 2]),
    ],
)
def test_the_result_of_a_search_in_message_text(criteria: bytes, expected: list[int]) -> None:
    assert [message.uid for _, message in search(criteria, letters())] == expected


WHOLE = TextItem(b"", True)


@pytest.mark.parametrize(
    ("items", "texts", "facts"),
    [
        (b"FLAGS", [], {b"FLAGS"}),
        (b"(uid Rfc822.Size)", [], {b"UID", b"RFC822.SIZE"}),
        (b"FAST", [], {b"FLAGS", b"RFC822.SIZE", b"INTERNALDATE"}),
        (b"BODY[]", [WHOLE], set()),
        (b"(UID BODY.PEEK[])", [TextItem(b"", False)], {b"UID"}),
        (b"BODY.PEEK[HEADER]", [TextItem(b"HEADER", False)], set()),
        (b"(body[header] body[text])", [TextItem(b"HEADER", True), TextItem(b"TEXT", True)], set()),
        (b"FULL", [], {b"FLAGS", b"RFC822.SIZE", b"INTERNALDATE", b"ENVELOPE", b"BODY"}),
        (b"BODY[1.2.MIME]", [TextItem(b"1.2.MIME", True)], set()),
        (b"BODY.PEEK[]<5.10>", [TextItem(b"", False, partial=(5, 10))], set()),
        (
            b"(BODY.PEEK[HEADER.FIELDS (To From)] MODSEQ)",
            [TextItem(b"HEADER.FIELDS (TO FROM)", False)],
            {b"MODSEQ"},
        ),
        (
            b'BODY[1.HEADER.FIELDS.NOT ("to" NIL "a b")]',
            [TextItem(b'1.HEADER.FIELDS.NOT (TO NIL "A B")', True)],
            set(),
        ),
        (b"RFC822", [TextItem(b"", True, b"RFC822")], set()),
        (b"RFC822.HEADER", [TextItem(b"HEADER", False, b"RFC822.HEADER")], set()),
        (b"RFC822.TEXT", [TextItem(b"TEXT", True, b"RFC822.TEXT")], set()),
    ],
)
def test_the_data_items_of_a_fetch(items: bytes, texts: list[TextItem], facts: set[bytes]) -> None:
    assert read_items(items) == (texts, frozenset(facts))


@pytest.mark.parametrize(
    "items",
    [
        b"BODY[MIME]",
        b"BODY[]<0>",
        b"BODY[HEADER.FIELDS]",
        b"BODY[1.]",
        b"BINARY[]",
        b'"FLAGS"',
        b"((FLAGS))",
        b"(FLAGS",
        b"(FAST)",
        b"()",
        b"(FLAGS  UID)",
        b"FLAGS UID",
        b"BODY[0]",
        b"BODY[1.0]",
        b"BODY[]<5.0>",
        b"BODY[HEADER.FIELDS ()]",
        b"BODY[HEADER.FIELDS(x)]",
        b"BODY[HEADER.MIME]",
        b"NIL",
        b"",
    ],
)
def test_unknown_data_items_are_a_syntax_error(items: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_items(items)


@pytest.mark.parametrize(
    ("text", "header", "rest"),
    [
        (b"A: b\r\n\r\ntext\r\n\r\n", b"A: b\r\n\r\n", b"text\r\n\r\n"),
        (b"A: b\r\n", b"A: b\r\n", b""),
        (b"", b"", b""),
    ],
)
def test_a_message_is_split_into_header_and_text(text: bytes, header: bytes, rest: bytes) -> None:
    assert split(text) == (header, rest)
