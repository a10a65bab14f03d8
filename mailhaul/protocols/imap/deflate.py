"""Both directions of a compressed connection (RFC 4978; RFC 1951).

A few octets can stand for very many: what is inflated is never more than was asked for, and what
is left waits as it came.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from ..errors import RemoteProtocolError

RAW = -15
"""zlib's name for deflated data without a header, with the largest window."""


class Inflater:
    """Turns what came into what was meant."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(RAW)
        self._waiting = bytearray()
        self._full = False

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._waiting += data

    def take(self, most: int) -> bytes:
        """Return up to ``most`` bytes, none when more has to come. Raises RemoteProtocolError."""
        if not self._waiting and not self._full:
            return b""
        try:
            block = self._stream.decompress(self._waiting, most)
        except zlib.error:
            raise RemoteProtocolError("compressed data that cannot be read (RFC 4978)") from None
        if self._stream.unused_data:
            raise RemoteProtocolError("something came after the end of the compressed data")
        # Output that did not fit may wait inside zlib, though all input is consumed.
        self._full = len(block) == most
        self._waiting = bytearray(self._stream.unconsumed_tail)
        return block


class Deflater:
    """Turns what is meant into what goes out, whole at every turn (RFC 4978, section 3)."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(wbits=RAW)

    def deflate(self, pieces: Iterable[bytes]) -> list[bytes]:
        """Return these pieces compressed, flushed so that the peer can read them all."""
        deflated = [self._stream.compress(piece) for piece in pieces]
        if deflated:
            deflated.append(self._stream.flush(zlib.Z_SYNC_FLUSH))
        return [piece for piece in deflated if piece]
