"""Parse a message for the IMAP server on demand; each result is cached."""

from __future__ import annotations

from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from functools import cached_property

from ..protocols.message.encoded_words import CHARSETS, MAX_FIELD, decoded_text
from .mailboxes import Message
from .mime import Part, fields_of, section_of, split, unfolded


class ParsedMessage:
    """One message, parsed only as far as needed."""

    def __init__(self, message: Message) -> None:
        self.message = message

    @cached_property
    def text(self) -> bytes:
        """The whole text."""
        return self.message.text

    @cached_property
    def part(self) -> Part:
        """The MIME structure."""
        return Part(self.text)

    @cached_property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The names (in lower case) and unfolded bodies of the header fields."""
        header = split(self.text)[0]
        return [(field.key, unfolded(field.body)) for field in fields_of(header)]

    @cached_property
    def body_texts(self) -> list[str]:
        """The texts to search in the body, case-folded: raw and decoded (RFC 3501, 6.4.4)."""
        return [folded(split(self.text)[1]), *(folded(text) for text in texts_in(self.part))]

    @cached_property
    def header_texts(self) -> list[str]:
        """The texts to search in the header, case-folded: raw and decoded."""
        decoded = (readable(body) for _, body in self.fields)
        return [folded(split(self.text)[0]), *decoded]

    def values_of(self, name: bytes) -> list[bytes]:
        """Return the bodies of the fields with this name (in lower case)."""
        return [body for key, body in self.fields if key == name]

    def section(self, section: bytes) -> bytes | None:
        """Return the octets of a section, or None if it does not exist."""
        return section_of(self.part, section)


def folded(text: bytes) -> str:
    """Return UTF-8 text as a str, case-folded for comparison."""
    return text.decode("utf-8", "surrogateescape").casefold()


def readable(body: bytes) -> str:
    """Return a field body with its encoded words decoded, case-folded."""
    return folded(decoded_text(body) if b"=?" in body and len(body) <= MAX_FIELD else body)


def texts_in(part: Part) -> Iterator[bytes]:
    """Yield the text parts of a message, decoded to UTF-8."""
    if part.inner:
        yield from texts_in(part.inner)
    for child in part.parts:
        yield from texts_in(child)
    if part.media_type == b"text":
        yield in_utf8(transferred(part), dict(part.parameters).get(b"charset", b""))


def transferred(part: Part) -> bytes:
    """Return the body of a part with its Content-Transfer-Encoding decoded."""
    match part.fields.get(b"content-transfer-encoding", b"").lower():
        case b"quoted-printable":
            return a2b_qp(part.body)
        case b"base64":
            try:
                return a2b_base64(part.body)
            except Error:
                return b""
        case _:
            return part.body


def in_utf8(text: bytes, charset: bytes) -> bytes:
    """Return text in UTF-8, or unchanged if its charset is unknown."""
    name = charset.decode("ascii", "replace").lower()
    return text.decode(name, "replace").encode("utf-8") if name in CHARSETS else text
