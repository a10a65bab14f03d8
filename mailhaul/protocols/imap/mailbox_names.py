"""Encode and decode mailbox names: modified UTF-7, or UTF-8 if that is enabled.

RFC 3501, section 5.1.3; RFC 6855, section 3; RFC 9051, section 5.1.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64


def encode_mailbox(name: str, *, utf8: bool = False) -> bytes:
    """Return a mailbox name as sent, without quotes: modified UTF-7, or UTF-8 if ``utf8``.

    A name in ASCII is not changed, even if it contains ``&``: fetchmail does not encode names, so
    names in rc files are already encoded (``Entw&APw-rfe``). A name with surrogate escapes, that
    is with octets that are not UTF-8, is sent as those octets, because their charset is unknown.
    """
    if name.isascii():
        return name.encode("ascii")
    # Surrogate escapes are octets of an unknown charset, so they cannot be encoded.
    if utf8 or any("\udc80" <= character <= "\udcff" for character in name):
        return name.encode("utf-8", "surrogateescape")
    return encode_name(name)


def encode_name(name: str) -> bytes:
    """Return a name in modified UTF-7. The name must not be encoded already (names from URLs)."""
    encoded = bytearray()
    pending = ""
    for character in name:
        if " " <= character <= "~":
            encoded += _shifted(pending)
            pending = ""
            encoded += b"&-" if character == "&" else character.encode("ascii")
        else:
            pending += character
    return bytes(encoded + _shifted(pending))


def decode_mailbox(wire: bytes, *, utf8: bool = False) -> str:
    """Return a mailbox name as text. Invalid modified UTF-7 stays unchanged."""
    if utf8 or not wire.isascii():
        return wire.decode("utf-8", "surrogateescape")
    plain, *shifts = wire.decode("ascii").split("&")
    pieces = [plain]
    for shift in shifts:
        encoded, dash, rest = shift.partition("-")
        decoded = _unshifted(encoded) if dash else None
        pieces.append("&" + shift if decoded is None else decoded + rest)
    return "".join(pieces)


def _shifted(text: str) -> bytes:
    if not text:
        return b""
    encoded = b2a_base64(text.encode("utf-16-be", "surrogatepass"), newline=False)
    return b"&" + encoded.rstrip(b"=").replace(b"/", b",") + b"-"


def _unshifted(encoded: str) -> str | None:
    """Decode the text between ``&`` and ``-``; return None if it is not modified base64."""
    if not encoded:
        return "&"
    padded = encoded.replace(",", "/") + "=" * (-len(encoded) % 4)
    try:
        return a2b_base64(padded, strict_mode=True).decode("utf-16-be")
    except (Base64Error, UnicodeDecodeError, ValueError):
        return None
