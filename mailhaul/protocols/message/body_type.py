"""Choose the BODY= parameter of MAIL before the body has been read (RFC 6152, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from .header import Field

EIGHT_BIT_MIME = b"8BITMIME"
SEVEN_BIT = b"7BIT"


def body_type(fields: Sequence[Field], *, pass8bits: bool = False) -> bytes | None:
    """Return the value of BODY=, or None to declare nothing.

    The value follows from the Content-Transfer-Encoding of the message (RFC 2045, 6.1).
    fetchmail also requires a MIME-Version field, and declares quoted-printable text, which is
    7-bit, as 8BITMIME.
    """
    encoding = next(
        (mechanism(field) for field in fields if field.key == b"content-transfer-encoding"), b""
    )
    if pass8bits or encoding == b"8bit":
        return EIGHT_BIT_MIME
    if encoding == b"7bit" and all(field.raw.isascii() for field in fields):
        return SEVEN_BIT
    return None


def mechanism(field: Field) -> bytes:
    """Return the mechanism of a Content-Transfer-Encoding field, in lower case."""
    return field.body.partition(b"(")[0].partition(b";")[0].strip().lower()
