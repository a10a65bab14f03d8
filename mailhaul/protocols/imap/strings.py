"""Strings as an IMAP client sends them: quoted where possible, else as literals (4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LocalProtocolError

LITERAL_MINUS = 4096
"""Octets up to which LITERAL- lets a literal go without being asked for (RFC 7888, 5)."""


class Wire:
    """A command on its way: pieces between which the server's ``+`` is waited for.

    ``shown`` is the command for a trace, without secrets.
    """

    def __init__(self, start: bytes) -> None:
        """Begin with words that need no quoting. Raises LocalProtocolError for line ends."""
        refuse_line_ends(start)
        self._pieces = [start]
        self.shown = start

    @property
    def pieces(self) -> list[bytes]:
        """The pieces, the last one with its line end."""
        *rest, last = self._pieces
        return [*rest, last + b"\r\n"]

    def add(self, pieces: Sequence[bytes], *, secret: bool = False) -> Wire:
        """Add an argument: its first piece belongs to the line so far."""
        first, *rest = pieces
        self._pieces[-1] += first
        self._pieces += rest
        self.shown += b"*" if secret else first.partition(b"\r\n")[0]
        return self


def refuse_line_ends(value: bytes) -> None:
    """Raise LocalProtocolError for CR, LF and NUL: no server could tell them from what follows."""
    if any(byte in value for byte in b"\r\n\0"):
        raise LocalProtocolError("a string with CR, LF or NUL cannot be sent")


def quoted(value: bytes) -> bytes:
    """Return a quoted string."""
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def astring(value: bytes, capabilities: frozenset[bytes]) -> list[bytes]:
    """Return a string as pieces to send, the second one after the server's ``+``.

    Raises LocalProtocolError for CR, LF and NUL.
    """
    refuse_line_ends(value)
    if value.isascii():
        return [quoted(value)]
    at_once = b"LITERAL+" in capabilities or (
        b"LITERAL-" in capabilities and len(value) <= LITERAL_MINUS
    )
    if at_once:
        return [b"{%d+}\r\n%b" % (len(value), value)]
    return [b"{%d}\r\n" % len(value), value]
