"""Addresses without a host get one: what ``ann`` meant at the mail server (option rewrite).

Host names are inserted and nothing else is changed: no re-folding, no decoding; comments,
quoted names, groups and ``<>`` stay as they are. Unlike fetchmail, what cannot be an
address is left alone too: two words in a row, and RFC 2047 encoded words.
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
"""The fields whose addresses are completed, in lower case: fetchmail's, none else."""


ROOM = 256 * 1024
"""Octets by which a header may grow: ten thousand addresses, and no million of single letters."""


def rewritten(field: Field, host: bytes, room: int = ROOM) -> bytes:
    """Return the raw field with ``@host`` behind each address that has no host.

    The field has no NULs in it any more; ``host`` can stand in an address. A field that would
    grow by more octets than there is ``room`` for is returned as it came.
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
