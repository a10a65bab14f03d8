"""Parse the address lists of header fields (RFC 5322, section 3.4 and the obsolete 4.4).

The parser makes one pass over the bytes, without recursion or repeated look-ahead. Comments
are handled with a depth counter, so the cost of a hostile field is linear in its length.
Nothing is refused; text that is not an address is skipped.

The model: a mailbox is a sequence of *words* up to a comma or semicolon. Adjacent words are
one word; so are words that a dot or an ``@`` joins across blanks and comments. An angle
bracket makes all words before it a display name. A colon makes them the name of a group or
the end of a route. An encoded word is one piece, although some programs leave punctuation in
it (RFC 2047, 5).

Most fields contain one address, as ``ann@example.org`` or ``Ann <ann@example.org>``: for those
``plain_address`` is a short cut, and a test checks that it agrees with the parser.
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
"""An encoded word with any text between its question marks. The match ends at the next one."""


_SPEC = rb"[A-Za-z0-9._+-]++@[A-Za-z0-9.-]++"
_BLANKS = rb"[ \t\r\n]*+"
_NAME = rb"""(?>(?:[ \t\r\n!#-'*+./0-9=?A-Z^_`a-z{|}~\x80-\xff-]++|"[^"\\]*+"){0,64})"""
"""A display name of atoms and quoted strings, without characters that have a meaning elsewhere."""
PLAIN = re.compile(rb"(?:%b<(%b)>|%b(%b))%b" % (_NAME, _SPEC, _BLANKS, _SPEC, _BLANKS))


class Address(NamedTuple):
    """One address of a list.

    ``spec`` is the address without comments, route and blanks around its parts; it is b"" for
    ``<>``. Its bytes are otherwise unchanged. ``hostless`` is true if the address has neither
    ``@`` nor ``!`` outside quotes; ``end`` is then the offset in the text where the host
    belongs.
    """

    spec: bytes
    end: int
    hostless: bool


def addresses(text: bytes) -> Iterator[Address]:
    """Return the addresses in a field body. Any bytes are accepted."""
    plain = plain_address(text)
    return iter((plain,)) if plain else parsed_addresses(text)


def plain_address(text: bytes) -> Address | None:
    """Return the only address in a field body, or None if it takes the parser to find out."""
    found = PLAIN.fullmatch(text)
    if found is None:
        return None
    group = found.lastindex or 0
    return Address(found[group], found.end(group), False)


def parsed_addresses(text: bytes) -> Iterator[Address]:
    """Yield the addresses in a field body, like ``addresses``, but always parse it."""
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
                # An unclosed string takes the rest of the text, including its own mailbox.
                return
            mailbox.add(position, end)
            position = end
    address = mailbox.end()
    if address is not None:
        yield address


def first_address(text: bytes) -> Address | None:
    """Return the first address in a field body, or None."""
    return plain_address(text) or next(parsed_addresses(text), None)


def hostless_ends(text: bytes) -> Iterator[int]:
    """Yield, in ascending order, the offsets in the text where a host is missing."""
    return (address.end for address in addresses(text) if address.hostless)


class Word:
    """Adjacent or joined pieces of a mailbox, without the blanks and comments between them."""

    __slots__ = ("at", "bang", "end", "quoted", "text")

    def __init__(self) -> None:
        self.text = bytearray()
        self.quoted = True
        self.at = self.bang = False
        self.end = -1

    def add(self, piece: bytes, end: int) -> None:
        """Append a piece that ends at offset ``end``."""
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
        """Whether it is a quoted name or an RFC 2047 encoded word, so not a bare address."""
        return self.quoted or (self.text.startswith(b"=?") and self.text.endswith(b"?="))


class Mailbox:
    """The relevant words since the last comma, and whether an angle bracket is open.

    Only the first word, the first word with a host and the last word are kept, because a
    field may have millions of words.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._words: list[Word] = []
        self._in_angle = False
        self._complete = False

    def add(self, start: int, end: int) -> None:
        """Add one more piece of a word: the text from ``start`` to ``end``."""
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
        """Process ``<``, ``>``, a comma, semicolon or colon; return the address that it ends."""
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
                # Another host of a route: <@one,@two:ann@three> (RFC 5322, 4.4).
                self._words.clear()
            case _:
                return self.end()
        return None

    def end(self) -> Address | None:
        """Clear the mailbox; return its address unless it has already been returned."""
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
        """Return the only word as the address; of several words, the first with a host."""
        if len(self._words) == 1:
            word = self._words[0]
            return word.address() if self._in_angle or not word.is_name() else None
        with_host = self._first_with_host()
        return with_host.address() if with_host else None

    def _first_with_host(self) -> Word | None:
        return next((word for word in self._words if word.at), None)


def comment_end(text: bytes, position: int) -> int:
    """Return the end of the comment that begins at ``position``.

    An unclosed comment extends to the end of the text.
    """
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
    """Return the end of the quoted string that begins at ``position``, or -1 if it is unclosed."""
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
    """Return the end of the word that begins at ``position``; ``@[...]`` may contain colons."""
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
