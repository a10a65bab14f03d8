"""Add a host to addresses that have none, such as ``ann`` (option rewrite).

Host names are inserted and nothing else changes: fields are not refolded or decoded, and
comments, quoted names, groups and ``<>`` stay unchanged. Unlike in fetchmail, text that cannot
be an address also stays unchanged: two consecutive words, and RFC 2047 encoded words.
"""

from __future__ import annotations

from itertools import islice

from .addresses import hostless_ends
from .header import Field

REWRITTEN = frozenset(
    prefix + name
    for prefix in (b"", b"resent-")
    for name in (b"from", b"to", b"cc", b"bcc", b"sender")
) | {b"reply-to", b"return-path", b"apparently-from", b"apparently-to"}
"""The fields whose addresses are completed, in lower case; the same as in fetchmail."""

MAX_GROWTH = 256 * 1024
"""Maximum growth of a header in octets.

That is enough for ten thousand addresses, but not for a million one-letter addresses.
"""


def rewritten(field: Field, host: bytes, room: int = MAX_GROWTH) -> bytes:
    """Return the raw field with ``@host`` after each address that has no host.

    The field must not contain NULs, and ``host`` must be valid in an address. A field that would
    grow by more than ``room`` octets is returned unchanged.
    """
    if field.key not in REWRITTEN:
        return field.raw
    most = room // (len(host) + 1)
    ends = list(islice(hostless_ends(field.body), most + 1))
    if not ends or len(ends) > most:
        return field.raw
    offset = field.raw.find(b":") + 1
    pieces: list[bytes] = []
    position = 0
    for end in ends:
        pieces += (field.raw[position : offset + end], b"@", host)
        position = offset + end
    pieces.append(field.raw[position:])
    return b"".join(pieces)
