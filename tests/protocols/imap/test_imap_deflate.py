"""A compressed connection: every split, every amount at a time, decompression bombs."""

from __future__ import annotations

import zlib

import pytest

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.imap.deflate import RAW, Deflater, Inflater

TEXT = b"* 1 EXISTS\r\n" * 100


def deflated(data: bytes, *, end: bool = False) -> bytes:
    stream = zlib.compressobj(wbits=RAW)
    return stream.compress(data) + stream.flush(zlib.Z_FINISH if end else zlib.Z_SYNC_FLUSH)


def everything(inflater: Inflater, most: int) -> list[bytes]:
    blocks: list[bytes] = []
    while block := inflater.take(most):
        blocks.append(block)
    return blocks


@pytest.mark.parametrize("most", [1, 7, len(TEXT), len(TEXT) + 1])
def test_no_more_is_decompressed_at_a_time_than_requested(most: int) -> None:
    inflater = Inflater()
    inflater.feed(deflated(TEXT))
    blocks = everything(inflater, most)
    assert b"".join(blocks) == TEXT
    assert max(map(len, blocks)) <= most


def test_a_decompression_bomb_is_read_block_by_block() -> None:
    inflater = Inflater()
    inflater.feed(deflated(bytes(50_000_000)))
    assert inflater.take(1000) == bytes(1000)
    assert inflater.take(1000) == bytes(1000)


def test_new_data_follows_waiting_data() -> None:
    inflater = Inflater()
    data = deflated(TEXT)
    for place in range(len(data)):
        inflater.feed(data[place : place + 1])
    assert b"".join(everything(inflater, 100)) == TEXT


def test_half_a_block_waits_for_the_rest() -> None:
    inflater = Inflater()
    data = deflated(TEXT)
    assert inflater.take(10) == b""
    inflater.feed(data[:1])
    assert inflater.take(10) == b""
    inflater.feed(data[1:])
    assert inflater.take(10) == TEXT[:10]


def test_data_that_is_not_compressed_is_an_error() -> None:
    inflater = Inflater()
    inflater.feed(b"\xff" * 10)
    with pytest.raises(RemoteProtocolError, match="malformed compressed data"):
        inflater.take(10)


def test_a_stream_that_ends_must_be_the_end() -> None:
    inflater = Inflater()
    inflater.feed(deflated(b"a", end=True) + b"more")
    with pytest.raises(RemoteProtocolError, match="after the end of the compressed data"):
        inflater.take(10)


def test_each_flush_can_be_decompressed_at_once_and_no_data_gives_none() -> None:
    deflater, inflater = Deflater(), Inflater()
    assert deflater.deflate([]) == []
    for turn in ([b"A0001 NOOP\r\n"], [b"A0002 ", b"NOOP\r\n"]):
        inflater.feed(b"".join(deflater.deflate(turn)))
        assert inflater.take(100) == b"".join(turn)
