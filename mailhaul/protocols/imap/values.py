"""The values that a response is made of: atoms, strings, NIL and lists (RFC 3501, section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
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

(_QUOTE,) = b'"'
_SECTION = rb"(?:BODY|BINARY)(?:\.PEEK|\.SIZE)?\["
_WORDS = re.compile(
    rb"""[()]                       # a list begins or ends
    | "(?:[^"\\]|\\.)*+"          # a quoted string
    | %b[^\]]*\][^ ()]*           # the name of a FETCH item with its section, blanks and all
    | %b.*                        # one without its end
    | [^ ()"][^ ()]*              # any other atom
    | ".*                         # a quoted string without its end"""
    % (_SECTION, _SECTION),
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""The words of a FETCH response, in linear time: what has no end is taken with all that follows."""
_ASTRINGS = re.compile(rb"""[()]|"(?:[^"\\]|\\.)*+"|[^ ()"][^ ()]*|".*""", re.DOTALL)
"""The words of any other response: only an item of FETCH has a section in brackets."""
_UNCLOSED = re.compile(_SECTION + rb"[^\]]*\Z", re.IGNORECASE)
MAX_WORDS = 256 * 1024
"""Words of one piece of line: the result of a search has megabytes, and few words."""
NIL = b"NIL"
_LISTS_OF_ATOMS = frozenset({b"FLAGS", b"X-GM-LABELS"})
"""Items of FETCH whose value is a list of names: one that is called NIL is a name too."""
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class Values:
    """The values of one response, which grow with every part of it that is added.

    ``top`` may be looked at in between: a list that is not closed yet holds what has come.
    Faults do not quote what they are about, for it may be message text.

    With ``astrings`` the words are those of a response with names of mailboxes in it (RFC 3501,
    9: astring): ``a[b`` is one word, and ``NIL`` stays an atom, since a mailbox may be called so.
    Where NIL stands for nothing, ``is_nil`` tells.
    """

    def __init__(self, nesting: int, *, astrings: bool = False) -> None:
        self.top: list[Value] = []
        self._astrings = astrings
        self._words = _ASTRINGS if astrings else _WORDS
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
        for word in self._words_of(part):
            if word[0] == _QUOTE:
                self._stack[-1].append(_unquoted(word))
            else:
                self._add_word(word)

    def _words_of(self, part: bytes) -> Iterable[bytes]:
        """Return the words of a piece of line. Raises LimitExceeded for too many, then as well."""
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
        elif not self._astrings and b"[" in word and _UNCLOSED.match(word):
            raise RemoteProtocolError("a [ without its ]")
        elif word == b")":
            if len(self._stack) == 1:
                raise RemoteProtocolError("a ) without its (")
            self._stack.pop()
        else:
            nothing = word.upper() == NIL and not (self._astrings or self._in_names())
            self._stack[-1].append(None if nothing else Atom(word))

    def _in_names(self) -> bool:
        """Whether the innermost list is one of flags or labels."""
        around = self._stack[-2][-2:-1] if len(self._stack) > 1 else []
        return any(isinstance(name, Atom) and name.upper() in _LISTS_OF_ATOMS for name in around)


def counted(words: Iterable[bytes]) -> Iterator[bytes]:
    """Yield some words. Raises LimitExceeded when there are too many."""
    for count, word in enumerate(words):
        if count == MAX_WORDS:
            raise LimitExceeded("words of a response", MAX_WORDS)
        yield word


def is_nil(value: Value) -> bool:
    """Whether a value stands for nothing, where that can be said (RFC 3501, 9: nstring)."""
    return value is None or (isinstance(value, Atom) and value.upper() == NIL)


def parse_values(parts: Sequence[Part], nesting: int, *, astrings: bool = False) -> list[Value]:
    """Return the values that all these parts make. Raises what ``Values.add`` raises."""
    values = Values(nesting, astrings=astrings)
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
