"""Mailbox names between people and the wire: modified UTF-7 (RFC 3501, 5.1.3)."""

from __future__ import annotations

from binascii import b2a_base64


def encode_mailbox(name: str) -> bytes:
    """Return the name as it goes on the wire, before quoting.

    A name that is all ASCII is taken as it stands, ``&`` included: who writes
    ``Entw&APw-rfe`` in an rc file has encoded it already, because fetchmail never did.
    """
    if name.isascii():
        return name.encode("ascii")
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


def _shifted(text: str) -> bytes:
    if not text:
        return b""
    encoded = b2a_base64(text.encode("utf-16-be", "surrogatepass"), newline=False)
    return b"&" + encoded.rstrip(b"=").replace(b"/", b",") + b"-"
