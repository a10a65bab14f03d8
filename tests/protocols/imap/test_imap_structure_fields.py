"""Every field of ENVELOPE and BODYSTRUCTURE has the right value."""

from __future__ import annotations

import pytest

from mailhaul.protocols.imap.structure import (
    Address,
    BodyPart,
    Envelope,
    read_body,
    read_envelope,
)
from mailhaul.protocols.imap.values import Value, parse_values

ENVELOPE = (
    b'("date" "subject" (("f" NIL "from" "h")) (("s" NIL "sender" "h")) (("r" NIL "reply" "h"))'
    b' (("t" NIL "to" "h")) (("c" NIL "cc" "h")) (("b" NIL "bcc" "h")) "<reply>" "<id>")'
)


def value(text: bytes) -> Value:
    (found,) = parse_values([text], 8)
    return found


def one(name: bytes, mailbox: bytes) -> tuple[Address]:
    return (Address(name, None, mailbox, b"h"),)


def test_an_envelope_has_ten_fields() -> None:
    assert read_envelope(value(ENVELOPE)) == Envelope(
        b"date",
        b"subject",
        one(b"f", b"from"),
        one(b"s", b"sender"),
        one(b"r", b"reply"),
        one(b"t", b"to"),
        one(b"c", b"cc"),
        one(b"b", b"bcc"),
        b"<reply>",
        b"<id>",
    )


@pytest.mark.parametrize("kind", [b'"MESSAGE" "RFC822"', b'"message" "rfc822"', b"Message Global"])
def test_a_message_in_a_message_has_an_envelope_and_lines(kind: bytes) -> None:
    text = b'(%b NIL NIL NIL "7BIT" 50 %b ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 3 1) 9)'
    part = read_body(value(text % (kind, ENVELOPE)))
    assert part.envelope == read_envelope(value(ENVELOPE))
    assert part.inner == BodyPart(b"TEXT", b"PLAIN", encoding=b"7BIT", size=3, lines=1)
    assert (part.size, part.lines) == (50, 9)


def test_extension_data_have_their_names() -> None:
    text = (
        b'("TEXT" "PLAIN" ("CHARSET" "utf-8" "FORMAT" "flowed" "DELSP" "yes") "<id>" "words" "8BIT"'
        b' 3 1 "md5" ("attachment" ("FILENAME" "a")) ("de" "en") "there" "yet to come")'
    )
    assert read_body(value(text)) == BodyPart(
        b"TEXT",
        b"PLAIN",
        ((b"CHARSET", b"utf-8"), (b"FORMAT", b"flowed"), (b"DELSP", b"yes")),
        b"<id>",
        b"words",
        b"8BIT",
        3,
        1,
        md5=b"md5",
        disposition=(b"attachment", ((b"FILENAME", b"a"),)),
        languages=(b"de", b"en"),
        location=b"there",
    )


def test_nil_where_a_word_belongs_is_an_empty_word() -> None:
    text = b"(NIL NIL (NIL x) NIL NIL NIL 3 NIL (NIL NIL) (NIL))"
    part = read_body(value(text))
    assert (part.media_type, part.subtype, part.parameters) == (b"", b"", ((b"", b"x"),))
    assert (part.disposition, part.languages) == ((b"", ()), (b"",))


@pytest.mark.parametrize(
    ("language", "found"), [(b'"de"', (b"de",)), (b"NIL", ()), (b'""', (b"",)), (b"()", ())]
)
def test_one_language_needs_no_list(language: bytes, found: tuple[bytes, ...]) -> None:
    text = b"(APPLICATION PDF NIL NIL NIL NIL 3 NIL NIL %b)" % language
    assert read_body(value(text)).languages == found


@pytest.mark.parametrize(
    ("number", "size"),
    [(b"9" * 19, int("9" * 19)), (b"9" * 20, None), (b"x", None), (b"NIL", None)],
)
def test_a_size_is_a_number_of_sane_length(number: bytes, size: int | None) -> None:
    assert read_body(value(b"(APPLICATION PDF NIL NIL NIL NIL %b)" % number)).size == size


def test_an_odd_parameter_out_is_dropped() -> None:
    part = read_body(value(b"(APPLICATION PDF (a b c) NIL NIL NIL 3)"))
    assert part.parameters == ((b"a", b"b"),)
