"""Text between DATA and the final dot: line endings and dot-stuffing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.dots import DotReader, DotWriter

HARD = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\0"]), max_size=30).map(
    b"".join
)
"""Texts made of what is hard about them."""


@st.composite
def cut(draw: st.DrawFn, texts: st.SearchStrategy[bytes]) -> list[bytes]:
    """A text, split anywhere."""
    text = draw(texts)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def write(*chunks: bytes) -> bytes:
    writer = DotWriter()
    return b"".join([*(writer.feed(chunk) for chunk in chunks), writer.finish()])


def read(*chunks: bytes) -> tuple[bytes, bytes | None]:
    """Return the text, and the bytes after its end, or None if there was no end."""
    reader = DotReader()
    text = b""
    for place, chunk in enumerate(chunks):
        text += reader.feed(chunk)
        if reader.over:
            return text, reader.rest + b"".join(chunks[place + 1 :])
    return text, None


def normal(text: bytes) -> bytes:
    """The model: one line ending at a time."""
    return re.sub(rb"\r?\r?\n|\r", b"\r\n", text)


def model_of_writing(text: bytes) -> bytes:
    text = normal(text)
    if text and not text.endswith(b"\r\n"):
        text += b"\r\n"
    *lines, _ = text.split(b"\r\n")
    stuffed = [b"." + line if line.startswith(b".") else line for line in lines]
    return b"".join(line + b"\r\n" for line in [*stuffed, b"."])


def model_of_reading(wire: bytes) -> tuple[bytes, bytes | None]:
    """The model: line by line, where CRLF alone ends a line."""
    text = b""
    while b"\r\n" in wire:
        line, _, wire = wire.partition(b"\r\n")
        if line == b".":
            return text, wire
        text += line.removeprefix(b".") + b"\r\n"
    return text, None


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (b"", b".\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a\n", b"a\r\n.\r\n"),
        (b"a\r", b"a\r\n.\r\n"),
        (b"\r\r\n", b"\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"..\r\n.x\r\n", b"...\r\n..x\r\n.\r\n"),
        (b"\n\r", b"\r\n\r\n.\r\n"),
    ],
)
def test_the_end_is_one_line_end_and_a_dot(text: bytes, wire: bytes) -> None:
    assert write(text) == wire


@pytest.mark.parametrize(
    "end",
    [
        *(b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\r\n"),
        *(b"\n\n.\n\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n", b"\r\n..\r\n"),
    ],
)
def test_no_text_smuggles_a_second_message(end: bytes) -> None:
    wire = write(b"a" + end + b"MAIL FROM:<evil@example.net>\r\n")
    # However loosely a server reads line ends, the only line that is one dot is the last.
    lines = re.split(rb"\r\n|\r|\n", wire)
    assert [place for place, line in enumerate(lines) if line == b"."] == [len(lines) - 2]
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)


@pytest.mark.parametrize(
    "lookalike",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\0\r\n"],
)
def test_only_crlf_dot_crlf_ends_a_text(lookalike: bytes) -> None:
    assert read(b"a" + lookalike + b"b")[1] is None
    text, rest = read(b"a" + lookalike + b"b\r\n.\r\nQUIT\r\n")
    assert rest == b"QUIT\r\n"
    assert text.endswith(b"b\r\n")


def test_an_immediate_dot_is_an_empty_text() -> None:
    assert read(b".\r\nRSET\r\n") == (b"", b"RSET\r\n")


@given(cut(HARD))
def test_writing_is_what_a_line_by_line_writer_does(chunks: list[bytes]) -> None:
    assert write(*chunks) == model_of_writing(b"".join(chunks))


@given(cut(HARD | st.tuples(HARD, HARD).map(b"\r\n.\r\n".join)))
def test_reading_is_what_a_line_by_line_reader_does(chunks: list[bytes]) -> None:
    text, rest = read(*chunks)
    expected, expected_rest = model_of_reading(b"".join(chunks))
    if expected_rest is None:
        # What might still become the end is held back, at most a line end; and of a last
        # line that is not whole, some may be out already.
        assert rest is None
        assert expected.startswith(text) or text.startswith(expected)
        assert len(text) >= len(expected) - 2
    else:
        assert (text, rest) == (expected, expected_rest)


@given(cut(HARD), st.integers(1, 7))
def test_a_written_text_reads_back(chunks: list[bytes], size: int) -> None:
    wire = write(*chunks) + b"QUIT"
    pieces = [wire[place : place + size] for place in range(0, len(wire), size)]
    text = normal(b"".join(chunks))
    if text and not text.endswith(b"\r\n"):
        text += b"\r\n"
    assert read(*pieces) == (text, b"QUIT")


def test_clean_chunks_pass_without_a_copy() -> None:
    chunk = b"x" * 74 + b"\r\n"
    assert DotWriter().feed(chunk) is chunk
