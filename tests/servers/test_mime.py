"""The MIME structure of messages for an IMAP client; octets stay unchanged."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mailhaul.servers.mime import Part, envelope_of, section_of, structure_of

NESTED = (
    b'Subject: outer\r\nContent-Type: multipart/mixed; boundary="a b"\r\n\r\n'
    b"preamble\r\n--a b\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
    b"--in\r\n\r\nplain\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>\r\n--in--\r\n"
    b"--a b\r\nContent-Disposition: attachment; filename=x.bin\r\n"
    b"Content-Transfer-Encoding: base64\r\nContent-Type: application/octet-stream\r\n\r\n"
    b"AAEC\r\n\r\n--a b--\r\nepilogue\r\n"
)


@pytest.mark.parametrize(
    ("section", "text"),
    [
        (b"1.1", b"plain"),
        (b"1.2", b"<p>"),
        (b"1.2.MIME", b"Content-Type: text/html\r\n\r\n"),
        (b"2", b"AAEC\r\n"),
        (b"3", None),
        (b"1.3", None),
        (b"2.1", None),
        (b"1.1.HEADER", None),
        (b"HEADER.FIELDS (SUBJECT)", b"Subject: outer\r\n\r\n"),
        (b"NONSENSE", None),
        (b"", NESTED),
    ],
)
def test_a_section_is_returned_unchanged(section: bytes, text: bytes | None) -> None:
    assert section_of(Part(NESTED), section) == text


def test_fields_can_be_excluded() -> None:
    header = section_of(Part(b"A: 1\r\nB: 2\r\n 2\r\nC: 3\r\n\r\ntext"), b"HEADER.FIELDS.NOT (B)")
    assert header == b"A: 1\r\nC: 3\r\n\r\n"


def test_the_structure_describes_the_attachments() -> None:
    structure: Any = structure_of(Part(NESTED), extended=True)
    alternative, attachment, kind = structure[:3]
    assert (kind, alternative[2]) == (b"mixed", b"alternative")
    assert attachment[:2] == [b"application", b"octet-stream"]
    assert attachment[6] == b"6"
    assert attachment[8] == [b"attachment", [b"filename", b"x.bin"]]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no header at all",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno such line\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x",
        b"Content-Type: message/rfc822\r\n\r\n" * 50,
        b"\xff\0: \xfe\r\n\r\n",
    ],
)
def test_a_malformed_message_also_has_a_structure(text: bytes) -> None:
    structure: Any = structure_of(Part(text), extended=True)
    assert structure
    assert section_of(Part(text), b"") == text


LETTER = b"Subject: inner\r\nTo: list: a@b, c@d;\r\n\r\ninner text\r\n"
INNER_PARTS = (
    b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=p\r\n\r\n"
    b"--p\r\n\r\none\r\n--p\r\nContent-Type: text/html\r\n\r\ntwo\r\n--p--\r\n"
)
FORWARDED = (
    b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nsee below\r\n"
    b"--o\r\nContent-Type: message/rfc822\r\n\r\n" + LETTER + b"\r\n"
    b"--o\r\nContent-Type: message/rfc822\r\n\r\n" + INNER_PARTS + b"\r\n--o--\r\n"
)


@pytest.mark.parametrize(
    ("section", "text"),
    [
        (b"2", LETTER),
        (b"2.MIME", b"Content-Type: message/rfc822\r\n\r\n"),
        (b"2.HEADER", LETTER.partition(b"inner text")[0]),
        (b"2.HEADER.FIELDS (SUBJECT)", b"Subject: inner\r\n\r\n"),
        (b"2.TEXT", b"inner text\r\n"),
        (b"2.1", b"inner text\r\n"),
        (b"2.1.MIME", LETTER.partition(b"inner text")[0]),
        (b"2.1.1", None),
        (b"2.2", None),
        (b"3.HEADER", INNER_PARTS.partition(b"--p")[0]),
        (b"3.TEXT", INNER_PARTS[INNER_PARTS.index(b"--p") :]),
        (b"3.1", b"one"),
        (b"3.2", b"two"),
        (b"3.2.MIME", b"Content-Type: text/html\r\n\r\n"),
        (b"3.3", None),
        (b"1.HEADER", None),
        (b"1.TEXT", None),
        (b"1.1", None),
    ],
)
def test_an_attached_message_has_its_own_sections(section: bytes, text: bytes | None) -> None:
    assert section_of(Part(FORWARDED), section) == text


@pytest.mark.parametrize(
    ("section", "text"),
    [
        (b"1", LETTER),
        (b"1.HEADER", LETTER.partition(b"inner text")[0]),
        (b"1.TEXT", b"inner text\r\n"),
        (b"1.1", b"inner text\r\n"),
        (b"2", None),
    ],
)
def test_a_message_whose_only_part_is_a_message(section: bytes, text: bytes | None) -> None:
    whole = Part(b"Subject: outer\r\nContent-Type: message/rfc822\r\n\r\n" + LETTER)
    assert section_of(whole, section) == text


DIGEST = (
    b"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n" + LETTER + b"\r\n--d\r\n"
    b"Content-Type: text/plain\r\n\r\na remark\r\n--d--\r\n"
)


def test_the_parts_of_a_digest_are_messages() -> None:
    structure: Any = structure_of(Part(DIGEST), extended=False)
    assert structure[0][:2] == [b"message", b"rfc822"]
    assert structure[0][7][1] == b"inner"
    assert structure[1][:2] == [b"text", b"plain"]
    assert section_of(Part(DIGEST), b"1.HEADER.FIELDS (SUBJECT)") == b"Subject: inner\r\n\r\n"
    assert section_of(Part(DIGEST), b"1.1") == b"inner text\r\n"


def test_an_envelope_has_groups() -> None:
    envelope: Any = envelope_of(Part(LETTER))
    assert envelope[5] == [
        [None, None, b"list", None],
        [None, None, b"a", b"b"],
        [None, None, b"c", b"d"],
        [None, None, None, None],
    ]


def test_a_structure_includes_language_location_and_checksum() -> None:
    single = Part(
        b"Content-MD5: Q2hlY2s=\r\nContent-Language: de, en\r\nContent-Location: x.html\r\n\r\n"
    )
    assert cast("Any", structure_of(single, extended=True))[8:] == [
        *(b"Q2hlY2s=", None, [b"de", b"en"], b"x.html"),
    ]
    several = Part(
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Language: de\r\n"
        b"Content-Location: y\r\nContent-Disposition: inline\r\n\r\n--b\r\n\r\nx\r\n--b--"
    )
    assert cast("Any", structure_of(several, extended=True))[2:] == [
        *([b"boundary", b"b"], [b"inline", None], [b"de"], b"y"),
    ]


def test_the_first_of_several_fields_counts() -> None:
    envelope: Any = envelope_of(Part(b"Subject: one\r\nSubject: two\r\n\r\n"))
    assert envelope[1] == b"one"
