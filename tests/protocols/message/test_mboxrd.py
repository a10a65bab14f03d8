"""A message written to an mbox file is read back unchanged, whatever lines it has."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.mboxrd import MboxrdWriter, asctime

HEADER = b"Subject: x\n\n"
CHUNKS = st.lists(
    st.sampled_from([b"From ", b"From", b"Fr", b"om ", b">", b">>", b"\n", b"x", b" ", b""]),
    max_size=25,
)


def written(chunks: list[bytes]) -> bytes:
    writer = MboxrdWriter()
    return b"".join([*map(writer.feed, chunks), writer.finish()])


def read(text: bytes) -> bytes:
    """Read as an mbox reader does: remove one ``>``, and the blank line after the message."""
    assert text.endswith(b"\n\n") or text == b"\n"
    return re.sub(rb"(?m)^>(>*From )", rb"\1", text[:-1])


@given(CHUNKS)
def test_a_reader_gets_the_original_text_for_any_split(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    text = written(chunks)
    assert text == written([whole])
    assert not re.search(rb"(?m)^From ", text)
    assert read(text) == whole + b"\n" * (bool(whole) and not whole.endswith(b"\n"))


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        (b"From x\n", b">From x\n\n"),
        (b">>From x\n", b">>>From x\n\n"),
        (b"a From x\nFrom\nfrom x\nFromm x\n", b"a From x\nFrom\nfrom x\nFromm x\n\n"),
        (b"a\r\nFrom b\r\n", b"a\r\n>From b\r\n\n"),
        (b"x", b"x\n\n"),
        (b"From", b"From\n\n"),
        (b"a\n\n", b"a\n\n\n"),
        (b"", b"\n"),
    ],
)
def test_each_kind_of_line_is_quoted_correctly(text: bytes, quoted: bytes) -> None:
    assert written([text]) == quoted
    assert written([bytes((byte,)) for byte in text]) == quoted


@given(st.integers(1, 10))
def test_a_sequence_of_quotes_is_not_held_back(length: int) -> None:
    writer = MboxrdWriter()
    assert writer.feed(b">" * length) == b">" * length
    assert writer.feed(b"From") == b""
    assert writer.feed(b" x") == b">From x"


@pytest.mark.parametrize(
    ("sender", "first"),
    [
        (b"ann@example.org", b"From ann@example.org "),
        (b"", b"From MAILER-DAEMON "),
        (None, b"From MAILER-DAEMON "),
        (b'"a b\tc"@example.org', b'From "a-b-c"@example.org '),
        (b"a@x\nFrom b", b"From a@x-From-b "),
    ],
)
def test_the_first_line_names_the_sender_and_the_day(sender: bytes | None, first: bytes) -> None:
    line = MboxrdWriter().begin(sender, 1_795_385_699, HEADER).split(b"\n")[0]
    assert line == first + b"Sun Nov 22 22:14:59 2026"


@given(st.integers(0, 2**33))
def test_the_date_has_the_format_of_asctime(seconds: int) -> None:
    assert asctime(seconds) == time.asctime(time.gmtime(seconds)).encode()


@pytest.mark.parametrize(
    ("sender", "header", "added"),
    [
        (b"ann@example.org", HEADER, b"Return-Path: <ann@example.org>\n"),
        (b"", HEADER, b"Return-Path: <>\n"),
        (None, HEADER, b""),
        (b"a@x\nBcc: b@x", HEADER, b""),
        (b"ann@example.org", b"Received: x\nreturn-path: <eve@x>\n\n", b""),
        (b"ann@example.org", b"X: y\n Return-Path: z\n\n", b"Return-Path: <ann@example.org>\n"),
        (b"ann@example.org", b"X: y\rReturn-Path: <eve@x>\r\r", b""),
        # No field may be added before a line that would become its continuation.
        (b"ann@example.org", b" led\nX: y\n\n", b""),
    ],
)
def test_a_return_path_is_added_where_there_is_none(
    sender: bytes | None, header: bytes, added: bytes
) -> None:
    assert MboxrdWriter().begin(sender, 0, header).partition(b"\n")[2] == added
