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
        elif b'"' in part or b"[" in part:
            self._parse(part)
        else:
            # Sizes and flags of a big mailbox come in many such lines: this is the faster way.
            for word in part.replace(b"(", b" ( ").replace(b")", b" ) ").split(b" "):
                if word:
                    self._add_word(word)

    def _parse(self, line: bytes) -> None:
        position = 0
        while position < len(line):
            byte = line[position]
            if byte == _QUOTE:
                text, position = _quoted(line, position + 1)
                self._stack[-1].append(text)
            elif byte == _SPACE:
                position += 1
            else:
                end = _end_of_word(line, position)
                self._add_word(line[position:end])
                position = end

    def _add_word(self, word: bytes) -> None:
        """Add an atom, or open or close a list."""
        if word == b"(":
            if len(self._stack) > self._nesting:
                raise LimitExceeded("nesting of parentheses", self._nesting)
            inner: list[Value] = []
            self._stack[-1].append(inner)
            self._stack.append(inner)
        elif word == b")":
            if len(self._stack) == 1:
                raise RemoteProtocolError("a ) without its (")
            self._stack.pop()
        else:
            self._stack[-1].append(None if word.upper() == b"NIL" else Atom(word))


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


def _end_of_word(line: bytes, position: int) -> int:
    """Return where an atom or a parenthesis ends.

    A section in brackets belongs to its atom, blanks and all.
    """
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
