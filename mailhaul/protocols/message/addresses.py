"""Address lists of header fields, as they come (RFC 5322, section 3.4 and the obsolete 4.4).

One pass over the bytes, no recursion, no look-ahead that is repeated: comments are counted,
not nested, so a hostile field costs no more than its length. Nothing is refused; what makes
no sense as an address is left out.

The model: a mailbox is a row of *words* up to a comma or semicolon. Words that touch, or
that a dot or an ``@`` joins over blanks and comments, are one. An angle bracket makes all
words before it a display name; a colon makes them the name of a group or the end of a route.
An encoded word is one piece, although some programs leave punctuation in it (RFC 2047, 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

BLANKS = frozenset(b" \t\r\n\0")
PUNCTUATION = frozenset(b"<>,;:")
WORD_ENDS = BLANKS | PUNCTUATION | frozenset(b'("')
QUOTE, COMMENT, COMMENT_END, BACKSLASH = b'"()\\'
LITERAL, LITERAL_END, AT, COLON, EQUALS = b"[]@:="
ENCODED_WORD = re.compile(rb"=\?[^\s?]+\?[bBqQ]\?[^\s?]*\?=")
"""An encoded word, whatever is between its question marks. The search ends at the next one."""


class Address(NamedTuple):
    """One address of a list.

    ``spec`` is the address without comments, route and blanks around its parts, b"" for
    ``<>``; its bytes are otherwise as they came. ``hostless`` says that it has neither
    ``@`` nor ``!`` outside quotes; then ``end`` is where in the text a host belongs.
    """

    spec: bytes
    end: int
    hostless: bool


def addresses(text: bytes) -> Iterator[Address]:
    """Yield the addresses of a field's body, whatever it holds."""
    mailbox = Mailbox(text)
    position = 0
    while position < len(text):
        byte = text[position]
        if byte in BLANKS:
            position += 1
        elif byte == COMMENT:
            position = comment_end(text, position)
        elif byte in PUNCTUATION:
            address = mailbox.punctuate(byte)
            if address is not None:
                yield address
            position += 1
        else:
            end = quoted_end(text, position) if byte == QUOTE else word_end(text, position)
            if end < 0:
                # An open string swallows the rest, the mailbox it belongs to included.
                return
            mailbox.add(position, end)
            position = end
    address = mailbox.end()
    if address is not None:
        yield address


def first_address(text: bytes) -> Address | None:
    """Return the first address of a field's body, if there is one."""
    return next(addresses(text), None)


def hostless_ends(text: bytes) -> Iterator[int]:
    """Yield, in ascending order, where in the text a host is missing."""
    return (address.end for address in addresses(text) if address.hostless)


class Word:
    """Touching or joined pieces of a mailbox, without what stood between them."""

    __slots__ = ("at", "bang", "end", "quoted", "text")

    def __init__(self) -> None:
        self.text = bytearray()
        self.quoted = True
        self.at = self.bang = False
        self.end = -1

    def add(self, piece: bytes, end: int) -> None:
        """Append what ends at ``end``."""
        self.text += piece
        self.end = end
        if piece[0] != QUOTE:
            self.quoted = False
            plain = ENCODED_WORD.sub(b"", piece) if b"=?" in piece else piece
            self.at = self.at or AT in plain
            self.bang = self.bang or b"!" in plain

    def address(self) -> Address:
        """Return the word as an address."""
        return Address(bytes(self.text), self.end, not (self.at or self.bang))

    def is_name(self) -> bool:
        """Whether it cannot be a bare address: a quoted name, or an RFC 2047 encoded word."""
        return self.quoted or (self.text.startswith(b"=?") and self.text.endswith(b"?="))


class Mailbox:
    """The words since the last comma that still matter, and whether an angle bracket is open.

    Those are the first, the first with a host and the last one: there may be a million others.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._words: list[Word] = []
        self._in_angle = False
        self._complete = False

    def add(self, start: int, end: int) -> None:
        """Take one more piece of a word."""
        piece = self._text[start:end]
        last = self._words[-1] if self._words else None
        joined = piece[0] in b".@" or (last is not None and last.text[-1] in b".@")
        if last is None or not (joined or last.end == start):
            if len(self._words) > 1 and self._first_with_host() is not last:
                self._words.pop()
            last = Word()
            self._words.append(last)
        last.add(piece, end)

    def punctuate(self, byte: int) -> Address | None:
        """Take ``<``, ``>``, a comma, semicolon or colon; return the address it ends."""
        match byte:
            case 0x3C:
                self._words.clear()
                self._in_angle = True
            case 0x3E:
                return self._close_angle()
            case 0x3A:
                self._words.clear()
                self._complete = self._complete and self._in_angle
            case 0x2C if self._in_angle and self._words and self._words[0].text[0] == AT:
                # One more host of a route, <@one,@two:ann@three> (RFC 5322, 4.4).
                self._words.clear()
            case _:
                return self.end()
        return None

    def end(self) -> Address | None:
        """Forget the mailbox; return its address unless it has been returned before."""
        address = None if self._complete and not self._in_angle else self._choose()
        self._words.clear()
        self._in_angle = self._complete = False
        return address

    def _close_angle(self) -> Address | None:
        if not self._in_angle:
            return None
        address = self._choose() if self._words else Address(b"", -1, False)
        self._words.clear()
        self._in_angle = False
        self._complete = True
        return address

    def _choose(self) -> Address | None:
        """Return the one word that is the address; of several, the first with a host."""
        if len(self._words) == 1:
            word = self._words[0]
            return word.address() if self._in_angle or not word.is_name() else None
        with_host = self._first_with_host()
        return with_host.address() if with_host else None

    def _first_with_host(self) -> Word | None:
        return next((word for word in self._words if word.at), None)


def comment_end(text: bytes, position: int) -> int:
    """Return where the comment that begins here is over; an open one lasts to the end."""
    depth = 0
    while position < len(text):
        byte = text[position]
        position += 1
        if byte == BACKSLASH:
            position += 1
        elif byte == COMMENT:
            depth += 1
        elif byte == COMMENT_END:
            depth -= 1
            if depth == 0:
                return position
    return len(text)


def quoted_end(text: bytes, position: int) -> int:
    """Return where the quoted string that begins here is over, -1 if it stays open."""
    position += 1
    while position < len(text):
        byte = text[position]
        position += 1
        if byte == BACKSLASH:
            position += 1
        elif byte == QUOTE:
            return position
    return -1


def word_end(text: bytes, position: int) -> int:
    """Return where the word that begins here is over; ``@[...]`` may hold colons."""
    in_literal = False
    previous = 0
    while position < len(text):
        byte = text[position]
        if byte in WORD_ENDS and not (in_literal and byte == COLON):
            break
        if byte == EQUALS and (encoded := ENCODED_WORD.match(text, position)):
            position = encoded.end() - 1
        elif byte == LITERAL and previous == AT:
            in_literal = True
        elif byte == LITERAL_END:
            in_literal = False
        previous = byte
        position += 1
    return position
