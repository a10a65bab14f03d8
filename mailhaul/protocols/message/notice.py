"""Build the message that notifies a user of mail that is too large to be fetched (RFC 3834, 5).

It is delivered to the same sink as the user's mail. alert.py builds messages about polls that fail.
"""

from __future__ import annotations

from collections.abc import Mapping

from .bounce import BounceContext, lines, quoted
from .hosts import host_bytes
from .trace import plain_bytes

MAX_LISTED = 100
"""Maximum number of different sizes listed for one mailbox."""


def oversized_notice(
    context: BounceContext,
    recipient: bytes,
    account: str,
    limit: int,
    sizes: Mapping[str, Mapping[int, int]],
    *,
    deleted: bool,
) -> bytes:
    """Return the whole message, with CRLF line ends.

    ``sizes`` maps each mailbox to the number of messages of each size above ``limit``. All sizes
    are in octets. ``deleted`` is true if the messages were deleted.
    """
    whose = quoted(account.encode("utf-8", "surrogateescape"))
    outcome = b"was deleted unread" if deleted else b"stays on the server"
    listing: list[bytes] = []
    for mailbox, counts in sizes.items():
        listing += (b"", b"  %b:" % quoted(mailbox.encode("utf-8", "surrogateescape")))
        listing += (
            b"    %b of %d octets" % (message_count(n), size) for size, n in largest_sizes(counts)
        )
    advice = () if deleted else (b"", b'A larger "limit" fetches it.')
    return lines(
        *notice_header(context, recipient, b"Mail for %b %b" % (whose, outcome)),
        b"Mail for %b is larger than the limit of %d octets and %b:" % (whose, limit, outcome),
        *listing,
        *advice,
    )


def notice_header(context: BounceContext, recipient: bytes, subject: bytes) -> tuple[bytes, ...]:
    """Return the header lines of a notice, and the empty line after them."""
    return (
        b"From: mailhaul <MAILER-DAEMON@%b>" % host_bytes(context.host),
        b"To: <%b>" % recipient,
        b"Subject: " + subject,
        b"Date: " + plain_bytes(context.date),
        b"Message-ID: <%b>" % plain_bytes(context.message_id, b" <>"),
        b"Auto-Submitted: auto-generated",
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=us-ascii",
        b"",
    )


def message_count(number: int) -> bytes:
    """Return "1 message" or "N messages"."""
    return b"1 message" if number == 1 else b"%d messages" % number


def largest_sizes(counts: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return up to ``MAX_LISTED`` pairs of a size and its number of messages, largest first."""
    return sorted(counts.items(), reverse=True)[:MAX_LISTED]
