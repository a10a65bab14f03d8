"""From bytes to responses: lines with literals in them, message text streaming through.

A response is a line in which any value may be a literal, announced as ``{5}`` at the end of
a piece of line and followed by that many octets (RFC 3501, section 4.3). Literals are collected
up to a limit, but for one kind: what stands behind BODY[...] or RFC822 in a FETCH response is
message text, goes out as it comes, and is never held.
"""

from __future__ import annotations

from ..errors import LimitExceeded, RemoteProtocolError
from ..input import InputBuffer
from ..limits import Limits
from ..machine import Trace
from ..record import Record
from .events import BodyChunk, BodyEnd, BodyStart, Code, Fetched
from .values import STREAMED, Atom, Streamed, Text, Value, Values, number

CHUNK = 256 * 1024
"""Octets of message text in one event at most."""
LITERALS = 1000
"""Literals in one response at most."""
TEXT_ITEMS = {b"RFC822": b"", b"RFC822.HEADER": b"HEADER", b"RFC822.TEXT": b"TEXT"}
"""Old names of message text, and the section that each stands for."""
WORDS_FOR_PEOPLE = frozenset({b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"})
"""Untagged responses that end with free text: what looks like a literal there is none."""


class Response(Record):
    """One whole response. Message text in it has gone out already, as events.

    ``line`` is the response up to its first literal; ``values`` are those of a FETCH response.
    """

    line: bytes
    values: list[Value] | None = None


TextEvent = BodyStart | BodyChunk | BodyEnd
Read = Response | TextEvent


class ResponseReader:
    """Cuts what a server sends into responses. ``read`` until it returns None.

    ``hidden`` is what a trace must not show: a server may repeat a password in its reply.
    """

    def __init__(self, limits: Limits, trace: Trace | None) -> None:
        self.input = InputBuffer()
        self.hidden: frozenset[bytes] = frozenset()
        self._limits = limits
        self._trace = trace
        self._line: bytes | None = None
        self._values: Values | None = None
        self._literals = 0
        self._length = 0
        self._held = 0
        self._left = 0
        self._literal: bytearray | None = None
        self._streaming = False

    @property
    def missing(self) -> int:
        """Octets of message text that were announced and have not come."""
        return self._left if self._streaming else 0

    @property
    def between_responses(self) -> bool:
        """Whether nothing of a next response has come yet."""
        return self._line is None and not len(self.input)

    def read(self) -> Read | None:
        """Return the next response or piece of message text; None until more has come.

        Raises RemoteProtocolError and LimitExceeded.
        """
        while True:
            if self._streaming:
                return self._stream()
            if self._literal is not None and not self._collect(self._literal):
                return None
            limit = self._line_limit()
            line = self.input.take_line(limit, "response line")
            if line is None:
                return None
            self._count(line, limit)
            done = self._begin(line) if self._line is None else self._go_on(line)
            if done is not None:
                return done

    def command_over(self) -> None:
        """Begin to count anew what one command makes us read."""
        self._held = 0

    def without_secrets(self, line: bytes) -> bytes:
        """Return a line with ``*`` in place of what is hidden."""
        for secret in self.hidden:
            line = line.replace(secret, b"*")
        return line

    def _line_limit(self) -> int:
        """Return how long a line may be: a search in a big mailbox finds a lot."""
        if self._line is None and self.input.head(9).upper() == b"* SEARCH ":
            return self._limits.untagged
        return self._limits.response_line

    def _count(self, line: bytes, limit: int) -> None:
        self._length += len(line)
        self._held += len(line)
        if self._length > limit:
            raise LimitExceeded("response", limit)
        if self._held > self._limits.untagged:
            raise LimitExceeded("untagged data for one command", self._limits.untagged)

    def _begin(self, line: bytes) -> Read | None:
        """Take the first line of a response."""
        star, _, rest = line[:80].partition(b" ")
        words = rest.upper().split(b" ", 2)
        if star == b"*" and words[1:2] == [b"FETCH"]:
            self._values = Values(self._limits.nesting)
            self._show(before_quote(line))
        else:
            self._show(line)
            if star != b"*" or words[0] in WORDS_FOR_PEOPLE:
                self._length = 0
                return Response(line)
        text, size = split_literal(line, self._limits.digits)
        self._line = text
        return self._end_piece(text, size)

    def _go_on(self, line: bytes) -> Read | None:
        """Take a line of a response behind a literal. If sizes lied it may be message text."""
        text, size = split_literal(line, self._limits.digits)
        if self._values is None:
            self._show(line)
        else:
            self._show(b"..." if size is None else b"... {%d}" % size)
        return self._end_piece(text, size)

    def _end_piece(self, text: bytes, size: int | None) -> Read | None:
        if self._values:
            self._values.add(text)
        return self._end_response() if size is None else self._begin_literal(size)

    def _end_response(self) -> Response:
        values = self._values
        response = Response(self._line or b"", values.top if values else None)
        if values and values.innermost is not values.top:
            raise RemoteProtocolError("a FETCH response that does not end where it should")
        self._line = self._values = None
        self._length = self._literals = 0
        return response

    def _begin_literal(self, size: int) -> Read | None:
        self._literals += 1
        if self._literals > LITERALS:
            raise LimitExceeded("literals in one response", LITERALS)
        self._left = size
        start = text_start(self._values, size, self._limits) if self._values else None
        if start is not None and self._values:
            self._streaming = True
            self._values.add(STREAMED)
            return start
        if size > self._limits.literal:
            raise LimitExceeded("literal", self._limits.literal)
        self._literal = bytearray()
        return None

    def _show(self, line: bytes) -> None:
        if self._trace:
            self._trace("<", self.without_secrets(line))

    def _collect(self, literal: bytearray) -> bool:
        block = self.input.take(self._left)
        literal += block
        self._left -= len(block)
        if self._left:
            return False
        self._held += len(literal)
        if self._values:
            self._values.add(Text(literal))
        self._literal = None
        return True

    def _stream(self) -> Read | None:
        if not self._left:
            self._streaming = False
            return BodyEnd()
        block = self.input.take(min(self._left, CHUNK))
        if not block:
            return None
        self._left -= len(block)
        return BodyChunk(block)


def before_quote(line: bytes) -> bytes:
    """Return a line of a FETCH response as it may be shown: a string can be message text."""
    before, quote, _ = line.partition(b'"')
    return b'%b"..."' % before if quote else line


def split_literal(line: bytes, digits: int) -> tuple[bytes, int | None]:
    """Split ``... {5}`` at the end of a line into what is before it and the octets announced.

    ``{5+}`` and ``~{5}`` count as well (RFC 7888, RFC 3516). Raises RemoteProtocolError for a
    number that is too long to be one.
    """
    if not line.endswith(b"}"):
        return line, None
    start = line.rfind(b"{")
    inside = line[start + 1 : -1].removesuffix(b"+")
    if start < 0 or not inside.isdigit():
        return line, None
    if len(inside) > digits:
        raise RemoteProtocolError("a literal of an impossible size")
    return line[:start].removesuffix(b"~"), int(inside)


def text_start(values: Values, size: int, limits: Limits) -> BodyStart | None:
    """Return the event that opens a literal which is message text, or None for another one."""
    items = fetch_items(values.top)
    if items is None or items is not values.innermost or len(items) % 2 == 0:
        return None
    section = section_of(items[-1])
    if section is None:
        return None
    known = dict(pairs(items[:-1]))
    sequence = number(values.top[1], limits.digits) or 0
    uid = number(known.get(b"UID"), limits.digits)
    return BodyStart(sequence, uid, section, size, old_name(items[-1]))


def fetch_items(values: list[Value]) -> list[Value] | None:
    """Return what stands in the parentheses of ``* 7 FETCH (...)``, or None."""
    if len(values) == 4 and isinstance(values[2], Atom) and values[2].upper() == b"FETCH":
        items = values[3]
        if isinstance(items, list):
            return items
    return None


def pairs(items: list[Value]) -> list[tuple[bytes, Value]]:
    """Return the names, in upper case, and values of FETCH items."""
    named: list[tuple[bytes, Value]] = []
    for name, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(name, Atom):
            raise RemoteProtocolError("a FETCH response without names", state="selected")
        named.append((name.upper(), value))
    return named


def section_of(name: Value) -> bytes | None:
    """Return the section that an item name asks for, in upper case, or None."""
    if not isinstance(name, Atom):
        return None
    word = name.upper()
    if word in TEXT_ITEMS:
        return TEXT_ITEMS[word]
    if word.startswith((b"BODY[", b"BINARY[")) and b"]" in word:
        return word[word.index(b"[") + 1 : word.rindex(b"]")]
    return None


def old_name(name: Value) -> bytes:
    """Return the item's name, in upper case, if it is one of the old ones; else b""."""
    word = name.upper() if isinstance(name, Atom) else b""
    return word if word in TEXT_ITEMS else b""


def fetched(values: list[Value], limits: Limits) -> tuple[list[TextEvent], Fetched]:
    """Return the events of a FETCH response: text that came as a string, then all the rest."""
    items = fetch_items(values)
    sequence = number(values[1], limits.digits)
    if items is None or sequence is None or len(items) % 2:
        raise RemoteProtocolError("a FETCH response that cannot be read", state="selected")
    named = pairs(items)
    known = dict(named)
    uid = number(known.get(b"UID"), limits.digits)
    events: list[TextEvent] = []
    for name, value in named:
        section = section_of(Atom(name))
        if section is not None and not isinstance(value, Streamed | list):
            data = bytes(value or b"")
            events.append(BodyStart(sequence, uid, section, len(data), old_name(Atom(name))))
            events += [BodyChunk(data)] if data else []
            events.append(BodyEnd())
    flags = known.get(b"FLAGS")
    date = known.get(b"INTERNALDATE")
    return events, Fetched(
        sequence,
        uid,
        number(known.get(b"RFC822.SIZE"), limits.digits),
        tuple(bytes(f) for f in flags if isinstance(f, bytes)) if isinstance(flags, list) else None,
        bytes(date) if isinstance(date, Text) else None,
    )


def split_code(text: bytes) -> tuple[Code | None, bytes]:
    """Split ``[UIDVALIDITY 7] ok`` into its code and the text for people (7.1)."""
    if not text.startswith(b"["):
        return None, text
    end = text.find(b"]")
    if end < 0:
        return None, text
    name, _, arguments = text[1:end].partition(b" ")
    return Code(name.upper(), arguments), text[end + 1 :].lstrip(b" ")
