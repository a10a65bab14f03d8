"""A compressed connection: any cut, any amount at a time, and bombs."""

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
def test_no_more_is_inflated_at_a_time_than_is_asked_for(most: int) -> None:
    inflater = Inflater()
    inflater.feed(deflated(TEXT))
    blocks = everything(inflater, most)
    assert b"".join(blocks) == TEXT
    assert max(map(len, blocks)) <= most


def test_a_bomb_goes_off_a_block_at_a_time() -> None:
    inflater = Inflater()
    inflater.feed(deflated(bytes(50_000_000)))
    assert inflater.take(1000) == bytes(1000)
    assert inflater.take(1000) == bytes(1000)


def test_what_comes_while_some_waits_is_put_behind_it() -> None:
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


def test_what_is_no_compressed_data_is_a_fault() -> None:
    inflater = Inflater()
    inflater.feed(b"\xff" * 10)
    with pytest.raises(RemoteProtocolError, match="malformed compressed data"):
        inflater.take(10)


def test_a_stream_that_ends_must_be_the_end() -> None:
    inflater = Inflater()
    inflater.feed(deflated(b"a", end=True) + b"more")
    with pytest.raises(RemoteProtocolError, match="after the end of the compressed data"):
        inflater.take(10)


def test_every_turn_can_be_read_at_once_and_silence_is_nothing() -> None:
    deflater, inflater = Deflater(), Inflater()
    assert deflater.deflate([]) == []
    for turn in ([b"A0001 NOOP\r\n"], [b"A0002 ", b"NOOP\r\n"]):
        inflater.feed(b"".join(deflater.deflate(turn)))
        assert inflater.take(100) == b"".join(turn)
