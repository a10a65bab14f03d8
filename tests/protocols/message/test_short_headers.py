"""All possible short headers, split at every place: where they end, and which are too long."""

from __future__ import annotations

from itertools import product

import pytest

from mailhaul.protocols.dots import LINE_END
from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.message.header import Field, HeaderScanner

ALPHABET = (b"\r", b"\n", b"a")
LONGEST = 7


def expected(text: bytes, limit: int) -> tuple[bool, bytes, bytes, bytes]:
    """Return opaqueness, header, blank line and rest, found by a line-by-line search."""
    size = end = 0
    for found in LINE_END.finditer(text):
        size, end = end, found.end()
        if found.start() == size:
            break
    else:
        return (True, b"", b"", text) if len(text) > limit else (False, text, b"", b"")
    if size > limit:
        return True, b"", b"", text
    return False, text[:size], text[size:end], text[end:]


def scanned(text: bytes, cut: int, limit: int) -> tuple[bool, bytes, bytes, bytes]:
    """Return the same from a scanner that is fed the text in two pieces."""
    scanner = HeaderScanner(limit)
    scanner.feed(text[:cut])
    if scanner.complete:
        scanner.rest += text[cut:]
    else:
        scanner.feed(text[cut:])
    if not scanner.complete:
        scanner.finish()
    header = b"".join(field.raw for field in scanner.fields)
    return scanner.opaque, header, scanner.separator, scanner.rest


@pytest.mark.parametrize("limit", [2, 4, 100])
def test_every_short_text_is_parsed_in_the_same_way_for_every_split(limit: int) -> None:
    for length in range(LONGEST + 1):
        for letters in product(ALPHABET, repeat=length):
            text = b"".join(letters)
            for cut in range(length + 1):
                assert scanned(text, cut, limit) == expected(text, limit), (text, cut)


def test_a_header_of_the_maximum_size_is_split_as_soon_as_its_blank_line_arrives() -> None:
    scanner = HeaderScanner(4)
    scanner.feed(b"A: \n\r")
    assert not scanner.complete
    scanner.feed(b"\n")
    assert (scanner.complete, scanner.opaque) == (True, False)


def test_a_header_beyond_the_limit_is_opaque_before_its_end_arrives() -> None:
    scanner = HeaderScanner(4)
    scanner.feed(b"A: bc")
    assert not scanner.complete
    scanner.feed(b"d")
    assert (scanner.complete, scanner.opaque, scanner.rest) == (True, True, b"A: bcd")


def test_before_the_header_is_complete_there_is_no_rest() -> None:
    assert HeaderScanner().rest == b""


def test_a_complete_header_accepts_no_more_data() -> None:
    scanner = HeaderScanner()
    scanner.feed(b"\n")
    with pytest.raises(LocalProtocolError, match="what follows is the body"):
        scanner.feed(b"x")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"X: 1\r\n", b"X"),
        (b"X \t: 1\r\n", b"X"),
        (b"A\x0b: 1\r\n", b""),
        (b"A\0\0B: 1\r\n", b"AB"),
        (b": 1\r\n", b""),
    ],
)
def test_only_blanks_and_nuls_are_removed_from_a_name(raw: bytes, name: bytes) -> None:
    assert Field(raw).name == name
