"""ENVELOPE and BODYSTRUCTURE are parsed (with the examples of RFC 3501, 7.4.2 and 8)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.imap.structure import Address, BodyPart, Envelope, read_body, read_envelope
from mailhaul.protocols.imap.values import Atom, Text, Value, parse_values

TERRY = Address(b"Terry Gray", None, b"gray", b"cac.washington.edu")


def value_of(text: bytes) -> Value:
    (value,) = parse_values([text], 64)
    return value


def test_an_envelope_is_read_field_by_field() -> None:
    terry = b'(("Terry Gray" NIL "gray" "cac.washington.edu"))'
    text = b'("Wed, 17 Jul 1996" "Summary" %b %b %b ((NIL NIL "imap" "host")) NIL NIL NIL "<B2@x>")'
    assert read_envelope(value_of(text % (terry, terry, terry))) == Envelope(
        b"Wed, 17 Jul 1996",
        b"Summary",
        (TERRY,),
        (TERRY,),
        (TERRY,),
        (Address(None, None, b"imap", b"host"),),
        message_id=b"<B2@x>",
    )


def test_a_single_text_part_has_lines() -> None:
    text = b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 3028 92)'
    assert read_body(value_of(text)) == BodyPart(
        b"TEXT",
        b"PLAIN",
        ((b"CHARSET", b"US-ASCII"),),
        encoding=b"7BIT",
        size=3028,
        lines=92,
    )


def test_a_multipart_has_parts_and_extension_data() -> None:
    text = (
        b'(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1 "md5" ("inline" ("filename" "a")) "en" "loc")'
        b'("APPLICATION" "PDF" NIL "<id>" "description" "BASE64" 20)'
        b' "MIXED" ("BOUNDARY" "b") ("attachment" NIL) ("en" "de") NIL)'
    )
    body = read_body(value_of(text))
    assert (body.media_type, body.subtype) == (b"multipart", b"MIXED")
    assert body.parameters == ((b"BOUNDARY", b"b"),)
    assert body.disposition == (b"attachment", ())
    assert body.languages == (b"en", b"de")
    first, second = body.parts
    assert (first.md5, first.disposition) == (b"md5", (b"inline", ((b"filename", b"a"),)))
    assert (first.languages, first.location) == ((b"en",), b"loc")
    assert (second.id, second.description, second.size) == (b"<id>", b"description", 20)


def test_a_message_inside_has_an_envelope_and_a_body() -> None:
    empty = b"(" + b" ".join([b"NIL"] * 10) + b")"
    text = (
        b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 90 %b ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1) 12)'
    )
    body = read_body(value_of(text % empty))
    assert body.envelope == Envelope()
    assert body.inner is not None
    assert (body.lines, body.inner.lines) == (12, 1)


def test_a_message_part_without_inner_parts_is_an_ordinary_part() -> None:
    body = read_body(value_of(b'("MESSAGE" "DELIVERY-STATUS" NIL NIL NIL "7BIT" 90)'))
    assert (body.envelope, body.lines, body.size) == (None, None, 90)


def test_a_multipart_without_a_subtype_is_taken_as_it_is() -> None:
    body = read_body(value_of(b'(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1))'))
    assert (body.subtype, body.parameters, len(body.parts)) == (b"", (), 1)


@pytest.mark.parametrize(
    "text", [b"()", b"x", b"NIL", b'("TEXT")', b'((("x" "y")) "MIXED")', b'(("a" (b) c d e f g) x)']
)
def test_a_body_that_cannot_be_read_is_a_fault(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_body(value_of(text))


@pytest.mark.parametrize(
    "text",
    [
        b"NIL",
        b"(NIL NIL)",
        b"((x) NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
        b"(NIL NIL x NIL NIL NIL NIL NIL NIL NIL)",
        b"(NIL NIL (x) NIL NIL NIL NIL NIL NIL NIL)",
        b"(NIL NIL ((a b c)) NIL NIL NIL NIL NIL NIL NIL)",
    ],
)
def test_an_envelope_that_cannot_be_read_is_a_fault(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_envelope(value_of(text))


leaves = st.none() | st.binary(max_size=3).map(Text) | st.sampled_from([b"1", b"x"]).map(Atom)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=12), max_leaves=40)


@given(values)
def test_any_value_gives_a_structure_or_a_fault(value: Value) -> None:
    for read in (read_body, read_envelope):
        with suppress(RemoteProtocolError):
            read(value)
