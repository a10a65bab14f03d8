"""What an SMTP or LMTP server tells a client (RFC 5321, section 4.2)."""

from __future__ import annotations

from ..record import Record
from ..sasl.exchange import Challenge
from .commands import Command


class Reply(Record):
    """A reply of one or more lines, each without its code.

    ``enhanced`` repeats the b"5.1.1" or the like (RFC 3463) that the first line begins with.
    """

    code: int
    lines: tuple[bytes, ...] = (b"",)
    enhanced: bytes = b""

    @property
    def status(self) -> tuple[int, int, int] | None:
        """The enhanced status as class, subject and detail (RFC 3463, section 2)."""
        if not self.enhanced:
            return None
        kind, subject, detail = (int(part) for part in self.enhanced.split(b"."))
        return kind, subject, detail

    @property
    def positive(self) -> bool:
        """Whether this is acceptance: 2xx and nothing else."""
        return 200 <= self.code <= 299


class Greeted(Record):
    """The server spoke first: 220, or a refusal such as 554 (RFC 5321, 3.1)."""

    reply: Reply


class Answered(Record):
    """The reply to one command. In LMTP, EndOfData is answered once per accepted recipient.

    ``recipient`` is then whom this answer is about (RFC 2033, 4.2), otherwise None.
    ``accepts`` says that the server has taken responsibility for the message: a 2xx to a final dot
    or last chunk that was sent, with a sender and a recipient that were taken. Nothing else does.
    """

    command: Command
    reply: Reply
    recipient: bytes | None = None
    accepts: bool = False


class SaidGoodbye(Record):
    """An unsolicited 421: the server is about to close (RFC 5321, 3.8)."""

    reply: Reply


class TlsReady(Record):
    """STARTTLS was granted: the handshake is next, then ``tls_started``."""

    reply: Reply


class Closed(Record):
    """The peer has closed in good order. Then ``next_event`` returns NEED_DATA."""


Event = Greeted | Answered | Challenge | SaidGoodbye | TlsReady | Closed
