"""fetchmail's rewriting: addresses without a host get the mail server's name."""

from __future__ import annotations

from .addresses import addresses
from .header import Field

REWRITTEN = frozenset(
    {
        b"from",
        b"to",
        b"cc",
        b"bcc",
        b"reply-to",
        b"return-path",
        b"sender",
        b"apparently-to",
        b"resent-from",
        b"resent-to",
        b"resent-cc",
        b"resent-bcc",
        b"resent-reply-to",
        b"resent-sender",
    }
)
"""Fields that are rewritten."""


def rewritten(item: Field, host: bytes) -> bytes:
    """Return the field with ``@host`` behind each address that has no host of its own.

    Comments, names, ``<>`` and everything else stay as they are.
    """
    if item.name.lower() not in REWRITTEN:
        return item.raw
    body = item.body
    pieces: list[bytes] = []
    position = 0
    for address in addresses(body):
        if address.value and b"@" not in address.value and b"!" not in address.value:
            pieces += [body[position : address.end], b"@", host]
            position = address.end
    if not pieces:
        return item.raw
    return b"".join([item.raw[: len(item.name) + 1], *pieces, body[position:]])
