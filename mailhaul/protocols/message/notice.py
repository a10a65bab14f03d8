"""The message that tells a user which of his mail is too large to be fetched (RFC 3834, section 5).

It is of our own making, and goes where his mail goes.
"""

from __future__ import annotations

from collections.abc import Mapping

from .bounce import Occasion, lines, quoted
from .hosts import host_bytes
from .trace import plain_bytes

MOST = 100
"""Different sizes that are named of one mailbox."""


def oversized_notice(
    occasion: Occasion,
    recipient: bytes,
    account: str,
    limit: int,
    sizes: Mapping[str, Mapping[int, int]],
    *,
    deleted: bool,
) -> bytes:
    """Return the whole message, with CRLF line ends.

    ``sizes`` says for each mailbox how many messages there are of each size above ``limit``, all
    in octets. ``deleted`` says that they are gone.
    """
    host = host_bytes(occasion.host)
    whose = quoted(account.encode("utf-8", "surrogateescape"))
    fate = b"was deleted unread" if deleted else b"stays on the server"
    said: list[bytes] = []
    for mailbox, counts in sizes.items():
        said += (b"", b"  %b:" % quoted(mailbox.encode("utf-8", "surrogateescape")))
        said += (b"    %b of %d octets" % (counted(n), size) for size, n in largest(counts))
    advice = () if deleted else (b"", b'A larger "limit" fetches it.')
    return lines(
        b"From: mailhaul <MAILER-DAEMON@%b>" % host,
        b"To: <%b>" % recipient,
        b"Subject: Mail for %b %b" % (whose, fate),
        b"Date: " + plain_bytes(occasion.date),
        b"Message-ID: <%b>" % plain_bytes(occasion.message_id, b" <>"),
        b"Auto-Submitted: auto-generated",
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=us-ascii",
        b"",
        b"Mail for %b is larger than the limit of %d octets and %b:" % (whose, limit, fate),
        *said,
        *advice,
    )


def counted(number: int) -> bytes:
    """Return a number of messages in words."""
    return b"1 message" if number == 1 else b"%d messages" % number


def largest(counts: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return the largest sizes, with their numbers."""
    return sorted(counts.items(), reverse=True)[:MOST]
