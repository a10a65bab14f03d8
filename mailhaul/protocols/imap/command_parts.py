"""Collect the lines and literals of one command, for a server (RFC 3501, 4.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import LimitExceeded
from ..input import InputBuffer
from ..limits import Limits
from .arguments import BadSyntax
from .values import Part, Text

TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+')
"""A tag (section 9)."""


class CommandParts:
    """The parts of one command received so far. Their length is limited."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: list[Part] = []
        self._length = 0
        self._literal: bytearray | None = None
        self._literal_left = 0

    def with_line(self, text: bytes) -> list[Part]:
        """Return the parts and one more line."""
        return [*self._parts, text]

    def forget(self) -> None:
        """Drop the parts, before the next command."""
        self._parts, self._length = [], 0

    def count(self, octets: int) -> None:
        """Add to the length of the command."""
        self._length += octets

    def check_length(self) -> None:
        """Raise LimitExceeded if the command with all its literals is too long."""
        limit = self._limits.response_line + self._limits.literal
        if self._length > limit:
            raise LimitExceeded("command", limit)

    def begin_literal(self, text: bytes, size: int) -> None:
        """Add a line that ends with a literal. Raises LimitExceeded if that is too large."""
        if size > self._limits.literal:
            raise LimitExceeded("literal", self._limits.literal)
        self.check_length()
        self._parts.append(text)
        self._literal, self._literal_left = bytearray(), size

    def collect(self, source: InputBuffer) -> bool:
        """Read octets of the current literal; return whether it is complete."""
        if self._literal is None:
            return True
        if self._literal_left:
            block = source.take(self._literal_left)
            self._literal += block
            self._literal_left -= len(block)
        if self._literal_left:
            return False
        self._parts.append(Text(self._literal))
        self._literal = None
        return True


def split_command(parts: Sequence[Part]) -> tuple[bytes, bytes, list[Part]]:
    """Return the tag of a command, its name in upper case, and its arguments."""
    first = parts[0]
    line = first if isinstance(first, bytes) else b""
    tag, _, rest = line.partition(b" ")
    verb, _, arguments = rest.partition(b" ")
    return tag, verb.upper(), [arguments, *parts[1:]]


def refuse_controls(parts: Sequence[Part]) -> None:
    """Raise BadSyntax if a line contains a bare CR or a NUL (section 9, TEXT-CHAR)."""
    lines = (part for part in parts if isinstance(part, bytes) and not isinstance(part, Text))
    if any(b"\r" in line or b"\0" in line for line in lines):
        raise BadSyntax("a bare CR or a NUL in a command")


def is_tag(tag: bytes) -> bool:
    """Whether this is a valid tag."""
    return TAG.fullmatch(tag) is not None


def redacted_line(first: Part) -> bytes:
    """Return the first line of a command for a trace, without anything that may be a password."""
    line = first if isinstance(first, bytes) else b""
    for verb in (b"LOGIN", b"AUTHENTICATE"):
        before, found, _ = line.upper().partition(verb)
        if found:
            return line[: len(before)] + verb + b" *"
    return line
