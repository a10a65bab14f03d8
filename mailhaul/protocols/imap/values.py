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


def parse_values(parts: Sequence[Part], nesting: int) -> list[Value]:
    """Return the values of a response or of the beginning of one.

    A list that is not closed yet ends with the parts: so what stands before a literal can be
    looked at. Raises RemoteProtocolError, and LimitExceeded for lists deeper than ``nesting``.
    """
    top: list[Value] = []
    stack = [top]
    for part in parts:
        if isinstance(part, Text | Streamed):
            stack[-1].append(part)
        else:
            _parse_line(part, stack, nesting)
    return top


def _parse_line(line: bytes, stack: list[list[Value]], nesting: int) -> None:
    position = 0
    while position < len(line):
        byte = line[position]
        if byte == _SPACE:
            position += 1
        elif byte == _OPEN:
            if len(stack) > nesting:
                raise LimitExceeded("nesting of parentheses", nesting)
            inner: list[Value] = []
            stack[-1].append(inner)
            stack.append(inner)
            position += 1
        elif byte == _CLOSE:
            if len(stack) == 1:
                raise RemoteProtocolError("a ) without its (", line=line)
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
    raise RemoteProtocolError("a quoted string without its end", line=line)


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
                raise RemoteProtocolError("a [ without its ]", line=line)
            position = end
        position += 1
    return max(position, start + 1)


def number(value: Value, digits: int) -> int | None:
    """Return the number that an atom is, or None. ``digits`` bounds what is converted."""
    if isinstance(value, Atom) and value.isdigit() and len(value) <= digits:
        return int(value)
    return None
