"""Compression and decompression of a connection (RFC 4978; RFC 1951).

A few compressed octets can expand to very many. So the caller limits how much is decompressed at a
time, and the rest stays compressed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from ..errors import RemoteProtocolError

RAW = -15
"""The ``wbits`` value of zlib for raw deflate data with the largest window."""


class Inflater:
    """Decompresses received data."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(RAW)
        self._waiting = bytearray()
        self._full = False

    def feed(self, data: bytes) -> None:
        """Add compressed bytes."""
        self._waiting += data

    def take(self, most: int) -> bytes:
        """Return up to ``most`` bytes, or b"" if more is needed. Raises RemoteProtocolError."""
        if not self._waiting and not self._full:
            return b""
        try:
            block = self._stream.decompress(self._waiting, most)
        except zlib.error:
            raise RemoteProtocolError("malformed compressed data (RFC 4978)") from None
        if self._stream.unused_data:
            raise RemoteProtocolError("unexpected data after the end of the compressed data")
        # Output that did not fit may wait inside zlib, though all input is consumed.
        self._full = len(block) == most
        self._waiting = bytearray(self._stream.unconsumed_tail)
        return block


class Deflater:
    """Compresses data to send, and flushes it after each call (RFC 4978, section 3)."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(wbits=RAW)

    def deflate(self, pieces: Iterable[bytes]) -> list[bytes]:
        """Return the compressed pieces; the peer can decompress them completely."""
        deflated = [self._stream.compress(piece) for piece in pieces]
        if deflated:
            deflated.append(self._stream.flush(zlib.Z_SYNC_FLUSH))
        return [piece for piece in deflated if piece]
