"""Line ends of a message under way, changed chunk by chunk (stripcr, forcecr, APPEND).

Each converter works on whole chunks and holds back at most one CR, whose LF may still come.
``feed`` returns what can be passed on, ``finish`` the rest.
"""

from __future__ import annotations

from ..dots import normalized


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
        if self._held:
            data = self._held + data
            self._held = b""
        if data.endswith(b"\r"):
            data, self._held = data[:-1], b"\r"
        return self.convert(data)

    def finish(self) -> bytes:
        """Return the CR that was held back: no LF follows it."""
        held, self._held = self._held, b""
        return held

    def convert(self, data: bytes) -> bytes:
        """Convert bytes that a CR does not end."""
        raise NotImplementedError


class StripCr(LineEndConverter):
    """CRLF becomes LF. A CR elsewhere stays, for it may mean something."""

    def convert(self, data: bytes) -> bytes:
        """Return the bytes without the CR of each CRLF."""
        return data.replace(b"\r\n", b"\n")


class ForceCr(LineEndConverter):
    """A bare LF becomes CRLF; a CR stays where it is."""

    def convert(self, data: bytes) -> bytes:
        """Return the bytes with a CR before every LF."""
        if data.count(b"\n") == data.count(b"\r\n"):
            return data
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        return data.replace(b"\n", b"\r\n")


class Canonical(LineEndConverter):
    """CRLF stays, a bare CR and a bare LF each become CRLF: the rule of SMTP's text.

    Nothing is added behind a last line that has no end.
    """

    def finish(self) -> bytes:
        """Return the line end that a CR at the very end is."""
        return self.convert(super().finish())

    def convert(self, data: bytes) -> bytes:
        """Return the bytes with CRLF for every line end."""
        return normalized(data)
