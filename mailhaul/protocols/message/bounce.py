"""Build the message that reports a failed delivery (RFC 6522, 3464, 5321 section 4.5.5).

It is a multipart/report with three parts: a text for the sender, one group of machine-readable
fields for each recipient, and the header of the undelivered message. It is sent with the null
sender. bounceable.py decides whether a message may be bounced.

Replies and headers come from outside and are not trusted. Quoted text cannot end a line or a part:
replies and addresses become printable ASCII on one line, header lines stay lines, and a boundary
that occurs in the text is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..dots import with_line_feeds
from ..errors import LocalProtocolError
from ..record import Record
from .content_type import is_boundary
from .envelope import is_path
from .hosts import host_bytes
from .trace import plain_bytes

MAX_LINE = 998
"""Maximum length of a line in octets, without its CRLF (RFC 5322, 2.1.1)."""
MAX_HEADER = 64 * 1024
"""Maximum number of octets of the original header that a bounce returns.

The sender of a bounced message may be forged; a bounce should not carry a megabyte to a stranger.
"""
MAX_QUOTED = 900
"""Maximum number of octets quoted from a reply or an address, so that its field fits on a line."""


class Failure(Record):
    """One recipient who does not get the message, and why.

    ``reply`` is the SMTP server's reply, including its code. ``status`` is the enhanced status
    code (RFC 3463). If it is None or invalid, the first digit of the reply decides.
    """

    recipient: bytes
    status: bytes | None
    reply: bytes


class BounceContext(Record):
    """The facts that a bounce adds of its own: host, date, Message-ID and MIME boundary.

    ``date`` is a result of ``trace.format_date``. ``message_id`` has no angle brackets.
    """

    host: str
    date: bytes
    message_id: bytes
    boundary: bytes


def bounce(
    context: BounceContext, sender: bytes, failures: Sequence[Failure], header: bytes
) -> bytes:
    """Return the whole bounce message, with CRLF line ends.

    Its envelope goes from ``<>`` to ``sender``. ``header`` is the unchanged header of the
    undelivered message. Raises LocalProtocolError if the boundary is invalid or occurs in the
    text, if ``sender`` is not a valid ASCII address, or if there are no failures.
    """
    boundary = context.boundary
    if not is_boundary(boundary):
        raise LocalProtocolError("not a valid MIME boundary")
    if not (sender.isascii() and is_path(sender)):
        raise LocalProtocolError("a bounce cannot be sent to this sender address")
    if not failures:
        raise LocalProtocolError("a bounce needs at least one failed recipient")
    quoted_header = truncated_header(header)
    truncated = len(quoted_header) < len(header)
    parts = (
        text_part(context, failures, truncated),
        status_part(context, failures),
        header_part(quoted_header),
    )
    if any(boundary in part for part in parts):
        raise LocalProtocolError("the boundary occurs in the text; choose another")
    delimiter = b"\r\n--" + boundary
    text = b"".join(delimiter + b"\r\n" + part for part in parts)
    return bounce_header(context, sender) + text + delimiter + b"--\r\n"


def bounce_header(context: BounceContext, sender: bytes) -> bytes:
    """Return the header; it marks the message as not to be auto-replied (RFC 3834, section 5)."""
    return lines(
        b"From: Mail Delivery System <MAILER-DAEMON@%b>" % host_bytes(context.host),
        b"To: <%b>" % sender,
        b"Subject: Your message could not be delivered",
        b"Date: " + plain_bytes(context.date),
        b"Message-ID: <%b>" % plain_bytes(context.message_id, b" <>"),
        b"Auto-Submitted: auto-replied",
        b"MIME-Version: 1.0",
        b"Content-Type: multipart/report; report-type=delivery-status;",
        b'\tboundary="%b"' % context.boundary,
    )


def text_part(context: BounceContext, failures: Sequence[Failure], truncated: bool) -> bytes:
    """Return the human-readable part."""
    listing: list[bytes] = []
    for failure in failures:
        listing += (b"  <%b>" % quoted(failure.recipient), b"    " + quoted(failure.reply), b"")
    what = b"The beginning of the header" if truncated else b"The header"
    return lines(
        b"Content-Type: text/plain; charset=us-ascii",
        b"",
        b"The mail system at %b could not deliver your message to" % host_bytes(context.host),
        b"",
        *listing,
        b"It will not be tried again. %b of your message is attached." % what,
    )


def status_part(context: BounceContext, failures: Sequence[Failure]) -> bytes:
    """Return the machine-readable part (RFC 3464, section 2)."""
    groups: list[bytes] = []
    for failure in failures:
        # RFC 6533, 3: the escaped form of an internationalized address has its own address type.
        kind = b"rfc822" if failure.recipient.isascii() else b"utf-8"
        groups += (
            b"",
            b"Final-Recipient: %b; %b" % (kind, quoted(failure.recipient)),
            b"Action: failed",
            b"Status: " + status_of(failure),
            b"Diagnostic-Code: smtp; " + quoted(failure.reply),
        )
    reporter = b"Reporting-MTA: dns; " + host_bytes(context.host)
    return lines(b"Content-Type: message/delivery-status", b"", reporter, *groups)


def truncated_header(header: bytes) -> bytes:
    """Return the whole lines of a header that fit in ``MAX_HEADER`` octets."""
    if len(header) <= MAX_HEADER:
        return header
    return header[: header.rfind(b"\n", 0, MAX_HEADER) + 1 or MAX_HEADER]


def header_part(header: bytes) -> bytes:
    """Return the part with the original header, without NULs; long lines are truncated."""
    plain = with_line_feeds(header.replace(b"\0", b""))
    kept = [line[:MAX_LINE] for line in plain.split(b"\n") if line]
    encoding = [] if plain.isascii() else [b"Content-Transfer-Encoding: 8bit"]
    return lines(b"Content-Type: text/rfc822-headers", *encoding, b"", *kept)


def status_of(failure: Failure) -> bytes:
    """Return the enhanced status code, or x.0.0 if it is unknown (RFC 3463, section 2)."""
    first, *rest = (failure.status or b"").split(b".")
    known = len(rest) == 2 and all(part.isdigit() and len(part) <= 3 for part in rest)
    if known and first in {b"4", b"5"}:
        return b".".join((first, *rest))
    return b"4.0.0" if failure.reply.startswith(b"4") else b"5.0.0"


def quoted(text: bytes) -> bytes:
    """Return untrusted text as printable ASCII on one line (RFC 6533, 3: ``\\x{FC}``)."""
    words = b" ".join(text[:MAX_QUOTED].split()).decode("utf-8", "replace")
    escaped = "".join(c if c.isascii() else f"\\x{{{ord(c):X}}}" for c in words)
    return plain_bytes(escaped.encode("ascii")[:MAX_QUOTED])


def lines(*each: bytes) -> bytes:
    """Return the lines joined, each with CRLF at its end."""
    return b"\r\n".join((*each, b""))
