"""The events of an SMTP or LMTP client (RFC 5321, section 4.2). A server sends Reply objects."""

from __future__ import annotations

from ..record import Record
from ..sasl.exchange import Challenge
from .commands import Command


class Reply(Record):
    """A reply of one or more lines, each without its reply code.

    ``enhanced`` is the enhanced status code at the start of the first line, such as b"5.1.1"
    (RFC 3463), or b"".
    """

    code: int
    lines: tuple[bytes, ...] = (b"",)
    enhanced: bytes = b""

    @property
    def status(self) -> tuple[int, int, int] | None:
        """The enhanced status code as class, subject and detail (RFC 3463, section 2), or None."""
        if not self.enhanced:
            return None
        kind, subject, detail = (int(part) for part in self.enhanced.split(b"."))
        return kind, subject, detail

    @property
    def positive(self) -> bool:
        """Whether the reply code is 2xx. The permission to send text, 354, is not."""
        return 200 <= self.code <= 299


class Greeted(Record):
    """The server's greeting: 220, or a refusal such as 554 (RFC 5321, 3.1)."""

    reply: Reply


class Answered(Record):
    """The reply to a command.

    In LMTP, each accepted recipient gets its own reply to EndOfData or to the last Bdat;
    ``recipient`` is its address (RFC 2033, 4.2), otherwise None. ``accepts`` is true if the server
    has taken responsibility for the message. That is only so for a 2xx reply to a complete message
    whose sender and at least one recipient were accepted.
    """

    command: Command
    reply: Reply
    recipient: bytes | None = None
    accepts: bool = False


class SaidGoodbye(Record):
    """An unsolicited 421: the server is about to close the connection (RFC 5321, 3.8)."""

    reply: Reply


class TlsReady(Record):
    """The 220 reply to STARTTLS. Do the TLS handshake, then call ``tls_started``."""

    reply: Reply


class Closed(Record):
    """The peer closed the connection, and no reply was missing. Then only NEED_DATA follows."""


Event = Greeted | Answered | Challenge | SaidGoodbye | TlsReady | Closed
