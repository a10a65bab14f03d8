"""Write strings for an IMAP client: quoted if possible, otherwise literals (RFC 3501, 4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..errors import LocalProtocolError
from ..record import Record

LITERAL_MINUS = 4096
"""Maximum octets of a non-synchronizing literal with LITERAL- (RFC 7888, section 5)."""
_LITERAL_AHEAD = rb"\{\d+\+?\}\Z"


class Abilities(Record):
    """What the server supports: its announced capabilities, and the enabled extensions.

    ``utf8`` is true if quoted strings may contain UTF-8 (RFC 6855, section 3).
    """

    capabilities: frozenset[bytes] = frozenset()
    utf8: bool = False

    def takes_at_once(self, size: int) -> bool:
        """Whether a literal of this size may be non-synchronizing (RFC 7888)."""
        if b"LITERAL+" in self.capabilities:
            return True
        minus = {b"LITERAL-", b"IMAP4REV2"} & self.capabilities
        return bool(minus) and size <= LITERAL_MINUS


class Wire:
    """A command to send, in pieces. After each piece but the last, the client waits for a ``+``.

    ``redacted`` is the command for a trace, without secrets.
    """

    def __init__(self, start: bytes, abilities: Abilities) -> None:
        self._pieces = [start]
        self.abilities = abilities
        self.redacted = start

    @property
    def pieces(self) -> list[bytes]:
        """The pieces; the last one ends with CRLF."""
        *rest, last = self._pieces
        return [*rest, last + b"\r\n"]

    @property
    def waits(self) -> bool:
        """Whether the client must wait for a ``+`` before it can send the whole command."""
        return len(self._pieces) > 1

    def raw(self, argument: bytes) -> Wire:
        """Add an argument unchanged. Raises LocalProtocolError if it would end the line."""
        if argument.endswith(b"}") and re.search(_LITERAL_AHEAD, argument):
            raise LocalProtocolError("an argument must not end with the start of a literal")
        if b"\r" in argument or b"\n" in argument or b"\0" in argument:
            refuse_line_ends(argument)
        self._pieces[-1] += argument
        self.redacted += argument
        return self

    def listed(self, words: Iterable[bytes]) -> Wire:
        """Add a parenthesised list of words."""
        return self.raw(b"(%b)" % b" ".join(words))

    def string(self, value: bytes, *, secret: bool = False) -> Wire:
        """Add a string. Raises LocalProtocolError if it contains CR, LF or NUL."""
        return self._add(astring(value, self.abilities), secret=secret)

    def verbatim(self, words: bytes) -> Wire:
        """Add text that is known to be safe, without checks."""
        self._pieces[-1] += words
        self.redacted += words
        return self

    def secret(self, words: bytes) -> Wire:
        """Add text that a trace must not show."""
        return self._add([words], secret=True)

    def _add(self, pieces: Sequence[bytes], *, secret: bool = False) -> Wire:
        first, *rest = pieces
        self._pieces[-1] += first
        self._pieces += rest
        self.redacted += b"*" if secret else first.partition(b"\r\n")[0]
        return self


def refuse_line_ends(value: bytes) -> None:
    """Raise LocalProtocolError if a value contains CR, LF or NUL, which would end the line."""
    if b"\r" in value or b"\n" in value or b"\0" in value:
        raise LocalProtocolError("a string with CR, LF or NUL cannot be sent")


def quoted(value: bytes) -> bytes:
    """Return a quoted string."""
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def astring(value: bytes, abilities: Abilities) -> list[bytes]:
    """Return a string as one or two pieces; the second is sent after a ``+``.

    Raises LocalProtocolError if it contains CR, LF or NUL.
    """
    refuse_line_ends(value)
    if value.isascii() or (abilities.utf8 and is_utf8(value)):
        return [quoted(value)]
    if abilities.takes_at_once(len(value)):
        return [b"{%d+}\r\n%b" % (len(value), value)]
    return [b"{%d}\r\n" % len(value), value]


def is_utf8(value: bytes) -> bool:
    """Return whether these bytes are UTF-8 (RFC 3629)."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
