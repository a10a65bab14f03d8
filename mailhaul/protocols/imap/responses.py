"""From bytes to responses: lines with literals in them, message text streaming through.

A response is a line in which any value may be a literal, announced as ``{5}`` at the end of
a piece of line and followed by that many octets (RFC 3501, section 4.3). Literals are collected
up to a limit, but for one kind: what stands behind BODY[...] or RFC822 in a FETCH response is
message text, goes out as it comes, and is never held.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import LimitExceeded, RemoteProtocolError
from ..input import InputBuffer
from ..limits import Limits
from ..machine import Trace
from .events import BodyChunk, BodyEnd, BodyStart, Code, Fetched
from .values import STREAMED, Atom, Part, Streamed, Text, Value, number, parse_values

CHUNK = 256 * 1024
"""Octets of message text in one event at most."""
TEXT_ITEMS = {b"RFC822": b"", b"RFC822.HEADER": b"HEADER", b"RFC822.TEXT": b"TEXT"}
"""Old names of message text, and the section that each stands for."""


@dataclass(frozen=True, slots=True)
class Response:
    """One whole response. Message text in it has gone out already, as events."""

    parts: tuple[Part, ...]

    @property
    def line(self) -> bytes:
        """The response up to its first literal."""
        first = self.parts[0]
        return first if isinstance(first, bytes) else b""


Read = Response | BodyStart | BodyChunk | BodyEnd


class ResponseReader:
    """Cuts what a server sends into responses. ``read`` until it returns None."""

    def __init__(self, limits: Limits, trace: Trace | None) -> None:
        self.input = InputBuffer()
        self._limits = limits
        self._trace = trace
        self._parts: list[Part] = []
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
        return not (self._parts or len(self.input) or self._streaming or self._literal is not None)

    def read(self) -> Read | None:
        """Return the next response or piece of message text; None until more has come.

        Raises RemoteProtocolError and LimitExceeded.
        """
        while True:
            if self._streaming:
                return self._stream()
            if self._literal is not None and not self._collect(self._literal):
                return None
            line = self.input.take_line(self._limits.response_line, "response line")
            if line is None:
                return None
            done = self._take_line(line)
            if done is not None:
                return done

    def command_over(self) -> None:
        """Begin to count anew what one command makes us read."""
        self._held = 0

    def _take_line(self, line: bytes) -> Read | None:
        if self._trace:
            self._trace("<", self._traceable(line))
        self._length += len(line)
        self._held += len(line)
        if self._length > self._limits.response_line:
            raise LimitExceeded("response", self._limits.response_line)
        if self._held > self._limits.untagged:
            raise LimitExceeded("untagged data for one command", self._limits.untagged)
        text, size = split_literal(line, self._limits.digits)
        self._parts.append(text)
        if size is None:
            response = Response(tuple(self._parts))
            self._parts.clear()
            self._length = 0
            return response
        self._left = size
        start = text_start(self._parts, size, self._limits)
        if start is not None:
            self._streaming = True
            self._parts.append(STREAMED)
            return start
        if size > self._limits.literal:
            raise LimitExceeded("literal", self._limits.literal)
        self._literal = bytearray()
        return None

    def _traceable(self, line: bytes) -> bytes:
        """Return a line as it may be shown: a string in a FETCH response can be message text."""
        start = self._parts[0] if self._parts else line
        fetch = isinstance(start, bytes) and b" FETCH " in start[:32].upper()
        before, quote, _ = line.partition(b'"')
        return b'%b"..."' % before if fetch and quote else line

    def _collect(self, literal: bytearray) -> bool:
        if self._left:
            block = self.input.take(self._left)
            literal += block
            self._left -= len(block)
        if self._left:
            return False
        self._held += len(literal)
        self._parts.append(Text(literal))
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
        raise RemoteProtocolError("a literal of an impossible size", line=line[start:])
    return line[:start].removesuffix(b"~"), int(inside)


def text_start(parts: list[Part], size: int, limits: Limits) -> BodyStart | None:
    """Return the event that opens a literal which is message text, or None for another one."""
    first = parts[0]
    if isinstance(first, Streamed) or not first.startswith(b"*"):
        return None
    values = parse_values(parts, limits.nesting)
    items = fetch_items(values)
    if items is None or len(items) % 2 == 0:
        return None
    section = section_of(items[-1])
    if section is None:
        return None
    known = dict(pairs(items[:-1]))
    sequence = number(values[1], limits.digits) or 0
    return BodyStart(sequence, number(known.get(b"UID"), limits.digits), section, size)


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


def fetched(values: list[Value], limits: Limits) -> tuple[list[Read], Fetched]:
    """Return the events of a FETCH response: text that came as a string, then all the rest."""
    items = fetch_items(values)
    sequence = number(values[1], limits.digits)
    if items is None or sequence is None or len(items) % 2:
        raise RemoteProtocolError("a FETCH response that cannot be read", state="selected")
    known = dict(pairs(items))
    uid = number(known.get(b"UID"), limits.digits)
    events: list[Read] = []
    for name, value in pairs(items):
        section = section_of(Atom(name))
        if section is not None and not isinstance(value, Streamed | list):
            data = bytes(value or b"")
            events.append(BodyStart(sequence, uid, section, len(data)))
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
