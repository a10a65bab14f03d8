"""Parse the values of a response: atoms, strings, NIL and lists (RFC 3501, section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final

from ..errors import LimitExceeded, RemoteProtocolError


class Atom(bytes):
    """An atom, as sent."""

    __slots__ = ()


class Text(bytes):
    """The content of a quoted string or a literal."""

    __slots__ = ()


class Streamed:
    """A placeholder for message text, which was streamed and not kept."""


STREAMED: Final = Streamed()

Value = Atom | Text | Streamed | None | list["Value"]
Part = bytes | Text | Streamed
"""A part of a response: a piece of the line, or a literal between two pieces."""

(_QUOTE,) = b'"'
_SECTION = rb"(?:BODY|BINARY)(?:\.PEEK|\.SIZE)?\["
_WORDS = rb"""(?xsi)
      [()]                        # a list begins or ends
    | "[^"\\]*+(?:\\.[^"\\]*+)*+" # a quoted string
    | %b[^\]]*\][^ ()]*           # the name of a FETCH item with its section, including spaces
    | %b.*                        # the same without its end
    | [^ ()"][^ ()]*              # any other atom
    | ".*                         # a quoted string without its end""" % (_SECTION, _SECTION)
"""The words of a FETCH response, in linear time. A word without its end extends to the end."""
_ASTRINGS = rb"""(?s)[()]|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^ ()"][^ ()]*|".*"""
"""The words of any other response, in which brackets have no special meaning."""
_UNCLOSED = b"(?i)" + _SECTION + rb"[^\]]*\Z"
MAX_WORDS = 256 * 1024
"""Maximum number of words in one piece of a line. A long search result has few words."""
NIL = b"NIL"
_LISTS_OF_ATOMS = frozenset({b"FLAGS", b"X-GM-LABELS"})
"""FETCH items whose value is a list of names, in which NIL is an ordinary name."""
_QUOTED = rb'(?s)"[^"\\]*+(?:\\.[^"\\]*+)*+"'


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compile a pattern at its first use: a poll that finds no mail needs none of these."""
    return re.compile(pattern)


class Values:
    """The values of one response, parsed part by part.

    ``top`` holds the values so far, and may be read at any time; an open list holds the values
    that have arrived. Errors do not quote the data, because it may be message text.

    ``astrings`` is for responses with mailbox names (RFC 3501, section 9, astring): ``a[b`` is one
    word, and ``NIL`` becomes an Atom, because it is a valid mailbox name. Use ``is_nil`` for values
    that cannot be mailbox names.
    """

    def __init__(self, nesting: int, *, astrings: bool = False) -> None:
        self.top: list[Value] = []
        self._astrings = astrings
        self._words = _compiled(_ASTRINGS if astrings else _WORDS)
        self._stack = [self.top]
        self._nesting = nesting

    @property
    def innermost(self) -> list[Value]:
        """The list to which the next value is added; ``top`` if all lists are closed."""
        return self._stack[-1]

    def add(self, part: Part) -> None:
        """Add a piece of the line, or a literal.

        Raises RemoteProtocolError for malformed data, and LimitExceeded for lists nested deeper
        than ``nesting`` or too many words.
        """
        if isinstance(part, Text | Streamed):
            self._stack[-1].append(part)
            return
        for word in self._words_of(part):
            if word[0] == _QUOTE:
                self._stack[-1].append(_unquoted(word))
            else:
                self._add_word(word)

    def _words_of(self, part: bytes) -> Iterable[bytes]:
        """Return the words of a piece of the line. Iterating may raise LimitExceeded."""
        if len(part) <= MAX_WORDS:
            return self._words.findall(part)
        return counted(found[0] for found in self._words.finditer(part))

    def _add_word(self, word: bytes) -> None:
        """Add an atom, or open or close a list."""
        if word == b"(":
            if len(self._stack) > self._nesting:
                raise LimitExceeded("nesting of parentheses", self._nesting)
            inner: list[Value] = []
            self._stack[-1].append(inner)
            self._stack.append(inner)
        elif not self._astrings and b"[" in word and _compiled(_UNCLOSED).match(word):
            raise RemoteProtocolError("[ without ]")
        elif word == b")":
            if len(self._stack) == 1:
                raise RemoteProtocolError(") without (")
            self._stack.pop()
        else:
            nothing = word.upper() == NIL and not (self._astrings or self._in_names())
            self._stack[-1].append(None if nothing else Atom(word))

    def _in_names(self) -> bool:
        """Whether the innermost list is a list of flags or labels."""
        around = self._stack[-2][-2:-1] if len(self._stack) > 1 else []
        return any(isinstance(name, Atom) and name.upper() in _LISTS_OF_ATOMS for name in around)


def counted(words: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the words. Raises LimitExceeded if there are too many."""
    for count, word in enumerate(words):
        if count == MAX_WORDS:
            raise LimitExceeded("words of a response", MAX_WORDS)
        yield word


def is_nil(value: Value) -> bool:
    """Whether a value is NIL, in a position where NIL is allowed (RFC 3501, section 9, nstring)."""
    return value is None or (isinstance(value, Atom) and value.upper() == NIL)


def parse_values(parts: Sequence[Part], nesting: int, *, astrings: bool = False) -> list[Value]:
    """Return the values of a complete response. Raises the errors of ``Values.add``."""
    values = Values(nesting, astrings=astrings)
    for part in parts:
        values.add(part)
    if values.innermost is not values.top:
        raise RemoteProtocolError("( without )")
    return values.top


def _unquoted(word: bytes) -> Text:
    if not _compiled(_QUOTED).fullmatch(word):
        raise RemoteProtocolError("quoted string without closing quote")
    raw = word[1:-1]
    if b"\\" not in raw:
        return Text(raw)
    pieces = raw.split(b"\\\\")
    return Text(b"\\".join(piece.replace(b"\\", b"") for piece in pieces))


def number(value: Value, digits: int) -> int | None:
    """Return the number in an atom of at most ``digits`` digits, or None."""
    if isinstance(value, Atom) and value.isdigit() and len(value) <= digits:
        return int(value)
    return None
