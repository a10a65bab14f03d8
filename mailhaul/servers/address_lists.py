"""Parse address fields for ENVELOPE: names, routes and groups (RFC 3501, 7.4.2; RFC 5322, 3.4).

The parser makes one pass over the tokens of a field, and each octet belongs to exactly one token,
so the cost of a hostile field is linear in its length. Nothing is refused: malformed text also
becomes an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..protocols.message.addresses import comment_end

TOKEN = re.compile(
    rb"""[ \t\r\n]+                # blanks
    | [<>,;:@]
    | "(?:[^"\\]|\\.)*"?         # a quoted string, which may have no end
    | \[[^\]]*\]?                # a domain literal
    | [^ \t\r\n<>,;:@"\[(]+""",
    re.VERBOSE | re.DOTALL,
)
ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class Entry(NamedTuple):
    """One address. In a group start only ``host`` is None; in a group end all values are None."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


END_OF_GROUP = Entry(None, None, None, None)


def entries(field: bytes) -> Iterator[Entry]:
    """Yield the addresses and group markers in a field body, in order."""
    reader = Reader()
    for token in tokens(field):
        yield from reader.take(token)
    yield from reader.end_address()
    yield from reader.end_group()


def tokens(field: bytes) -> Iterator[bytes]:
    """Yield the tokens of a field body; a comment is one token."""
    place = 0
    while place < len(field):
        found = TOKEN.match(field, place)
        end = found.end() if found else comment_end(field, place)
        yield field[place:end]
        place = end


class Reader:
    """Collects the tokens since the last comma, and knows whether a group is open."""

    def __init__(self) -> None:
        self._words: list[bytes] = []
        self._angle: list[bytes] | None = None
        self._in_angle = self._in_group = False
        self._comment = b""

    def take(self, token: bytes) -> Iterator[Entry]:
        """Process the next token; yield the entries that it ends."""
        match token[:1]:
            case b"(":
                self._comment = token[1:].removesuffix(b")")
            case b"<":
                self._angle, self._in_angle = [], True
            case b">":
                self._in_angle = False
            case b",":
                if self._in_angle and self._angle and self._angle[0] == b"@":
                    # Another host of a route: <@one,@two:ann@three> (RFC 5322, 4.4).
                    self._angle.append(token)
                else:
                    yield from self.end_address()
            case b";":
                yield from self.end_address()
                yield from self.end_group()
            case b":" if not self._in_angle:
                yield from self.end_group()
                yield Entry(None, None, phrase(self._words), None)
                self._in_group = True
                self._forget()
            case _ if self._in_angle and self._angle is not None:
                self._angle.append(token)
            case _ if not (is_blank(token) and self._words and is_blank(self._words[-1])):
                self._words.append(token)
            case _:
                pass

    def end_address(self) -> Iterator[Entry]:
        """Yield the collected address, if there is one."""
        words, angle, comment = self._words, self._angle, self._comment
        self._forget()
        route = None
        if angle is None:
            before, spec = bare(words)
        else:
            before, (route, spec) = words, without_route(angle)
        if angle is not None or spec:
            name = phrase(before) or comment
            yield Entry(name or None, route, *split_spec(spec))

    def end_group(self) -> Iterator[Entry]:
        """Yield the end of a group if one is open."""
        if self._in_group:
            yield END_OF_GROUP
        self._in_group = False

    def _forget(self) -> None:
        self._words, self._angle, self._in_angle, self._comment = [], None, False, b""


def phrase(words: list[bytes]) -> bytes:
    """Return the words without quotes, separated by one space."""
    return b" ".join(b"".join(b" " if is_blank(word) else unquoted(word) for word in words).split())


def bare(words: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Split words without angle brackets into the name and the address after it.

    The address is the first group of words that contains ``@``; without one, all words.
    """
    groups: list[list[bytes]] = [[]]
    for place, word in enumerate(words):
        if not is_blank(word):
            groups[-1].append(word)
        elif divides(words[place - 1 : place], words[place + 1 : place + 2]):
            groups.append([])
    chosen = next((place for place, group in enumerate(groups) if b"@" in group), None)
    if chosen is None:
        whole = phrase(words)
        return [], [whole] if whole else []
    return [word for group in groups[:chosen] for word in (*group, b" ")], groups[chosen]


def divides(before: list[bytes], after: list[bytes]) -> bool:
    """Whether a blank between these words ends an address; next to ``@`` or a dot it does not."""
    joined = any(word.endswith((b"@", b".")) for word in before)
    return not (joined or any(word.startswith((b"@", b".")) for word in after))


def without_route(words: list[bytes]) -> tuple[bytes | None, list[bytes]]:
    """Split the words in angle brackets into a route (or None) and an address, without blanks."""
    solid = [word for word in words if not is_blank(word)]
    if solid[:1] == [b"@"] and b":" in solid:
        end = solid.index(b":")
        return b"".join(solid[:end]), solid[end + 1 :]
    return None, solid


def split_spec(words: list[bytes]) -> tuple[bytes, bytes]:
    """Return the mailbox, without quotes, and the host, which may be empty but not None (NIL)."""
    at = len(words) - 1 - words[::-1].index(b"@") if b"@" in words else len(words)
    return b"".join(map(unquoted, words[:at])), b"".join(words[at + 1 :])


def is_blank(word: bytes) -> bool:
    """Whether a token consists only of blanks."""
    return not word.strip()


def unquoted(word: bytes) -> bytes:
    """Return the text of a quoted string, and any other word unchanged."""
    if not word.startswith(b'"'):
        return word
    return ESCAPED.sub(rb"\1", word[1:].removesuffix(b'"'))
