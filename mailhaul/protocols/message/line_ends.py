"""Convert the line ends of a message chunk by chunk (stripcr, forcecr, APPEND).

Each converter works on whole chunks and holds back at most two CRs, because their LF may be in the
next chunk. dots.py defines a line end; CR CR LF is one line end. ``feed`` returns the converted
bytes that are final, ``finish`` the remaining ones.
"""

from __future__ import annotations

from ..dots import normalized, without_open_end


class Identity:
    """Passes all bytes unchanged."""

    def feed(self, data: bytes) -> bytes:
        """Return the bytes unchanged."""
        return data

    def finish(self) -> bytes:
        """Return b"": nothing was held back."""
        return b""


class LineEndConverter:
    """Base class of the converters: a chunk never ends between CR and LF."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return the converted bytes; a CR at the end may be held back."""
        if not data:
            return b""
        data, self._held = without_open_end(self._held + data if self._held else data)
        return self.convert(data)

    def finish(self) -> bytes:
        """Return the CRs that were held back; no LF followed them."""
        held, self._held = self._held, b""
        return held

    def convert(self, data: bytes) -> bytes:
        """Convert bytes that do not end inside a line end."""
        raise NotImplementedError


class StripCr(LineEndConverter):
    """Converts CRLF and CR CR LF to LF. Any other CR stays, because it may be significant."""

    def convert(self, data: bytes) -> bytes:
        """Return the bytes without the CRs that belong to an LF."""
        return data.replace(b"\r\r\n", b"\r\n").replace(b"\r\n", b"\n")


class ForceCr(LineEndConverter):
    """Converts a bare LF and CR CR LF to CRLF. Any other CR stays."""

    def convert(self, data: bytes) -> bytes:
        """Return the bytes with one CR before every LF."""
        if b"\r" in data:
            data = data.replace(b"\r\r\n", b"\r\n")
        if data.count(b"\n") == data.count(b"\r\n"):
            return data
        return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Canonical(LineEndConverter):
    """Converts every line end to CRLF, as in SMTP message text.

    No line end is added after a last line that has none.
    """

    def finish(self) -> bytes:
        """Return CRs that were held back at the end of the message, converted to line ends."""
        return self.convert(super().finish())

    def convert(self, data: bytes) -> bytes:
        """Return the bytes with CRLF for every line end."""
        return normalized(data)
