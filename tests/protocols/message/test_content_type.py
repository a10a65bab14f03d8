"""Parsing a Content-Type field takes little memory, whatever the field contains."""

from __future__ import annotations

import tracemalloc

import pytest

from mailhaul.protocols.message.content_type import MAX_FIELD, content_type
from mailhaul.protocols.message.header import Field
from mailhaul.protocols.message.mime_decode import is_unambiguous


def peak(body: bytes) -> int:
    """Return the peak memory in bytes while a field is parsed."""
    field = Field(b"Content-Type: a/b" + body)
    tracemalloc.start()
    try:
        content_type([field])
        is_unambiguous(field.raw)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [MAX_FIELD - 100, 1_000_000])
@pytest.mark.parametrize("piece", [b"x", b"\\x", b" ", b";a=b", b"\r\n x", b"\r\n\t"])
@pytest.mark.parametrize("start", [b'; c="', b"; c", b""])
def test_no_field_takes_more_than_a_few_times_its_size(
    start: bytes, piece: bytes, size: int
) -> None:
    assert peak(start + piece * (size // len(piece))) < 4_000_000


def test_a_field_that_is_too_long_is_not_parsed() -> None:
    start = b"text/plain; x="
    for size, known in ((MAX_FIELD, True), (MAX_FIELD + 1, False)):
        body = start + b"y" * (size - len(start))
        assert (content_type([Field(b"Content-Type:" + body)]) is not None) is known
