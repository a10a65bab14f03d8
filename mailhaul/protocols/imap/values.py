"""The values that a response is made of: atoms, strings, NIL and lists (RFC 3501, section 4)."""

from __future__ import annotations

import re
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

_QUOTE, _BRACKET = b'"['
_WORDS = re.compile(
    rb"""[()]                                           # a list begins or ends
    | "(?:[^"\\]|\\.)*+"                              # a quoted string
    | (?:[^ ()"\[]|\[[^\]]*\])(?:[^ ()\[]|\[[^\]]*\])*  # an atom; [...] in it, blanks and all
    | ["\[].*                                       # either one without its end""",
    re.VERBOSE | re.DOTALL,
)
"""The words of a line, in linear time: what has no end is taken with all that follows.

What an atom is made of is not possessive: Python 3.11.2 (Debian 12's) then takes half of what
fails. There is nothing to give back either, for each part is known by its first octet.
"""
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


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
            return
        for word in _WORDS.findall(part):
            if word[0] == _QUOTE:
                self._stack[-1].append(_unquoted(word))
            else:
                self._add_word(word)

    def _add_word(self, word: bytes) -> None:
        """Add an atom, or open or close a list."""
        if word == b"(":
            if len(self._stack) > self._nesting:
                raise LimitExceeded("nesting of parentheses", self._nesting)
            inner: list[Value] = []
            self._stack[-1].append(inner)
            self._stack.append(inner)
        elif word[0] == _BRACKET and b"]" not in word:
            raise RemoteProtocolError("a [ without its ]")
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


def _unquoted(word: bytes) -> Text:
    if not _QUOTED.fullmatch(word):
        raise RemoteProtocolError("a quoted string without its end")
    raw = word[1:-1]
    if b"\\" not in raw:
        return Text(raw)
    pieces = raw.split(b"\\\\")
    return Text(b"\\".join(piece.replace(b"\\", b"") for piece in pieces))


def number(value: Value, digits: int) -> int | None:
    """Return the number that an atom is, or None. ``digits`` bounds what is converted."""
    if isinstance(value, Atom) and value.isdigit() and len(value) <= digits:
        return int(value)
    return None
