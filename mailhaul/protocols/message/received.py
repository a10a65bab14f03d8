"""What a Received field says about an envelope: by whom, and for whom (RFC 5321, section 4.4).

Only words outside comments count, which anybody can fill, and not the name behind ``from``,
which is what the client called itself. Unlike fetchmail, which searches for letters.
"""

from __future__ import annotations

from collections.abc import Iterator

from .addresses import (
    BLANKS,
    COMMENT,
    PUNCTUATION,
    QUOTE,
    Address,
    comment_end,
    first_address,
    quoted_end,
    word_end,
)

SEMICOLON = 0x3B


def received_for(body: bytes) -> tuple[bytes, Address | None]:
    """Return the host behind ``by``, and the address behind the ``for`` that follows.

    The address is None unless both are there and it has a host.
    """
    host = b""
    tokens = words(body)
    for word, end in tokens:
        match word.lower():
            case b"from":
                next(tokens, None)
            case b"by":
                host, _ = next(tokens, (b"", 0))
            case b"for" if host:
                address = first_address(body[end:])
                whole = address is not None and not address.hostless and b"@" in address.spec
                return host, address if whole else None
            case _:
                pass
    return host, None


def words(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the words and where they end, without comments, up to the date."""
    position = 0
    while position < len(body) and body[position] != SEMICOLON:
        byte = body[position]
        if byte == COMMENT:
            position = comment_end(body, position)
        elif byte in BLANKS or byte in PUNCTUATION:
            position += 1
        else:
            end = quoted_end(body, position) if byte == QUOTE else word_end(body, position)
            if end < 0:
                return
            yield body[position:end], end
            position = end
