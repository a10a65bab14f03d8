"""The MIME structure of a stored message for IMAP: sections, ENVELOPE and BODYSTRUCTURE.

The octets of a part are returned unchanged; nothing is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..protocols.imap.values import Atom, Text, Value
from ..protocols.message.header import Field, split_fields
from .address_lists import entries

MAX_DEPTH = 20
"""Maximum depth of nested multiparts; deeper ones count as plain text."""


END_OF_HEADER = re.compile(rb"(?:\A|\r?\n)\r?\n")
PARAMETER = re.compile(rb';\s*([^\s=;]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;]*)')
FOLD = re.compile(rb"\r?\n(?=[ \t])")
TOKENS = re.compile(rb"[^\s,]+")
SECTION = re.compile(rb"((?:\d+(?:\.|\Z))*)(.*)", re.DOTALL)
NAME = re.compile(rb'"((?:[^"\\]|\\.)*)"|([^ ()"]+)', re.DOTALL)
PLAIN = (b"text", b"plain")
MESSAGE = (b"message", b"rfc822")


class Part:
    """A message or a part of one; ``text`` is its header, a blank line and its body.

    ``default`` is the media type of a part without a Content-Type field.
    """

    def __init__(
        self, text: bytes, depth: int = MAX_DEPTH, default: tuple[bytes, bytes] = PLAIN
    ) -> None:
        self.header, self.body = split(text)
        self.fields: dict[bytes, bytes] = {}
        for field in split_fields(self.header):
            self.fields.setdefault(field.key, unfolded(field.body))
        content_type = self.fields.get(b"content-type")
        word, self.parameters = value_of(content_type or b"")
        kind, slash, subtype = word.lower().partition(b"/")
        if not slash:
            kind, subtype = default if content_type is None else PLAIN
        self.media_type, self.subtype = kind, subtype
        self.parts: list[Part] = []
        self.inner: Part | None = None
        boundary = dict(self.parameters).get(b"boundary")
        if kind == b"multipart" and boundary and depth:
            # The default type of the parts of a digest is message (RFC 2046, 5.1.5).
            default_type = MESSAGE if subtype == b"digest" else PLAIN
            found = part_texts(self.body, boundary)
            self.parts = [Part(piece, depth - 1, default_type) for piece in found]
        elif (kind, subtype) == MESSAGE and depth:
            self.inner = Part(self.body, depth - 1)
        if kind == b"multipart" and not self.parts:
            self.media_type, self.subtype = PLAIN

    def child(self, number: int) -> Part | None:
        """Return the subpart with this number, or None if it does not exist."""
        if self.inner:
            return self.inner.as_message(number)
        return self.parts[number - 1] if 1 <= number <= len(self.parts) else None

    def as_message(self, number: int) -> Part | None:
        """Return a part of this message; a message that is not a multipart is its own part 1."""
        if self.parts:
            return self.child(number)
        return self if number == 1 else None


def split(text: bytes) -> tuple[bytes, bytes]:
    """Return the header with its blank line, and the body."""
    found = END_OF_HEADER.search(text)
    end = found.end() if found else len(text)
    return text[:end], text[end:]


def unfolded(body: bytes) -> bytes:
    """Return a field body on one line."""
    return FOLD.sub(b"", body).strip()


def value_of(body: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return the first word of a field body, and the parameters (RFC 2045, 5.1)."""
    found = [(name.lower(), unquoted(value)) for name, value in PARAMETER.findall(body)]
    return body.partition(b";")[0].strip(), found


def unquoted(word: bytes) -> bytes:
    """Return the text of a quoted string, and any other word unchanged."""
    return re.sub(rb"\\(.)", rb"\1", word[1:-1]) if word.startswith(b'"') else word


def part_texts(body: bytes, boundary: bytes) -> list[bytes]:
    """Return the texts between the boundary lines (RFC 2046, 5.1.1)."""
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


# Sections


def section_of(message: Part, section: bytes) -> bytes | None:
    """Return the octets of a section, or None if it does not exist (RFC 3501, 6.4.5)."""
    found = SECTION.fullmatch(section)
    numbers, kind = found.groups() if found else (b"", section)
    if not numbers:
        return part_text(message.header, message.body, kind)
    first, *others = map(int, numbers.strip(b".").split(b"."))
    part = message.as_message(first)
    for number in others:
        part = part and part.child(number)
    if part is None:
        return None
    if kind in {b"", b"MIME"}:
        return part.header if kind else part.body
    # HEADER and TEXT of a part refer to the message in that part.
    return part_text(part.inner.header, part.inner.body, kind) if part.inner else None


def part_text(header: bytes, body: bytes, kind: bytes) -> bytes | None:
    """Return the header, some of its fields, the body, or both; None for an unknown kind."""
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
    """Return the fields with these names (all others if not ``wanted``), and a blank line."""
    address_list = {(quoted or word).lower() for quoted, word in NAME.findall(names)}
    kept = [field.raw for field in fields_of(header) if (field.key in address_list) is wanted]
    return b"".join(kept) + b"\r\n"


def fields_of(header: bytes) -> list[Field]:
    """Return the fields of a header, without lines that are not fields."""
    return [field for field in split_fields(header) if field.name]


# ENVELOPE and BODYSTRUCTURE


def envelope_of(part: Part) -> Value:
    """Return the ENVELOPE of a message (7.4.2)."""
    field = part.fields.get
    from_ = address_list(field(b"from"))
    return [
        text_or_nil(field(b"date")),
        text_or_nil(field(b"subject")),
        from_,
        address_list(field(b"sender")) or from_,
        address_list(field(b"reply-to")) or from_,
        *(address_list(field(name)) for name in (b"to", b"cc", b"bcc")),
        text_or_nil(field(b"in-reply-to")),
        text_or_nil(field(b"message-id")),
    ]


def address_list(body: bytes | None) -> Value:
    """Return the addresses of a field in the form of ENVELOPE, or NIL without any."""
    found: list[Value] = [[text_or_nil(word) for word in entry] for entry in entries(body or b"")]
    return found or None


def structure_of(part: Part, *, extended: bool) -> Value:
    """Return the BODYSTRUCTURE of a part, or its BODY if not ``extended`` (7.4.2)."""
    if part.parts:
        values: list[Value] = [structure_of(child, extended=extended) for child in part.parts]
        values.append(text(part.subtype))
        return [*values, pairs(part.parameters), *extension(part)] if extended else values
    field = part.fields.get
    values = [
        *(text(part.media_type), text(part.subtype), pairs(part.parameters)),
        *(text_or_nil(field(name)) for name in (b"content-id", b"content-description")),
        text(field(b"content-transfer-encoding") or b"7bit"),
        number(len(part.body)),
    ]
    if part.inner:
        values += [envelope_of(part.inner), structure_of(part.inner, extended=extended)]
    if part.inner or part.media_type == b"text":
        values.append(number(part.body.count(b"\n")))
    if not extended:
        return values
    return [*values, text_or_nil(field(b"content-md5")), *extension(part)]


def extension(part: Part) -> Sequence[Value]:
    """Return disposition, language and location (RFC 2183, RFC 3282, RFC 2557)."""
    field = part.fields.get
    kind, parameters = value_of(field(b"content-disposition", b""))
    languages = TOKENS.findall(field(b"content-language", b""))
    return [
        [text(kind), pairs(parameters)] if kind else None,
        [text(language) for language in languages] or None,
        text_or_nil(field(b"content-location")),
    ]


def pairs(parameters: Sequence[tuple[bytes, bytes]]) -> Value:
    """Return parameters as a list, or NIL without any."""
    return [text(word) for pair in parameters for word in pair] or None


def text(value: bytes) -> Text:
    """Return a string value, without NULs."""
    return Text(value.replace(b"\0", b""))


def text_or_nil(value: bytes | None) -> Value:
    """Return a field body, or NIL if there is no such field."""
    return None if value is None else text(value)


def number(value: int) -> Atom:
    """Return a number value."""
    return Atom(b"%d" % value)
