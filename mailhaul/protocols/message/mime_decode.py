"""Decode quoted-printable and base64 text parts (option mimedecode).

The model: the first ``WINDOW`` octets of a body are held, then decoded where possible. The rest of
the body is forwarded unchanged. So memory is bounded, the header is correct although it is
forwarded before the rest of the body arrives, and the result does not depend on how the message was
split into chunks. In nearly all mail the text parts come first; a part that is not complete within
the window stays encoded.

A text is decoded completely or not at all. Its Content-Transfer-Encoding is changed with it, and so
are those of all multiparts that contain it. The text stays unchanged if its encoding is malformed,
if the decoded text would contain a NUL, a bare CR, a line that is too long or a line that looks
like a boundary, and if the part is an attachment or its charset is not a superset of ASCII. Nothing
inside multipart/signed and multipart/encrypted is changed (RFC 1847), and nothing inside an
attached message.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Sequence
from typing import NamedTuple

from .body_type import mechanism
from .content_type import content_type, is_boundary, only
from .encoded_words import MAX_LINE, with_words_decoded
from .header import Field, HeaderScanner

WINDOW = 256 * 1024
"""The number of octets at the start of a body that are held for decoding."""
MAX_DEPTH = 16
"""Maximum depth of nested multiparts; deeper parts stay unchanged."""
MAX_PARTS = 1000
"""Maximum number of parts of a multipart; one with more parts stays unchanged."""

TRANSFER_ENCODING = b"content-transfer-encoding"
ENCODINGS = (b"quoted-printable", b"base64")
IDENTITY_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")
"""The encodings that a multipart may have (RFC 2045, 6.4)."""
PROTECTED_SUBTYPES = (b"signed", b"encrypted")
FIELD_START = re.compile(rb"[!-9;-~]+:")
AMBIGUOUS = re.compile(rb"\0|\r(?!\n)|\n(?!\Z|[ \t]++[^\0\r\n])")
"""What some readers take for the end of a field, or of the header: not so in other fields."""
BARE_CR = re.compile(rb"\r(?!\n|\Z)")
"""A CR that ends a line only for some readers, which may then see additional boundaries."""
BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|\n|\Z)")
NON_ASCII_CHARSETS = (b"utf-16", b"utf-32", b"ucs", b"unicode", b"iso-10646-ucs")
"""Prefixes of the names of charsets that encode ASCII characters with NULs."""


class MimeDecoder:
    """Decodes one message. Call ``feed`` until ``ready``, or ``finish``; then ``result``."""

    def __init__(self, fields: Sequence[Field], window: int = WINDOW) -> None:
        self._window = window
        self._held = bytearray()
        self._ended = False
        self._unchanged = not (is_mime(fields) and (is_text(fields) or boundary_of(fields)))

    @property
    def ready(self) -> bool:
        """Whether ``result`` can be called."""
        return self._unchanged or self._ended or len(self._held) > self._window

    def feed(self, data: bytes) -> None:
        """Add bytes of the body."""
        self._held += data

    def finish(self) -> None:
        """Record the end of the message."""
        self._ended = True

    def result(self, header: bytes) -> tuple[bytes, bytes]:
        """Return the header and the beginning of the body to forward.

        ``header`` is the outgoing header without decoding, with its blank line. The returned
        beginning of the body covers all bytes that were fed; later bytes are forwarded unchanged.
        """
        held = bytes(self._held)
        window, beyond = held[: self._window], held[self._window :]
        self._held = bytearray()
        entity, rest = parse_entity(header, whole=self._ended and not beyond)
        entity = entity._replace(body=window)
        if not (self._unchanged or BARE_CR.search(window)):
            entity = decoded(entity, (), MAX_DEPTH) or entity
        words = b"".join(map(with_words_decoded, entity.fields))
        return words + entity.separator + rest, entity.body + beyond


class Entity(NamedTuple):
    """A message or a part of one. If it is not ``whole``, ``body`` is only its beginning."""

    fields: list[Field]
    separator: bytes
    body: bytes
    line_end: bytes
    whole: bool

    def joined(self) -> bytes:
        """Return header, separator and body as one byte string."""
        return b"".join((*(field.raw for field in self.fields), self.separator, self.body))


def parse_entity(header: bytes, *, whole: bool) -> tuple[Entity, bytes]:
    """Return an entity with an empty body, and the bytes after its header."""
    scanner = HeaderScanner()
    scanner.feed(header)
    if not scanner.complete:
        scanner.finish()
    return Entity(scanner.fields, scanner.separator, b"", scanner.line_end, whole), scanner.rest


def decoded(entity: Entity, outer_boundaries: tuple[bytes, ...], depth: int) -> Entity | None:
    """Return an entity with its text parts decoded, or None if there is nothing to decode.

    ``outer_boundaries`` are the boundaries of all multiparts that contain it.
    """
    if not all(is_unambiguous(field.raw) for field in entity.fields):
        return None
    if boundary := boundary_of(entity.fields):
        return multipart_decoded(entity, boundary, outer_boundaries, depth) if depth else None
    if entity.whole and entity.body and is_text(entity.fields):
        return text_decoded(entity, outer_boundaries)
    return None


def is_unambiguous(field: bytes) -> bool:
    """Whether all readers take this for one field, with its line end or without."""
    return FIELD_START.match(field) is not None and AMBIGUOUS.search(field) is None


def text_decoded(entity: Entity, outer_boundaries: tuple[bytes, ...]) -> Entity | None:
    """Return a text entity decoded, or None if it must stay encoded."""
    text = decoded_octets(encoding_of(entity.fields), entity.body)
    if text is None or not may_be_unencoded(text, outer_boundaries):
        return None
    encoding = b"7bit" if text.isascii() else b"8bit"
    fields = with_encoding(entity, encoding)
    return entity._replace(fields=fields, body=text.replace(b"\n", entity.line_end))


def decoded_octets(encoding: bytes, body: bytes) -> bytes | None:
    """Return the decoded octets of a text, with LF as its line end; None if it is malformed.

    Blanks at the end of a quoted-printable line are not part of the text (RFC 2045, 6.7, 3).
    """
    plain = body.replace(b"\r\n", b"\n")
    if encoding == b"base64":
        try:
            text = a2b_base64(plain.translate(None, b" \t\n"), strict_mode=True)
        except Error:
            return None
    else:
        plain = b"\n".join(line.rstrip(b" \t") for line in plain.split(b"\n"))
        if BAD_ESCAPE.search(plain):
            return None
        text = a2b_qp(plain)
    return text.replace(b"\r\n", b"\n")


def may_be_unencoded(text: bytes, outer_boundaries: tuple[bytes, ...]) -> bool:
    """Whether a text is valid at its place without a transfer encoding (RFC 2045, 2.8)."""
    if b"\0" in text or b"\r" in text:
        return False
    delimiters = tuple(b"--" + boundary for boundary in outer_boundaries)
    lines = text.split(b"\n")
    return not any(len(line) > MAX_LINE or line.startswith(delimiters) for line in lines)


def multipart_decoded(
    entity: Entity, boundary: bytes, outer_boundaries: tuple[bytes, ...], depth: int
) -> Entity | None:
    """Return a multipart with its text parts decoded, or None if there is nothing to decode."""
    pieces: list[bytes] = []
    copied = 0
    eight_bit = False
    for start, end, whole in parts_of(entity, boundary):
        part, body = parse_entity(entity.body[start:end], whole=whole)
        part = part._replace(body=body)
        changed = decoded(part, (*outer_boundaries, boundary), depth - 1)
        if changed is not None:
            pieces += (entity.body[copied:start], changed.joined())
            copied = end
            eight_bit = eight_bit or encoding_of(changed.fields) in (b"8bit", b"binary")
    if not pieces:
        return None
    narrow = encoding_of(entity.fields) in (b"", b"7bit")
    fields = with_encoding(entity, b"8bit") if eight_bit and narrow else entity.fields
    return entity._replace(fields=fields, body=b"".join((*pieces, entity.body[copied:])))


def parts_of(entity: Entity, boundary: bytes) -> list[tuple[int, int, bool]]:
    """Return the start and end offset of each part, and whether it is complete (RFC 2046, 5.1.1).

    The line ends before and after a delimiter belong to the delimiter. If two delimiters share one
    line end, the part between them ends before it begins. Text after the closing delimiter is not a
    part.
    """
    body = entity.body
    # The last line may continue after the window.
    known = len(body) if entity.whole else body.rfind(b"\n") + 1
    line = rb"(?:\A|\r?\n)--%b(--)?[ \t]*(?:\r?(?=\n)|\Z)" % re.escape(boundary)
    parts: list[tuple[int, int, bool]] = []
    start = 0
    for found in re.compile(line).finditer(body, 0, known):
        if start:
            parts.append((start, found.start(), True))
        if found[1] or len(parts) > MAX_PARTS:
            break
        start = found.end() + 1
    else:
        if start:
            parts.append((start, len(body), False))
    return parts if len(parts) <= MAX_PARTS else []


def with_encoding(entity: Entity, encoding: bytes) -> list[Field]:
    """Return the fields of an entity with this Content-Transfer-Encoding."""
    fields = list(entity.fields)
    for index, field in enumerate(fields):
        if field.key == TRANSFER_ENCODING:
            end = field.raw[len(field.raw.rstrip(b"\r\n")) :]
            fields[index] = Field(field.raw[: field.raw.find(b":") + 1] + b" " + encoding + end)
            return fields
    added = b"Content-Transfer-Encoding: " + encoding + entity.line_end
    return [*fields, Field(added)]


def encoding_of(fields: Sequence[Field]) -> bytes:
    """Return the Content-Transfer-Encoding; several fields give no known encoding."""
    return b" ".join(mechanism(field) for field in fields if field.key == TRANSFER_ENCODING)


def boundary_of(fields: Sequence[Field]) -> bytes:
    """Return the boundary of a multipart whose parts may be decoded, else b""."""
    kind = content_type(fields)
    if kind is None or kind.main != b"multipart" or kind.sub in PROTECTED_SUBTYPES:
        return b""
    boundary = kind.parameters.get(b"boundary", b"")
    usable = is_boundary(boundary) and encoding_of(fields) in IDENTITY_ENCODINGS
    return boundary if usable else b""


def is_text(fields: Sequence[Field]) -> bool:
    """Whether this is an encoded text that is not an attachment."""
    kind = content_type(fields)
    if kind is None or kind.main != b"text" or encoding_of(fields) not in ENCODINGS:
        return False
    charset = kind.parameters.get(b"charset", b"").lower()
    attached = any(
        field.key == b"content-disposition" and b"attachment" in field.body.lower()
        for field in fields
    )
    return not (attached or charset.startswith(NON_ASCII_CHARSETS))


def is_mime(fields: Sequence[Field]) -> bool:
    """Whether a message declares MIME version 1 (RFC 2045, section 4)."""
    return only(fields, b"mime-version").strip().startswith(b"1.")
