"""The message that tells a sender what could not be delivered (RFC 6522, 3464, 5321 section 4.5.5).

A multipart/report of three parts: words for people, one group of fields for each recipient for
programs, and the header of the message. It goes out with the null sender. Whether there may be one
at all is for bounceable.py to say.

Replies and headers are whatever strangers wrote. What is quoted of them cannot end a line or a
part: replies and addresses become printable ASCII on one line, lines of the header stay lines, and
a boundary that occurs in any of it is refused.
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

LINE_LIMIT = 998
"""Octets of a line without its CRLF (RFC 5322, 2.1.1)."""
HEADER_LIMIT = 64 * 1024
"""Octets that come back of a header: a stranger's megabyte need not go to another stranger."""
QUOTED_LIMIT = 900
"""Octets that are quoted of a reply or an address: with what stands before them, one line."""


class Failure(Record):
    """One recipient who does not get the message, and why.

    ``reply`` is what the listener said, code included. ``status`` is the enhanced status code
    (RFC 3463) if there is one; without, or where it is none, the reply's first digit tells.
    """

    recipient: bytes
    status: bytes | None
    reply: bytes


class BounceContext(Record):
    """Where, when and under which names a bounce is made: all that it has of its own.

    ``date`` is what ``trace.format_date`` returns, ``message_id`` is without angle brackets.
    """

    host: str
    date: bytes
    message_id: bytes
    boundary: bytes


def bounce(
    context: BounceContext, sender: bytes, failures: Sequence[Failure], header: bytes
) -> bytes:
    """Return the whole message, with CRLF line ends, for the envelope ``<>`` to ``sender``.

    ``header`` is that of the undelivered message, as it came. Raises LocalProtocolError for a
    boundary that is none or that occurs in the text, for a sender that no bounce can go to, and
    where nothing failed.
    """
    boundary = context.boundary
    if not is_boundary(boundary):
        raise LocalProtocolError("this is no MIME boundary")
    if not (sender.isascii() and is_path(sender)):
        raise LocalProtocolError("no bounce can go to this sender")
    if not failures:
        raise LocalProtocolError("a bounce without a failed recipient")
    returning = whole_lines(header)
    cut = len(returning) < len(header)
    parts = (
        explanation(context, failures, cut),
        report(context, failures),
        returned(returning),
    )
    if any(boundary in part for part in parts):
        raise LocalProtocolError("the boundary occurs in the text; choose another")
    delimiter = b"\r\n--" + boundary
    text = b"".join(delimiter + b"\r\n" + part for part in parts)
    return own_header(context, sender) + text + delimiter + b"--\r\n"


def own_header(context: BounceContext, sender: bytes) -> bytes:
    """Return the header. Nobody's machine is to answer it (RFC 3834, section 5)."""
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


def explanation(context: BounceContext, failures: Sequence[Failure], cut: bool) -> bytes:
    """Return the part for people."""
    said: list[bytes] = []
    for failure in failures:
        said += (b"  <%b>" % quoted(failure.recipient), b"    " + quoted(failure.reply), b"")
    what = b"The beginning of the header" if cut else b"The header"
    return lines(
        b"Content-Type: text/plain; charset=us-ascii",
        b"",
        b"The mail system at %b could not deliver your message to" % host_bytes(context.host),
        b"",
        *said,
        b"It will not be tried again. %b of your message is attached." % what,
    )


def report(context: BounceContext, failures: Sequence[Failure]) -> bytes:
    """Return the part for programs (RFC 3464, section 2)."""
    groups: list[bytes] = []
    for failure in failures:
        # RFC 6533, 3: the escaped form of an internationalized address has a type of its own.
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


def whole_lines(header: bytes) -> bytes:
    """Return as much of a header as is sent back."""
    if len(header) <= HEADER_LIMIT:
        return header
    return header[: header.rfind(b"\n", 0, HEADER_LIMIT) + 1 or HEADER_LIMIT]


def returned(header: bytes) -> bytes:
    """Return the part with the message's own header: its lines, less NULs and what is too long."""
    plain = with_line_feeds(header.replace(b"\0", b""))
    kept = [line[:LINE_LIMIT] for line in plain.split(b"\n") if line]
    encoding = [] if plain.isascii() else [b"Content-Transfer-Encoding: 8bit"]
    return lines(b"Content-Type: text/rfc822-headers", *encoding, b"", *kept)


def status_of(failure: Failure) -> bytes:
    """Return a status code (RFC 3463, section 2); x.0.0 says that no more is known."""
    first, *rest = (failure.status or b"").split(b".")
    known = len(rest) == 2 and all(part.isdigit() and len(part) <= 3 for part in rest)
    if known and first in {b"4", b"5"}:
        return b".".join((first, *rest))
    return b"4.0.0" if failure.reply.startswith(b"4") else b"5.0.0"


def quoted(text: bytes) -> bytes:
    """Return a stranger's words as printable ASCII on one line (RFC 6533, 3: ``\\x{FC}``)."""
    words = b" ".join(text[:QUOTED_LIMIT].split()).decode("utf-8", "replace")
    escaped = "".join(c if c.isascii() else f"\\x{{{ord(c):X}}}" for c in words)
    return plain_bytes(escaped.encode("ascii")[:QUOTED_LIMIT])


def lines(*each: bytes) -> bytes:
    """Return lines with their ends."""
    return b"\r\n".join((*each, b""))
