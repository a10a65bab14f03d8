"""Strings as an IMAP client sends them: quoted where possible, else as literals (4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..errors import LocalProtocolError
from ..record import Record

LITERAL_MINUS = 4096
"""Octets up to which LITERAL- lets a literal go without being asked for (RFC 7888, 5)."""
_LINE_END = re.compile(rb"[\r\n\0]")
_LITERAL_AHEAD = re.compile(rb"\{\d+\+?\}\Z")


class Abilities(Record):
    """What decides how a string may be written: what the server announced, and what we enabled.

    ``utf8`` says that quoted strings may hold UTF-8 (RFC 6855, section 3).
    """

    capabilities: frozenset[bytes] = frozenset()
    utf8: bool = False

    def takes_at_once(self, size: int) -> bool:
        """Whether a literal of this size may go without being asked for (RFC 7888)."""
        if b"LITERAL+" in self.capabilities:
            return True
        minus = {b"LITERAL-", b"IMAP4REV2"} & self.capabilities
        return bool(minus) and size <= LITERAL_MINUS


class Wire:
    """A command on its way: pieces between which the server's ``+`` is waited for.

    ``shown`` is the command for a trace, without secrets.
    """

    def __init__(self, start: bytes, abilities: Abilities) -> None:
        self._pieces = [start]
        self.abilities = abilities
        self.shown = start

    @property
    def pieces(self) -> list[bytes]:
        """The pieces, the last one with its line end."""
        *rest, last = self._pieces
        return [*rest, last + b"\r\n"]

    @property
    def waits(self) -> bool:
        """Whether the server has to ask for a part of the command."""
        return len(self._pieces) > 1

    def raw(self, argument: bytes) -> Wire:
        """Add an argument as it is. Raises LocalProtocolError for what would end the line."""
        refuse_line_ends(argument)
        if _LITERAL_AHEAD.search(argument):
            raise LocalProtocolError("an argument cannot end like the start of a literal")
        return self._add([argument])

    def listed(self, words: Iterable[bytes]) -> Wire:
        """Add a parenthesised list of words."""
        return self.raw(b"(%b)" % b" ".join(words))

    def string(self, value: bytes, *, secret: bool = False) -> Wire:
        """Add a string. Raises LocalProtocolError for CR, LF and NUL."""
        return self._add(astring(value, self.abilities), secret=secret)

    def verbatim(self, words: bytes) -> Wire:
        """Add words of our own, which need no check."""
        return self._add([words])

    def secret(self, words: bytes) -> Wire:
        """Add words that a trace must not show."""
        return self._add([words], secret=True)

    def _add(self, pieces: Sequence[bytes], *, secret: bool = False) -> Wire:
        first, *rest = pieces
        self._pieces[-1] += first
        self._pieces += rest
        self.shown += b"*" if secret else first.partition(b"\r\n")[0]
        return self


def refuse_line_ends(value: bytes) -> None:
    """Raise LocalProtocolError for CR, LF and NUL: no server could tell them from what follows."""
    if _LINE_END.search(value):
        raise LocalProtocolError("a string with CR, LF or NUL cannot be sent")


def quoted(value: bytes) -> bytes:
    """Return a quoted string."""
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def astring(value: bytes, abilities: Abilities) -> list[bytes]:
    """Return a string as pieces to send, the second one after the server's ``+``.

    Raises LocalProtocolError for CR, LF and NUL.
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
