"""A Content-Type field costs little memory, whatever a stranger puts into it."""

from __future__ import annotations

import tracemalloc

import pytest

from mailhaul.protocols.message.content_type import FIELD_LIMIT, content_type
from mailhaul.protocols.message.header import Field
from mailhaul.protocols.message.mime_decode import CLEAR


def peak(body: bytes) -> int:
    """Return the most memory that reading a field takes."""
    field = Field(b"Content-Type: a/b" + body)
    tracemalloc.start()
    try:
        content_type([field])
        CLEAR.fullmatch(field.raw)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [FIELD_LIMIT - 100, 1_000_000])
@pytest.mark.parametrize("piece", [b"x", b"\\x", b" ", b";a=b", b"\r\n x", b"\r\n\t"])
@pytest.mark.parametrize("start", [b'; c="', b"; c", b""])
def test_no_field_takes_more_than_a_few_times_its_size(
    start: bytes, piece: bytes, size: int
) -> None:
    assert peak(start + piece * (size // len(piece))) < 4_000_000


def test_a_field_that_is_too_long_says_nothing() -> None:
    start = b"text/plain; x="
    for size, known in ((FIELD_LIMIT, True), (FIELD_LIMIT + 1, False)):
        body = start + b"y" * (size - len(start))
        assert (content_type([Field(b"Content-Type:" + body)]) is not None) is known
