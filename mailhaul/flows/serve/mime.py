"""The parts of a stored message, for the IMAP server: sections, ENVELOPE and BODYSTRUCTURE.

The octets of a part are cut out as they are; nothing is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...protocols.imap.values import Atom, Text, Value
from ...protocols.message.addresses import addresses
from ...protocols.message.header import split_fields
from .imap_queries import split

DEPTH = 20
"""Multiparts inside each other; what is deeper counts as plain text."""


PARAMETER = re.compile(rb';\s*([^\s=;]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;]*)')
FOLD = re.compile(rb"\r?\n(?=[ \t])")
MESSAGE = (b"message", b"rfc822")


class Part:
    """A message or a part of one; ``text`` is its header, a blank line and its body."""

    def __init__(self, text: bytes, depth: int = DEPTH) -> None:
        self.header, self.body = split(text)
        self.fields = {field.key: unfolded(field.body) for field in split_fields(self.header)}
        word, self.parameters = value_of(self.fields.get(b"content-type", b""))
        kind, slash, subtype = word.lower().partition(b"/")
        self.media_type, self.subtype = (kind, subtype) if slash else (b"text", b"plain")
        self.parts: list[Part] = []
        self.inner: Part | None = None
        boundary = dict(self.parameters).get(b"boundary")
        if self.media_type == b"multipart" and boundary and depth:
            self.parts = [Part(piece, depth - 1) for piece in pieces(self.body, boundary)]
        elif (self.media_type, self.subtype) == MESSAGE and depth:
            self.inner = Part(self.body, depth - 1)
        if self.media_type == b"multipart" and not self.parts:
            self.media_type, self.subtype = b"text", b"plain"

    def child(self, number: int) -> Part | None:
        """Return a part by its number; what is no multipart has itself as number 1."""
        if self.inner and self.inner.parts:
            return self.inner.child(number)
        if self.parts:
            return self.parts[number - 1] if 1 <= number <= len(self.parts) else None
        return self if number == 1 else None


def unfolded(body: bytes) -> bytes:
    """Return a field's body in one line."""
    return FOLD.sub(b"", body).strip()


def value_of(body: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return the word that a field begins with, and its parameters (RFC 2045, 5.1)."""
    found = [(name.lower(), unquoted(value)) for name, value in PARAMETER.findall(body)]
    return body.partition(b";")[0].strip(), found


def unquoted(word: bytes) -> bytes:
    """Return a quoted string's text, and any other word as it is."""
    return re.sub(rb"\\(.)", rb"\1", word[1:-1]) if word.startswith(b'"') else word


def pieces(body: bytes, boundary: bytes) -> list[bytes]:
    """Return what stands between the boundary lines (RFC 2046, 5.1.1)."""
    line = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    found: list[bytes] = []
    start: int | None = None
    for edge in line.finditer(body):
        if start is not None:
            found.append(body[start : max(start, edge.start())])
        if edge[1]:
            return found
        start = edge.end() + (2 if body.startswith(b"\r\n", edge.end()) else 1)
    return found if start is None else [*found, body[start:]]


def section_of(text: bytes, section: bytes) -> bytes | None:
    """Return the octets of a section, None for one that is not there (RFC 3501, 6.4.5)."""
    numbers, kind = re.fullmatch(rb"((?:\d+(?:\.|\Z))*)(.*)", section, re.DOTALL).groups()  # type: ignore[union-attr]  # it matches anything
    if not numbers:
        return part_text(*split(text), kind)
    part: Part | None = Part(text)
    for number in numbers.strip(b".").split(b"."):
        part = part and part.child(int(number))
    if part is None:
        return None
    if kind in {b"", b"MIME"}:
        return part.header if kind else part.body
    return part_text(part.inner.header, part.inner.body, kind) if part.inner else None


def part_text(header: bytes, body: bytes, kind: bytes) -> bytes | None:
    """Return the header, some of its fields, the body, or all of it."""
    match kind.partition(b" "):
        case b"", _, _:
            return header + body
        case b"HEADER", b"", _:
            return header
        case b"TEXT", b"", _:
            return body
        case b"HEADER.FIELDS" | b"HEADER.FIELDS.NOT" as which, _, names:
            return some_fields(header, names, wanted=which == b"HEADER.FIELDS")
        case _:
            return None


def some_fields(header: bytes, names: bytes, *, wanted: bool) -> bytes:
    """Return the fields with these names, or all others, and a blank line."""
    listed = {name.strip(b'"').lower() for name in names.strip(b"()").split()}
    kept = [field for name, field in fields_of(header) if (name.lower() in listed) is wanted]
    return b"".join(kept) + b"\r\n"


def fields_of(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each field's name, and the field with its line ends."""
    for found in re.finditer(rb"([^\r\n:]+?)[ \t]*:.*\n(?:[ \t].*\n)*", header):
        yield found[1], found[0]


# ENVELOPE and BODYSTRUCTURE


def envelope_of(part: Part) -> Value:
    """Return an ENVELOPE (7.4.2)."""
    field = part.fields.get
    from_ = listed(field(b"from"))
    return [
        text_or_nil(field(b"date")),
        text_or_nil(field(b"subject")),
        from_,
        listed(field(b"sender")) or from_,
        listed(field(b"reply-to")) or from_,
        *(listed(field(name)) for name in (b"to", b"cc", b"bcc")),
        text_or_nil(field(b"in-reply-to")),
        text_or_nil(field(b"message-id")),
    ]


def listed(body: bytes | None) -> Value:
    """Return the addresses of a field as ENVELOPE has them, NIL without any."""
    found: list[Value] = []
    for address in addresses(body or b""):
        mailbox, at, host = address.spec.rpartition(b"@")
        name = display_name(body or b"", address.spec)
        found.append([name, None, text(mailbox if at else host), text(host if at else b"")])
    return found or None


def display_name(body: bytes, spec: bytes) -> Value:
    """Return what stands before an address in angle brackets."""
    before = rb'("(?:[^"\\]|\\.)*"|[^",<>]*)\s*<\s*' + re.escape(spec)
    found = re.search(before, body)
    name = unquoted(found[1].strip()) if found else b""
    return text(name) if name else None


def structure_of(part: Part, *, extended: bool) -> Value:
    """Return a BODYSTRUCTURE, or a BODY when not ``extended`` (7.4.2)."""
    if part.parts:
        values: list[Value] = [structure_of(child, extended=extended) for child in part.parts]
        values.append(text(part.subtype))
        return [*values, pairs(part.parameters), *disposition(part)] if extended else values
    field = part.fields.get
    values = [
        *(text(part.media_type), text(part.subtype), pairs(part.parameters)),
        *(text_or_nil(field(name)) for name in (b"content-id", b"content-description")),
        text(field(b"content-transfer-encoding", b"7bit")),
        number(len(part.body)),
    ]
    if part.inner:
        values += [envelope_of(part.inner), structure_of(part.inner, extended=extended)]
    if part.inner or part.media_type == b"text":
        values.append(number(part.body.count(b"\n")))
    return [*values, None, *disposition(part)] if extended else values


def disposition(part: Part) -> Sequence[Value]:
    """Return disposition, language and location."""
    kind, parameters = value_of(part.fields.get(b"content-disposition", b""))
    return [[text(kind), pairs(parameters)] if kind else None, None, None]


def pairs(parameters: Sequence[tuple[bytes, bytes]]) -> Value:
    """Return parameters as a list, NIL without any."""
    return [text(word) for pair in parameters for word in pair] or None


def text(value: bytes) -> Text:
    """Return a string."""
    return Text(value.replace(b"\0", b""))


def text_or_nil(value: bytes | None) -> Value:
    """Return a field's body, or NIL where there is no such field."""
    return None if value is None else text(value)


def number(value: int) -> Atom:
    """Return a number."""
    return Atom(b"%d" % value)
