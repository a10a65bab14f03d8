"""The short cuts for usual headers and addresses give the same results as the parsers."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailhaul.protocols.message.addresses import (
    addresses,
    first_address,
    parsed_addresses,
    plain_address,
)
from mailhaul.protocols.message.envelope import MAX_PATH, PLAIN_PATH, is_any_path, is_path
from mailhaul.protocols.message.header import (
    Field,
    HeaderScanner,
    field_name,
    split_at_any_line_end,
    split_fields,
)

PIECES = st.sampled_from(
    [
        *(
            b"ann@example.org",
            b"<ann@example.org>",
            b"ann",
            b"a.b+c@x-y.example.",
            b"@",
            b".",
            b"<",
        ),
        *(b">", b"Ann Example", b'"Ann, E."', b'"', b"\\", b"(", b")", b"(c)", b",", b";", b":"),
        *(b"=?utf-8?q?A<a@b>?=", b"=?utf-8?q?A?=", b"?=", b"=?", b"[", b"]", b"a@[1.2]", b"!"),
        *(b" ", b" ", b"\t", b"\r\n ", b"\r\n", b"\0", b"\f", b"\v", b"\xe9", b"`", b"{", b"-"),
    ]
)
BODIES = st.one_of(st.lists(PIECES, max_size=6).map(b"".join), st.binary(max_size=20))


@given(BODIES)
@example(b" =?utf-8?q?Ann <ann@example.org>?=")
@example(b"=?a?q?<a@b>?=")
@example(b'"A" B. <a@b>\r\n')
def test_a_plain_address_is_what_the_parser_finds(body: bytes) -> None:
    parsed = list(parsed_addresses(body))
    assert plain_address(body) in (None, *parsed[:1])
    assert list(addresses(body)) == parsed
    assert first_address(body) == next(iter(parsed), None)


@pytest.mark.parametrize(
    "body",
    [
        b" ann@example.org\r\n",
        b" Ann Example <ann@example.org>\r\n",
        b' "Example, Ann" <ann.example+tag@mail.example.org>\r\n',
        b" =?utf-8?q?Ann_=C3=89?=\r\n <ann@example.org>\r\n",
        b" <ann@example.org>",
    ],
)
def test_usual_addresses_are_plain(body: bytes) -> None:
    assert plain_address(body) is not None


LINES = st.sampled_from(
    [
        *(b"Subject: hi", b"Subject : hi", b"subject\t:", b":", b": x", b"From ann", b"no colon"),
        *(b" folded", b"\tfolded: x", b"X-\0Y: z", b"a b: c", b"", b"\0", b"\xe9: x", b"\r"),
    ]
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"", b"\r"])


def shown(fields: list[Field]) -> list[tuple[bytes, bytes, bytes]]:
    return [(field.raw, field.name, field.key) for field in fields]


@given(st.lists(st.builds(bytes.__add__, LINES, ENDS), max_size=8).map(b"".join))
@example(b"")
@example(b"a: b")
def test_a_header_is_cut_in_the_same_places_by_both_ways(header: bytes) -> None:
    fields = split_fields(header)
    assert shown(fields) == shown(split_at_any_line_end(header))
    assert b"".join(field.raw for field in fields) == header
    assert [field.name for field in fields] == [field_name(field.raw) for field in fields]
    assert [field.key for field in fields] == [field.name.lower() for field in fields]


@pytest.mark.parametrize("text", [b"A: b\r\n\r\nbody", b"A: b\n c\n\nbody", b"A: b"])
def test_the_size_of_a_header_is_that_of_its_parts(text: bytes) -> None:
    scanner = HeaderScanner()
    scanner.feed(text)
    scanner.finish()
    assert scanner.size == sum(len(f.raw) for f in scanner.fields) + len(scanner.separator)
    assert scanner.size + len(scanner.rest) == len(text)


PATHS = st.one_of(
    st.lists(
        st.sampled_from([b"ann", b"@", b".", b"a-b.example", b"_", b"+", b"!", b"\xe9"]), max_size=6
    ),
    st.lists(st.sampled_from([b"a", b"@", b".", b"-", b"[1.2]", b" ", b"\n", b'"']), max_size=6),
).map(b"".join)


@given(PATHS)
@example(b"a@" + b"b" * (MAX_PATH - 2))
@example(b"a@" + b"b" * (MAX_PATH - 1))
def test_a_usual_path_is_a_path(address: bytes) -> None:
    expected = len(address) <= MAX_PATH and is_any_path(address)
    assert is_path(address) is expected


def test_most_addresses_are_usual_paths() -> None:
    assert PLAIN_PATH.fullmatch(b"ann.b+c@mail.example.org")
