"""Parse the replies of an SMTP or LMTP server (RFC 5321, section 4.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..errors import LimitExceeded, RemoteProtocolError
from ..greetings import looks_like
from ..input import InputBuffer
from ..limits import Limits
from .events import Reply

SINGLE_LINE = re.compile(
    rb"([1-5][0-9]{2}) ((?:([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![^ ]))?.*)", re.DOTALL
)
"""A short cut for the usual reply, which has one line: reply code, text, enhanced code."""
USUAL_GROUP = re.compile(rb"(?:250 [^\r\n]*+\r\n)+354 [^\r\n]*+\r\n")
"""A short cut for the usual replies to MAIL, RCPT and DATA sent together."""
USUAL_END = re.compile(rb"250 [^\r\n]*+\r\n250 [^\r\n]*+\r\n")
"""A short cut for the usual replies to the final dot and RSET sent together."""
TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
"""The first bytes of a TLS alert and handshake (RFC 8446, 5.1), sent by a server on a TLS port."""


class OutOfStep(RemoteProtocolError):
    """A reply that cannot belong to its command: an earlier reply is missing or was sent twice.

    Earlier replies may belong to other commands too: to commands before theirs if there is one
    reply ``too_many``, otherwise to commands after theirs.
    """

    def __init__(self, problem: str, reply: Reply, *, too_many: bool = False) -> None:
        super().__init__(problem, line=b"%d %b" % (reply.code, reply.lines[0]))
        self.code = reply.code
        self.too_many = too_many


class ReplyReader:
    """Splits received data into replies. Call ``read`` until it returns None.

    ``show`` is called with each line, which may echo a secret.
    """

    def __init__(
        self, source: InputBuffer, limits: Limits, show: Callable[[bytes], None] | None = None
    ) -> None:
        self.input = source
        self._limits = limits
        self.show = show
        self._code = 0
        self._lines: list[bytes] = []
        self._first = True

    @property
    def between_replies(self) -> bool:
        """Whether no part of the next reply has been received."""
        return not (self._lines or len(self.input))

    def read(self) -> Reply | None:
        """Return the next reply, or None if more data is needed.

        Raises RemoteProtocolError for a malformed reply, and LimitExceeded.
        """
        if self._first and self.input.head(2) in TLS_RECORDS:
            # A TLS record may have no line ending, so do not wait for one.
            what = looks_like(self.input.head(2))
            raise RemoteProtocolError(f"greeting is not SMTP{what}")
        while True:
            line = self.input.take_line(self._limits.reply_line, "reply line")
            if line is None:
                return None
            if self.show:
                self.show(line)
            if not self._lines and (found := SINGLE_LINE.fullmatch(line)):
                self._first = False
                return Reply(int(found[1]), (found[2],), found[3] or b"")
            last = self._take_line(line)
            if last:
                lines, self._lines = self._lines, []
                return Reply(self._code, tuple(lines), enhanced_code(lines[0]))

    def read_group(self, usual: re.Pattern[bytes], count: int) -> Sequence[Reply]:
        """Return the next ``count`` replies if all are here and match this expression.

        Otherwise, and where ``show`` has to see them one by one, return none and take nothing.
        """
        if self.show or self._lines:
            return ()
        found = usual.match(self.input.head(self._limits.reply_line))
        if found is None or found[0].count(b"\n") != count:
            return ()
        *lines, _ = self.input.take(found.end()).split(b"\r\n")
        texts = [SINGLE_LINE.fullmatch(line) for line in lines]
        return [Reply(int(text[1]), (text[2],), text[3] or b"") for text in texts if text]

    def _take_line(self, line: bytes) -> bool:
        """Add a line to the reply; return whether it is the last one."""
        digits, separator, text = line[:3], line[3:4], line[4:]
        number = len(digits) == 3 and digits.isdigit() and b"1" <= digits[:1] <= b"5"
        if not number or separator not in {b"", b" ", b"-"}:
            what = "greeting is not SMTP" if self._first else "malformed reply"
            raise RemoteProtocolError(f"{what}{looks_like(line) if self._first else ''}", line=line)
        code = int(digits)
        if self._lines and code != self._code:
            raise RemoteProtocolError("multiline reply with two codes", line=line)
        if len(self._lines) >= self._limits.reply_lines:
            raise LimitExceeded("lines of a reply", self._limits.reply_lines)
        self._first = False
        self._code = code
        self._lines.append(text)
        return separator != b"-"


def enhanced_code(text: bytes) -> bytes:
    """Return the enhanced status code at the start of a text, or b"" (RFC 3463, section 2)."""
    word = text.split(b" ", 1)[0]
    parts = word.split(b".")
    fits = len(parts) == 3 and all(part.isdigit() and len(part) <= 3 for part in parts)
    return word if fits and parts[0] in {b"2", b"4", b"5"} else b""
