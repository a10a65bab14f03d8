"""What to declare about a body that has not been seen yet: BODY= of MAIL (RFC 6152, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from .header import Field

EIGHT_BIT_MIME = b"8BITMIME"
SEVEN_BIT = b"7BIT"


def body_type(fields: Sequence[Field], *, pass8bits: bool = False) -> bytes | None:
    """Return the value of BODY=, None if nothing is known and nothing is declared.

    The message's own Content-Transfer-Encoding is believed (RFC 2045, 6.1). fetchmail wants a
    MIME-Version beside it, and declares quoted-printable text, which is 7-bit, as 8BITMIME.
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
    """Return the one word of a Content-Transfer-Encoding, in lower case."""
    return field.body.partition(b"(")[0].partition(b";")[0].strip().lower()
