"""Line ends of a message as it streams by, whole chunks at a time."""

from __future__ import annotations


class Identity:
    """Changes nothing."""

    def feed(self, data: bytes) -> bytes:
        """Return the data."""
        return data

    def finish(self) -> bytes:
        """Return nothing: nothing was held back."""
        return b""


class StripCr:
    """Makes LF of CRLF, as Unix text has it; a CR elsewhere stays."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Convert some bytes; a CR at the end waits for what follows."""
        data = self._held + data
        self._held = b"\r" if data.endswith(b"\r") else b""
        return (data[:-1] if self._held else data).replace(b"\r\n", b"\n")

    def finish(self) -> bytes:
        """Return what was held back."""
        held, self._held = self._held, b""
        return held


class ForceCr:
    """Makes CRLF of LF; a CRLF stays."""

    def __init__(self) -> None:
        self._after_cr = False

    def feed(self, data: bytes) -> bytes:
        """Convert some bytes."""
        if not data:
            return b""
        continues = self._after_cr and data.startswith(b"\n")
        self._after_cr = data.endswith(b"\r")
        if data.count(b"\n") == data.count(b"\r\n") + continues:
            return data
        whole = data[1:] if continues else data
        converted = whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return b"\n" + converted if continues else converted

    def finish(self) -> bytes:
        """Return nothing: nothing was held back."""
        return b""
