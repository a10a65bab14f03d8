"""Read the receiving host and the recipient from a Received field (RFC 5321, section 4.4).

Comments do not count, because a client can control their text; neither does the name after
``from``, which the client chose itself. fetchmail, in contrast, searches for substrings.
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
    """Return the host after ``by``, and the address after the ``for`` that follows it.

    The address is None unless both clauses are present and the address has a host.
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
    """Yield each word and its end offset, without comments, up to the date."""
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
