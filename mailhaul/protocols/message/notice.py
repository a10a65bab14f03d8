"""Build the messages that notify a user of problems with an account (RFC 3834, section 5).

They report messages that are too large to be fetched, and a login that the server refuses. They are
delivered to the same sink as the user's mail.
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


def login_notice(
    context: BounceContext, recipient: bytes, account: str, *, refused: bool, reason: str = ""
) -> bytes:
    """Return the whole message, with CRLF line ends. ``account`` is USER@SERVER.

    ``reason`` says why there is no token to log in with.
    """
    whose = quoted(account.encode("utf-8", "surrogateescape"))
    if not refused:
        return lines(
            *notice_header(context, recipient, b"mailhaul authentication OK on %b" % whose),
            b"The login to %b is accepted again, and mail is fetched." % whose,
        )
    header = notice_header(context, recipient, b"mailhaul authentication failed on %b" % whose)
    if reason:
        return lines(
            *header,
            b"No mail comes from %b, because there is no token to log in with:" % whose,
            b"",
            quoted(reason.encode("utf-8", "surrogateescape")),
            b"",
            b"This is tried again, at longer intervals up to once a day, and at once after",
            b'"mailhaul login". Another message follows when the login is accepted.',
        )
    return lines(
        *header,
        b"The server has refused the login to %b three times, so no mail comes from there." % whose,
        b"",
        b"Either the password is wrong or has expired, or the provider requires another login",
        b"method, or the server has a temporary problem that it reports in this way.",
        b"",
        b"The login is tried again, at longer intervals up to once a day. After you correct the",
        b'password in the rc file, "mailhaul poll" tries it at once. Another message follows when',
        b"the login is accepted.",
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
