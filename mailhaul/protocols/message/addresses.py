"""Addresses in a header field: found in one pass over the bytes, whatever the bytes are.

This is no parser of RFC 5322 but a scanner for what stands in it: quoted strings, comments,
angle brackets, groups and commas. Garbage yields no address and never an error.
"""

from __future__ import annotations

from dataclasses import dataclass

_QUOTE, _BACKSLASH, _OPEN, _CLOSE, _LESS, _GREATER = b'"\\()<>'
_COMMA, _SEMICOLON, _COLON = b",;:"
_BLANKS = frozenset(b" \t\r\n")


@dataclass(frozen=True, slots=True)
class Address:
    """An address and where it stands in the text it was found in: ``text[start:end]``."""

    start: int
    end: int
    value: bytes


class _Scanner:
    """Walks over a field once. ``words`` are the spans of the present mailbox's bare words."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.found: list[Address] = []
        self.words: list[tuple[int, int]] = []
        self.angle: Address | None = None

    def run(self) -> list[Address]:
        position = 0
        while position < len(self.text):
            position = self._step(position)
        self._flush()
        return self.found

    def _step(self, position: int) -> int:
        byte = self.text[position]
        if byte in _BLANKS:
            return position + 1
        if byte == _OPEN:
            return skip_comment(self.text, position)
        if byte == _LESS:
            return self._bracket(position)
        if byte in (_COMMA, _SEMICOLON):
            self._flush()
            return position + 1
        if byte == _COLON:
            # What stands before it is the name of a group.
            self.words.clear()
            return position + 1
        end = self._end_of_word(position)
        self.words.append((position, end))
        return end

    def _end_of_word(self, position: int) -> int:
        """Return the end of a run of atoms, dots, at signs and quoted strings."""
        text = self.text
        while position < len(text):
            byte = text[position]
            if byte == _QUOTE:
                position = skip_quoted(text, position)
            elif byte in _BLANKS or byte in (_OPEN, _LESS, _COMMA, _SEMICOLON, _COLON):
                break
            else:
                position += 2 if byte == _BACKSLASH else 1
        return min(position, len(text))

    def _bracket(self, position: int) -> int:
        end = position + 1
        while end < len(self.text) and self.text[end] != _GREATER:
            end = skip_quoted(self.text, end) if self.text[end] == _QUOTE else end + 1
        inside = self.text[position + 1 : end]
        route = inside.rfind(b":") + 1 if inside.lstrip().startswith(b"@") else 0
        value = inside[route:].strip()
        start = position + 1 + route + inside[route:].find(value)
        if self.angle is None:
            self.angle = Address(start, start + len(value), value)
        return end + 1

    def _flush(self) -> None:
        """A mailbox is over: the brackets hold its address, or its bare words are it."""
        if self.angle is not None:
            self.found.append(self.angle)
        elif self.words:
            start, end = self._joined()
            self.found.append(Address(start, end, self.text[start:end]))
        self.words.clear()
        self.angle = None

    def _joined(self) -> tuple[int, int]:
        """Return the span of the words that make the address.

        Blanks around an at sign or a dot are allowed; of other words the last one counts.
        """
        start, end = self.words[-1]
        for before_start, before_end in reversed(self.words[:-1]):
            left = self.text[before_end - 1 : before_end]
            right = self.text[start : start + 1]
            if left not in {b"@", b"."} and right not in {b"@", b"."}:
                break
            start = before_start
        return start, end


def skip_comment(text: bytes, position: int) -> int:
    """Return where the comment that begins here ends; comments nest without a limit."""
    depth = 0
    while position < len(text):
        byte = text[position]
        if byte == _BACKSLASH:
            position += 1
        elif byte == _OPEN:
            depth += 1
        elif byte == _CLOSE:
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return len(text)


def skip_quoted(text: bytes, position: int) -> int:
    """Return where the quoted string that begins here ends."""
    position += 1
    while position < len(text):
        byte = text[position]
        if byte == _BACKSLASH:
            position += 1
        elif byte == _QUOTE:
            return position + 1
        position += 1
    return len(text)


def addresses(text: bytes) -> list[Address]:
    """Return the addresses in the body of a field, in their order; ``<>`` has the value b""."""
    return _Scanner(text).run()
