"""The parts of a stored message, for the IMAP server: sections, ENVELOPE and BODYSTRUCTURE.

Python's email package reads the header fields; the octets of a part are cut out as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from email.message import Message as Header
from email.parser import BytesHeaderParser
from email.utils import getaddresses

from ...protocols.imap.values import Atom, Text, Value
from .imap_queries import split

DEPTH = 20
"""Multiparts inside each other; what is deeper counts as plain text."""


class Part:
    """A message or a part of one; ``text`` is its header, a blank line and its body."""

    def __init__(self, text: bytes, depth: int = DEPTH) -> None:
        self.header, self.body = split(text)
        self.fields: Header = BytesHeaderParser().parsebytes(self.header)
        self.media_type = self.fields.get_content_maintype().lower()
        self.subtype = self.fields.get_content_subtype().lower()
        self.parts: list[Part] = []
        self.inner: Part | None = None
        boundary = self.fields.get_boundary()
        if self.media_type == "multipart" and boundary and depth:
            self.parts = [Part(piece, depth - 1) for piece in pieces(self.body, boundary)]
        elif (self.media_type, self.subtype) == ("message", "rfc822") and depth:
            self.inner = Part(self.body, depth - 1)
        if self.media_type == "multipart" and not self.parts:
            self.media_type, self.subtype = "text", "plain"

    def child(self, number: int) -> Part | None:
        """Return a part by its number; what is no multipart has itself as number 1."""
        if self.inner and self.inner.parts:
            return self.inner.child(number)
        if self.parts:
            return self.parts[number - 1] if 1 <= number <= len(self.parts) else None
        return self if number == 1 else None


def pieces(body: bytes, boundary: str) -> list[bytes]:
    """Return what stands between the boundary lines (RFC 2046, 5.1.1)."""
    mark = re.escape(boundary.encode("ascii", "surrogateescape"))
    line = re.compile(rb"(?:\A|\r?\n)--" + mark + rb"(--)?[ \t]*(?=\r?\n|\Z)")
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
    fields = part.fields
    from_ = addresses(fields, "From")
    return [
        text_or_nil(fields.get("Date")),
        text_or_nil(fields.get("Subject")),
        from_,
        addresses(fields, "Sender") or from_,
        addresses(fields, "Reply-To") or from_,
        *(addresses(fields, name) for name in ("To", "Cc", "Bcc")),
        text_or_nil(fields.get("In-Reply-To")),
        text_or_nil(fields.get("Message-ID")),
    ]


def addresses(fields: Header, name: str) -> Value:
    """Return the addresses of a field as ENVELOPE has them."""
    found: list[Value] = []
    for person, address in getaddresses([str(value) for value in fields.get_all(name, [])]):
        mailbox, _, host = address.rpartition("@")
        found.append([text_or_nil(person or None), None, text(mailbox or host), text(host)])
    return found or None


def structure_of(part: Part, *, extended: bool) -> Value:
    """Return a BODYSTRUCTURE, or a BODY when not ``extended`` (7.4.2)."""
    if part.parts:
        values: list[Value] = [structure_of(child, extended=extended) for child in part.parts]
        values.append(text(part.subtype))
        return [*values, parameters(part.fields), *disposition(part)] if extended else values
    values = [
        *(text(part.media_type), text(part.subtype), parameters(part.fields)),
        *(text_or_nil(part.fields.get(name)) for name in ("Content-ID", "Content-Description")),
        text(str(part.fields.get("Content-Transfer-Encoding", "7bit"))),
        number(len(part.body)),
    ]
    if part.inner:
        values += [envelope_of(part.inner), structure_of(part.inner, extended=extended)]
    if part.inner or part.media_type == "text":
        values.append(number(part.body.count(b"\n")))
    return [*values, None, *disposition(part)] if extended else values


def disposition(part: Part) -> Sequence[Value]:
    """Return disposition, language and location."""
    kind = part.fields.get_content_disposition()
    if kind is None:
        return [None, None, None]
    return [[text(kind), parameters(part.fields, "Content-Disposition")], None, None]


def parameters(fields: Header, name: str = "Content-Type") -> Value:
    """Return a field's parameters as a list, None without any."""
    found = fields.get_params(failobj=[], header=name)[1:]
    return [text(str(word)) for pair in found for word in pair] or None


def text(value: str) -> Text:
    """Return a string."""
    return Text(value.encode("utf-8", "surrogateescape").replace(b"\0", b""))


def text_or_nil(value: object) -> Value:
    """Return a field's value without its folding, or NIL."""
    return None if value is None else text(re.sub(r"\r?\n", "", str(value)))


def number(value: int) -> Atom:
    """Return a number."""
    return Atom(b"%d" % value)
