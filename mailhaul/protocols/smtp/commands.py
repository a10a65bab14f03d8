"""The commands of an SMTP or LMTP client (RFC 5321, section 4.1; RFC 2033).

Sections are those of RFC 5321 unless another RFC is named. Text is bytes, as sent: ASCII, or UTF-8
with SMTPUTF8. Every command raises TypeError for a field of the wrong type.
"""

from __future__ import annotations

from ..record import CheckedRecord
from ..sasl.exchange import Authenticate, CancelAuthentication, Respond


class Ehlo(CheckedRecord):
    """Give the client's host name and request the extensions: EHLO, or LHLO in LMTP (4.1.1.1)."""

    name: bytes


class Helo(CheckedRecord):
    """Give the client's host name to a server that refused EHLO (4.1.1.1). Not allowed in LMTP."""

    name: bytes


class StartTls(CheckedRecord):
    """Request TLS: STARTTLS (RFC 3207, section 4). TlsReady is the positive reply."""


class Mail(CheckedRecord):
    """Begin a mail transaction: MAIL (4.1.1.2).

    ``sender`` has no angle brackets; b"" is the null sender. ``size``, in octets, is sent as SIZE=
    (RFC 1870) and ``body`` as BODY= (RFC 6152). ``utf8`` requests SMTPUTF8 (RFC 6531), which a
    non-ASCII recipient needs; for a non-ASCII sender it is requested automatically. ``ret``
    (b"FULL" or b"HDRS") and ``envid`` are for delivery reports (RFC 3461, 4.3 and 4.4). ``auth`` is
    the authenticated submitter of the message, b"" if unknown (RFC 4954, section 5). A parameter is
    left out if the server has not announced its extension.
    """

    sender: bytes
    size: int | None = None
    body: bytes | None = None
    utf8: bool = False
    ret: bytes | None = None
    envid: bytes | None = None
    auth: bytes | None = None


class Rcpt(CheckedRecord):
    """Add a recipient, without angle brackets: RCPT (4.1.1.3).

    ``notify`` says when to send a delivery report: (b"NEVER",), or a tuple such as (b"FAILURE",
    b"DELAY"). ``original`` is the original recipient, such as b"rfc822;joe@example.org" (RFC 3461,
    4.1 and 4.2). Both are left out if the server has not announced DSN.
    """

    recipient: bytes
    notify: tuple[bytes, ...] = ()
    original: bytes | None = None


class Data(CheckedRecord):
    """Request to send the message text: DATA (4.1.1.4).

    Wait for the reply 354. Then send BodyChunk as often as needed, and EndOfData.
    """


class Bdat(CheckedRecord):
    """Announce a chunk of ``size`` octets: BDAT (RFC 3030, section 2).

    The octets must follow immediately as BodyChunk. They are sent unchanged, without dot-stuffing.
    ``last`` ends the message.
    """

    size: int
    last: bool = False


class BodyChunk(CheckedRecord):
    """The next bytes of the message, without dot-stuffing.

    After Data, a client converts line endings to CRLF and stuffs dots; after Bdat it sends the
    bytes unchanged.
    """

    data: bytes
    _hidden = frozenset({"data"})


class EndOfData(CheckedRecord):
    """End the message text after Data: send the final dot (4.1.1.4)."""


class Rset(CheckedRecord):
    """Abort the mail transaction: RSET (4.1.1.5)."""


class Noop(CheckedRecord):
    """Do nothing; the server only replies: NOOP (4.1.1.9)."""


class Etrn(CheckedRecord):
    """Request delivery of the mail queued for a domain: ETRN (RFC 1985)."""

    domain: bytes


class Vrfy(CheckedRecord):
    """Ask whether a user exists: VRFY (4.1.1.6). Many servers do not answer it truthfully."""

    name: bytes


class Expn(CheckedRecord):
    """Request the members of a mailing list: EXPN (4.1.1.7)."""

    name: bytes


class Help(CheckedRecord):
    """Request a help text: HELP (4.1.1.8)."""

    topic: bytes = b""


class Quit(CheckedRecord):
    """End the session: QUIT (4.1.1.10)."""


class Unrecognized(CheckedRecord):
    """Server only: a line with an unknown keyword, which is ``verb`` in upper case."""

    verb: bytes


class Malformed(CheckedRecord):
    """Server only: a command with a syntax error. ``code`` is the reply code to send."""

    verb: bytes
    problem: str
    code: int = 501


Command = (
    Ehlo
    | Helo
    | StartTls
    | Authenticate
    | Mail
    | Rcpt
    | Data
    | Bdat
    | BodyChunk
    | EndOfData
    | Rset
    | Noop
    | Etrn
    | Vrfy
    | Expn
    | Help
    | Quit
)
Continuation = Respond | CancelAuthentication
"""Responses to a challenge, after Authenticate."""
Heard = Command | Continuation | Unrecognized | Malformed
"""Everything that a server receives."""
