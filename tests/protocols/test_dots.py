"""Dot-terminated texts of POP3 servers, with CRLF or with bare LF."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.dots import (
    CRLF,
    LINE_END,
    DotReader,
    DotWriter,
    normalized,
    partial_end,
    with_line_feeds,
)

LF = b"\n"
HARD = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.", b"\n."]), max_size=30
).map(b"".join)
"""Texts made of what is hard about them."""


def cut(text: bytes, places: list[int]) -> list[bytes]:
    marks = sorted(place % (len(text) + 1) for place in places)
    return [text[a:b] for a, b in zip([0, *marks], [*marks, len(text)], strict=True)]


def read(line_end: bytes, *chunks: bytes) -> tuple[bytes, bytes | None]:
    """Return the text, and the bytes after its end, or None if there was no end."""
    reader = DotReader(line_end)
    text = bytearray()
    for place, chunk in enumerate(chunks):
        text += reader.feed(chunk)
        if reader.over:
            return bytes(text), reader.rest + b"".join(chunks[place + 1 :])
    return bytes(text), None


def model_of_reading(line_end: bytes, wire: bytes) -> tuple[bytes, bytes | None]:
    """The model: line by line."""
    text = b""
    while line_end in wire:
        line, _, wire = wire.partition(line_end)
        if line == b".":
            return text, wire
        text += line.removeprefix(b".") + line_end
    return text, None


@pytest.mark.parametrize("line_end", [CRLF, LF])
@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([b"."], []),
        ([b"a", b"."], [b"a"]),
        ([b"", b"", b"."], [b"", b""]),
        ([b"..", b"."], [b"."]),
        ([b"...", b".a", b"."], [b"..", b"a"]),
        ([b"..", b"..", b"..a", b"."], [b".", b".", b".a"]),
        ([b"a.", b". ", b"."], [b"a.", b" "]),
    ],
)
def test_dots_that_were_added_are_taken_off(
    line_end: bytes, lines: list[bytes], text: list[bytes]
) -> None:
    wire = b"".join(line + line_end for line in lines)
    expected = b"".join(line + line_end for line in text), b"+OK"
    assert read(line_end, wire + b"+OK") == expected
    assert read(line_end, *cut(wire + b"+OK", [*range(99)])) == expected


@pytest.mark.parametrize("lookalike", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"])
def test_with_crlf_no_bare_line_end_ends_a_text(lookalike: bytes) -> None:
    assert read(CRLF, b"a" + lookalike + b"b")[1] is None


@pytest.mark.parametrize("lookalike", [b"\n.\r\n", b"\r\n.\r\n", b"\n.\r", b"\r.\r", b"\n. \n"])
def test_with_lf_alone_only_lf_ends_a_text(lookalike: bytes) -> None:
    assert read(LF, b"a" + lookalike + b"b")[1] is None


@given(HARD, st.lists(st.integers(0, 99), max_size=8), st.sampled_from([CRLF, LF]))
def test_however_a_text_is_cut_it_reads_as_line_by_line(
    wire: bytes, places: list[int], line_end: bytes
) -> None:
    wire += line_end + b"." + line_end + b"rest"
    assert read(line_end, *cut(wire, places)) == model_of_reading(line_end, wire)


@given(HARD, st.sampled_from([CRLF, LF]))
def test_only_a_possible_terminator_is_held_back(wire: bytes, line_end: bytes) -> None:
    text, rest = read(line_end, wire)
    if rest is None:
        # At most a terminator without its last octet is held back. The model also removed its dot
        # and added a line ending.
        expected, _ = model_of_reading(line_end, wire + line_end)
        assert expected.startswith(text) or text.startswith(expected)
        assert len(expected) - len(text) <= 2 * len(line_end) + 1


@given(HARD, st.lists(st.integers(0, 99), max_size=8))
def test_a_written_text_reads_back_with_crlf(text: bytes, places: list[int]) -> None:
    writer = DotWriter()
    wire = b"".join([*map(writer.feed, cut(text, places)), writer.finish()])
    expected = normalized(text)
    if expected and not expected.endswith(CRLF):
        expected += CRLF
    assert read(CRLF, wire) == (expected, b"")
    assert wire.count(CRLF) == wire.count(b"\r") == wire.count(b"\n")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (b"a\r\nb", b"a\r\nb"),
        (b"a\nb\rc\r\n", b"a\r\nb\r\nc\r\n"),
        (b"\r\r\n\n", b"\r\n\r\n"),
        (b"a\r\r\nb\r\r\n\r\r\nc", b"a\r\nb\r\n\r\nc"),
        (b"\r\r\r\n", b"\r\n\r\n"),
        (b"a\r\rb", b"a\r\n\r\nb"),
        (b"", b""),
    ],
)
def test_every_line_end_becomes_crlf(text: bytes, clean: bytes) -> None:
    assert normalized(text) == clean


@given(HARD)
def test_one_line_end_is_the_same_for_all_writers(text: bytes) -> None:
    assert normalized(text) == LINE_END.sub(CRLF, text)
    assert with_line_feeds(text) == LINE_END.sub(LF, text)


@pytest.mark.parametrize(
    ("buffer", "size"),
    [
        (b"", 0),
        (b"a", 0),
        (b"a\r", 1),
        (b"a\r\n", 2),
        (b"\r\n.", 3),
        (b"\r\n.\r", 4),
        (b"\r\n..", 0),
    ],
)
def test_partial_terminators_are_found(buffer: bytes, size: int) -> None:
    assert partial_end(buffer, b"\r\n.\r\n") == size
