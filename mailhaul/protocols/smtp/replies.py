"""Replies of an SMTP or LMTP server: lines in, whole replies out (RFC 5321, section 4.2)."""

from __future__ import annotations

from ..errors import LimitExceeded, RemoteProtocolError
from ..greetings import looks_like
from ..input import InputBuffer
from ..limits import Limits
from ..machine import Trace
from .events import Reply

TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
"""How an alert and a handshake begin (RFC 8446, 5.1): what a TLS port says to plain text."""


class OutOfStep(RemoteProtocolError):
    """A reply that cannot be for its command: one before it is missing, or was given twice.

    What was heard on the connection until then may be about other commands as well: about those
    before, where one is ``too_many``, else about those after.
    """

    def __init__(self, problem: str, reply: Reply, *, too_many: bool = False) -> None:
        super().__init__(problem, line=b"%d %b" % (reply.code, reply.lines[0]))
        self.code = reply.code
        self.too_many = too_many


class ReplyReader:
    """Cuts what a server sends into replies. ``read`` until it returns None."""

    def __init__(self, source: InputBuffer, limits: Limits, trace: Trace | None) -> None:
        self.input = source
        self._limits = limits
        self._trace = trace
        self._code = 0
        self._lines: list[bytes] = []
        self._first = True

    @property
    def between_replies(self) -> bool:
        """Whether nothing of a next reply has come yet."""
        return not (self._lines or len(self.input))

    def read(self) -> Reply | None:
        """Return the next reply; None until more has come.

        Raises RemoteProtocolError and LimitExceeded.
        """
        if self._first and self.input.head(2) in TLS_RECORDS:
            # A TLS record need not contain a line end: do not wait for one.
            what = looks_like(self.input.head(2))
            raise RemoteProtocolError(f"greeting is not SMTP{what}")
        while True:
            line = self.input.take_line(self._limits.reply_line, "reply line")
            if line is None:
                return None
            if self._trace:
                self._trace("<", line)
            last = self._take_line(line)
            if last:
                lines, self._lines = self._lines, []
                return Reply(self._code, tuple(lines), enhanced_code(lines[0]))

    def _take_line(self, line: bytes) -> bool:
        """Add a line to the reply; True if it is the last one."""
        digits, separator, text = line[:3], line[3:4], line[4:]
        number = len(digits) == 3 and digits.isdigit() and b"1" <= digits[:1] <= b"5"
        if not number or separator not in {b"", b" ", b"-"}:
            what = "greeting is not SMTP" if self._first else "a line that is no reply"
            raise RemoteProtocolError(f"{what}{looks_like(line) if self._first else ''}", line=line)
        code = int(digits)
        if self._lines and code != self._code:
            raise RemoteProtocolError("one reply with two codes", line=line)
        if len(self._lines) >= self._limits.reply_lines:
            raise LimitExceeded("lines of a reply", self._limits.reply_lines)
        self._first = False
        self._code = code
        self._lines.append(text)
        return separator != b"-"


def enhanced_code(text: bytes) -> bytes:
    """Return the enhanced status code that begins a text, such as b"5.1.1", or b"" (RFC 3463)."""
    word = text.split(b" ", 1)[0]
    parts = word.split(b".")
    fits = len(parts) == 3 and all(part.isdigit() and len(part) <= 3 for part in parts)
    return word if fits and parts[0] in {b"2", b"4", b"5"} else b""
