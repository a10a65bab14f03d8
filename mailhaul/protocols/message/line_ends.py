"""Line ends of a message under way, changed chunk by chunk (stripcr, forcecr, APPEND).

Each converter works on whole chunks and holds back at most two CRs, whose LF may still come. What
a line end is, is said in dots.py: CR CR LF is one too.
``feed`` returns what can be passed on, ``finish`` the rest.
"""

from __future__ import annotations

from ..dots import normalized, without_open_end


class Identity:
    """Changes nothing."""

    def feed(self, data: bytes) -> bytes:
        """Return the bytes as they are."""
        return data

    def finish(self) -> bytes:
        """Return nothing, for nothing was held back."""
        return b""


class LineEndConverter:
    """What both conversions share: a chunk never ends between CR and LF."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Convert some bytes."""
        if not data:
            return b""
        data, self._held = without_open_end(self._held + data if self._held else data)
        return self.convert(data)

    def finish(self) -> bytes:
        """Return the CRs that were held back: no LF follows them."""
        held, self._held = self._held, b""
        return held

    def convert(self, data: bytes) -> bytes:
        """Convert bytes that do not end inside a line end."""
        raise NotImplementedError


class StripCr(LineEndConverter):
    """CRLF and CR CR LF become LF. A CR elsewhere stays, for it may mean something."""

    def convert(self, data: bytes) -> bytes:
        """Return the bytes without the CRs that belong to an LF."""
        return data.replace(b"\r\r\n", b"\r\n").replace(b"\r\n", b"\n")


class ForceCr(LineEndConverter):
    """A bare LF and CR CR LF become CRLF; any other CR stays where it is."""

    def convert(self, data: bytes) -> bytes:
        """Return the bytes with one CR before every LF."""
        if b"\r" in data:
            data = data.replace(b"\r\r\n", b"\r\n")
        if data.count(b"\n") == data.count(b"\r\n"):
            return data
        return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Canonical(LineEndConverter):
    """Every line end becomes CRLF: the rule of SMTP's text.

    Nothing is added behind a last line that has no end.
    """

    def finish(self) -> bytes:
        """Return the line ends that CRs at the very end are."""
        return self.convert(super().finish())

    def convert(self, data: bytes) -> bytes:
        """Return the bytes with CRLF for every line end."""
        return normalized(data)
