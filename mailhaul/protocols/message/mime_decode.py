"""Quoted-printable and base64 texts decoded to what they say (option mimedecode).

The model: the first ``WINDOW`` octets of a body are held, then decided upon, and what follows them
passes through. So memory is bounded, a header that is handed on tells the truth about a body that
is not there yet, and how the message arrived in pieces changes nothing. Texts come first in nearly
all mail; what is not whole within the window stays encoded.

A text is decoded whole or not at all, and its Content-Transfer-Encoding with it, and that of all
that it is part of. It stays as it is, to the octet, where its encoding is malformed, where it would
hold a NUL, a bare CR, a line that is too long or one that is taken for the end of its part, and
where it is a file or in a charset that is no superset of ASCII. Nothing inside multipart/signed and
multipart/encrypted is touched (RFC 1847), and nothing inside of another message.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Sequence
from typing import NamedTuple

from .body_type import mechanism
from .content_type import content_type, is_boundary, only
from .encoded_words import LINE_LIMIT, with_words_decoded
from .header import Field, HeaderScanner

WINDOW = 256 * 1024
"""Octets of a body that are held until it is clear what becomes of them."""
DEPTH = 16
"""Multiparts inside each other; what is deeper stays as it is."""
PARTS = 1000
"""Parts of one multipart; one with more of them stays as it is."""

KEY = b"content-transfer-encoding"
ENCODINGS = (b"quoted-printable", b"base64")
PLAIN = (b"", b"7bit", b"8bit", b"binary")
"""Encodings that a multipart may have (RFC 2045, 6.4)."""
SEALED = (b"signed", b"encrypted")
CLEAR = re.compile(rb"[!-9;-~]+:[^\0\r\n]*(?:\r?\n[ \t]++[^\0\r\n][^\0\r\n]*+)*+(?:\r?\n)?")
"""A field that every reader takes for one; at other lines some of them see the header's end."""
BARE_CR = re.compile(rb"\r(?!\n|\Z)")
"""To some readers this ends a line, and so there may be delimiters that others do not see."""
BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|\n|\Z)")
WIDE = (b"utf-16", b"utf-32", b"ucs", b"unicode", b"iso-10646-ucs")
"""How the names of charsets begin that need NULs for ASCII."""


class MimeDecoder:
    """Decodes one message: ``feed`` until ``ready``, or ``finish``; then ``result``."""

    def __init__(self, fields: Sequence[Field], window: int = WINDOW) -> None:
        self._window = window
        self._held = bytearray()
        self._ended = False
        self._hopeless = not (is_mime(fields) and (is_text(fields) or boundary_of(fields)))

    @property
    def ready(self) -> bool:
        """Whether what becomes of the message can be told."""
        return self._hopeless or self._ended or len(self._held) > self._window

    def feed(self, data: bytes) -> None:
        """Take some bytes of the body."""
        self._held += data

    def finish(self) -> None:
        """The message is over."""
        self._ended = True

    def result(self, header: bytes) -> tuple[bytes, bytes]:
        """Return the header and the beginning of the body as they are handed on.

        ``header`` is what would be handed on otherwise, with its blank line. All that was fed is
        in the beginning; what comes later passes.
        """
        held = bytes(self._held)
        window, beyond = held[: self._window], held[self._window :]
        self._held = bytearray()
        entity, rest = taken_apart(header, whole=self._ended and not beyond)
        entity = entity._replace(body=window)
        if not (self._hopeless or BARE_CR.search(window)):
            entity = decoded(entity, (), DEPTH) or entity
        words = b"".join(map(with_words_decoded, entity.fields))
        return words + entity.separator + rest, entity.body + beyond


class Entity(NamedTuple):
    """A message or a part of one. One that is not ``whole`` goes on behind what is known of it."""

    fields: list[Field]
    separator: bytes
    body: bytes
    line_end: bytes
    whole: bool

    def joined(self) -> bytes:
        """Return all of it."""
        return b"".join((*(field.raw for field in self.fields), self.separator, self.body))


def taken_apart(header: bytes, *, whole: bool) -> tuple[Entity, bytes]:
    """Return an entity without its body, and what stands behind its header."""
    scanner = HeaderScanner()
    scanner.feed(header)
    if not scanner.complete:
        scanner.finish()
    return Entity(scanner.fields, scanner.separator, b"", scanner.line_end, whole), scanner.rest


def decoded(entity: Entity, around: tuple[bytes, ...], depth: int) -> Entity | None:
    """Return an entity with its texts decoded; None where there is nothing to decode.

    ``around`` are the boundaries of all that it is part of.
    """
    if not all(CLEAR.fullmatch(field.raw) for field in entity.fields):
        return None
    if boundary := boundary_of(entity.fields):
        return multipart_decoded(entity, boundary, around, depth) if depth else None
    if entity.whole and entity.body and is_text(entity.fields):
        return text_decoded(entity, around)
    return None


def text_decoded(entity: Entity, around: tuple[bytes, ...]) -> Entity | None:
    """Return a text decoded, None where it has to stay as it is."""
    text = plain_text(encoding_of(entity.fields), entity.body)
    if text is None or not may_stand(text, around):
        return None
    encoding = b"7bit" if text.isascii() else b"8bit"
    fields = labelled(entity, encoding)
    return entity._replace(fields=fields, body=text.replace(b"\n", entity.line_end))


def plain_text(encoding: bytes, body: bytes) -> bytes | None:
    """Return what an encoded text says, with LF as its line end; None if it is malformed.

    Blanks at the end of a quoted-printable line are none of the author's (RFC 2045, 6.7, 3).
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


def may_stand(text: bytes, around: tuple[bytes, ...]) -> bool:
    """Whether a text can be passed on without an encoding (RFC 2045, 2.8), where it stands."""
    if b"\0" in text or b"\r" in text:
        return False
    delimiters = tuple(b"--" + boundary for boundary in around)
    lines = text.split(b"\n")
    return not any(len(line) > LINE_LIMIT or line.startswith(delimiters) for line in lines)


def multipart_decoded(
    entity: Entity, boundary: bytes, around: tuple[bytes, ...], depth: int
) -> Entity | None:
    """Return a multipart with its texts decoded; None where there is nothing to decode."""
    pieces: list[bytes] = []
    position = 0
    eight_bit = False
    for start, end, whole in parts_of(entity, boundary):
        part, body = taken_apart(entity.body[start:end], whole=whole)
        part = part._replace(body=body)
        changed = decoded(part, (*around, boundary), depth - 1)
        if changed is not None:
            pieces += (entity.body[position:start], changed.joined())
            position = end
            eight_bit = eight_bit or encoding_of(changed.fields) in (b"8bit", b"binary")
    if not pieces:
        return None
    narrow = encoding_of(entity.fields) in (b"", b"7bit")
    fields = labelled(entity, b"8bit") if eight_bit and narrow else entity.fields
    return entity._replace(fields=fields, body=b"".join((*pieces, entity.body[position:])))


def parts_of(entity: Entity, boundary: bytes) -> list[tuple[int, int, bool]]:
    """Return where the parts begin and end, and whether they do end there (RFC 2046, 5.1.1).

    The line end before a delimiter belongs to it, and so does that behind it: where they are one,
    the part between ends before it begins. Nothing behind the closing delimiter is a part.
    """
    body = entity.body
    # The last line may go on behind the window.
    known = len(body) if entity.whole else body.rfind(b"\n") + 1
    line = rb"(?:\A|\r?\n)--%b(--)?[ \t]*(?:\r?(?=\n)|\Z)" % re.escape(boundary)
    parts: list[tuple[int, int, bool]] = []
    start = 0
    for found in re.compile(line).finditer(body, 0, known):
        if start:
            parts.append((start, found.start(), True))
        if found[1] or len(parts) > PARTS:
            break
        start = found.end() + 1
    else:
        if start:
            parts.append((start, len(body), False))
    return parts if len(parts) <= PARTS else []


def labelled(entity: Entity, encoding: bytes) -> list[Field]:
    """Return the fields of an entity with another Content-Transfer-Encoding."""
    fields = list(entity.fields)
    for index, field in enumerate(fields):
        if field.key == KEY:
            end = field.raw[len(field.raw.rstrip(b"\r\n")) :]
            fields[index] = Field(field.raw[: field.raw.find(b":") + 1] + b" " + encoding + end)
            return fields
    added = b"Content-Transfer-Encoding: " + encoding + entity.line_end
    return [*fields, Field(added)]


def encoding_of(fields: Sequence[Field]) -> bytes:
    """Return the Content-Transfer-Encoding; no known one where there are several."""
    return b" ".join(mechanism(field) for field in fields if field.key == KEY)


def boundary_of(fields: Sequence[Field]) -> bytes:
    """Return the boundary of a multipart that may be looked into, else b""."""
    kind = content_type(fields)
    if kind is None or kind.main != b"multipart" or kind.sub in SEALED:
        return b""
    boundary = kind.parameters.get(b"boundary", b"")
    usable = is_boundary(boundary) and encoding_of(fields) in PLAIN
    return boundary if usable else b""


def is_text(fields: Sequence[Field]) -> bool:
    """Whether this is an encoded text for people to read."""
    kind = content_type(fields)
    if kind is None or kind.main != b"text" or encoding_of(fields) not in ENCODINGS:
        return False
    charset = kind.parameters.get(b"charset", b"").lower()
    attached = any(
        field.key == b"content-disposition" and b"attachment" in field.body.lower()
        for field in fields
    )
    return not (attached or charset.startswith(WIDE))


def is_mime(fields: Sequence[Field]) -> bool:
    """Whether a message says that it is a MIME message (RFC 2045, section 4)."""
    return only(fields, b"mime-version").strip().startswith(b"1.")
