"""The messages that tell a user of trouble with his mail (RFC 3834, section 5).

Which of it is too large to be fetched, and that a server refuses his login. They are of our own
making, and go where his mail goes.
"""

from __future__ import annotations

from collections.abc import Mapping

from .bounce import BounceContext, lines, quoted
from .hosts import host_bytes
from .trace import plain_bytes

MAX_LISTED = 100
"""Different sizes that are named of one mailbox."""


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

    ``sizes`` says for each mailbox how many messages there are of each size above ``limit``, all
    in octets. ``deleted`` says that they are gone.
    """
    whose = quoted(account.encode("utf-8", "surrogateescape"))
    fate = b"was deleted unread" if deleted else b"stays on the server"
    said: list[bytes] = []
    for mailbox, counts in sizes.items():
        said += (b"", b"  %b:" % quoted(mailbox.encode("utf-8", "surrogateescape")))
        said += (b"    %b of %d octets" % (counted(n), size) for size, n in largest(counts))
    advice = () if deleted else (b"", b'A larger "limit" fetches it.')
    return lines(
        *header(context, recipient, b"Mail for %b %b" % (whose, fate)),
        b"Mail for %b is larger than the limit of %d octets and %b:" % (whose, limit, fate),
        *said,
        *advice,
    )


def login_notice(context: BounceContext, recipient: bytes, account: str, *, refused: bool) -> bytes:
    """Return the whole message, with CRLF line ends. ``account`` is USER@SERVER."""
    whose = quoted(account.encode("utf-8", "surrogateescape"))
    if not refused:
        return lines(
            *header(context, recipient, b"mailhaul authentication OK on %b" % whose),
            b"The login to %b is accepted again, and mail is fetched." % whose,
        )
    return lines(
        *header(context, recipient, b"mailhaul authentication failed on %b" % whose),
        b"The server has refused the login to %b three times, so no mail comes from there." % whose,
        b"",
        b"Either the password is wrong or has run out, or the provider wants another way to log",
        b"in, or the server has a fault of its own that it reports like that.",
        b"",
        b"The login is tried again, in the end once a day. Once the password in the rc file is",
        b'right, "mailhaul poll" tries at once. Another message follows when it is accepted.',
    )


def header(context: BounceContext, recipient: bytes, subject: bytes) -> tuple[bytes, ...]:
    """Return the header of a notice, and the empty line after it."""
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


def counted(number: int) -> bytes:
    """Return a number of messages in words."""
    return b"1 message" if number == 1 else b"%d messages" % number


def largest(counts: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return the largest sizes, with their numbers."""
    return sorted(counts.items(), reverse=True)[:MAX_LISTED]
