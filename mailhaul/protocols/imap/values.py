"""The values that a response is made of: atoms, strings, NIL and lists (RFC 3501, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..errors import LimitExceeded, RemoteProtocolError


class Atom(bytes):
    """A word without quotes, as sent."""

    __slots__ = ()


class Text(bytes):
    """A quoted string or a literal, unwrapped."""

    __slots__ = ()


class Streamed:
    """Stands where message text was: its octets went out as they came."""


STREAMED: Final = Streamed()

Value = Atom | Text | Streamed | None | list["Value"]
Part = bytes | Text | Streamed
"""A response as it was read: pieces of line, and between them what came as literals."""

_SPACE, _OPEN, _CLOSE, _QUOTE, _BACKSLASH = b' ()"\\'
_BRACKET, _END_BRACKET, _LESS = b"[]<"


class Values:
    """The values of one response, which grow with every part of it that is added.

    ``top`` may be looked at in between: a list that is not closed yet holds what has come.
    Faults do not quote what they are about, for it may be message text.
    """

    def __init__(self, nesting: int) -> None:
        self.top: list[Value] = []
        self._stack = [self.top]
        self._nesting = nesting

    @property
    def innermost(self) -> list[Value]:
        """The list in which the next value will stand; ``top`` when all lists are closed."""
        return self._stack[-1]

    def add(self, part: Part) -> None:
        """Add a piece of line, or what came as a literal.

        Raises RemoteProtocolError, and LimitExceeded for lists deeper than ``nesting``.
        """
        if isinstance(part, Text | Streamed):
            self._stack[-1].append(part)
        else:
            self._parse(part)

    def _parse(self, line: bytes) -> None:
        stack = self._stack
        position = 0
        while position < len(line):
            byte = line[position]
            if byte == _SPACE:
                position += 1
            elif byte == _OPEN:
                if len(stack) > self._nesting:
                    raise LimitExceeded("nesting of parentheses", self._nesting)
                inner: list[Value] = []
                stack[-1].append(inner)
                stack.append(inner)
                position += 1
            elif byte == _CLOSE:
                if len(stack) == 1:
                    raise RemoteProtocolError("a ) without its (")
                stack.pop()
                position += 1
            elif byte == _QUOTE:
                text, position = _quoted(line, position + 1)
                stack[-1].append(text)
            else:
                end = _end_of_atom(line, position)
                word = line[position:end]
                stack[-1].append(None if word.upper() == b"NIL" else Atom(word))
                position = end


def parse_values(parts: Sequence[Part], nesting: int) -> list[Value]:
    """Return the values that all these parts make. Raises what ``Values.add`` raises."""
    values = Values(nesting)
    for part in parts:
        values.add(part)
    if values.innermost is not values.top:
        raise RemoteProtocolError("a ( without its )")
    return values.top


def _quoted(line: bytes, position: int) -> tuple[Text, int]:
    start = position
    escaped = False
    while position < len(line):
        byte = line[position]
        if byte == _BACKSLASH:
            escaped = True
            position += 2
            continue
        if byte == _QUOTE:
            raw = line[start:position]
            return Text(_unescape(raw) if escaped else raw), position + 1
        position += 1
    raise RemoteProtocolError("a quoted string without its end")


def _unescape(raw: bytes) -> bytes:
    pieces = raw.split(b"\\\\")
    return b"\\".join(piece.replace(b"\\", b"") for piece in pieces)


def _end_of_atom(line: bytes, position: int) -> int:
    """Return where an atom ends; a section in brackets belongs to it, blanks and all."""
    start = position
    while position < len(line):
        byte = line[position]
        if byte in (_SPACE, _OPEN, _CLOSE):
            break
        if byte == _BRACKET:
            end = line.find(b"]", position)
            if end < 0:
                raise RemoteProtocolError("a [ without its ]")
            position = end
        position += 1
    return max(position, start + 1)


def number(value: Value, digits: int) -> int | None:
    """Return the number that an atom is, or None. ``digits`` bounds what is converted."""
    if isinstance(value, Atom) and value.isdigit() and len(value) <= digits:
        return int(value)
    return None
