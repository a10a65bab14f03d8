"""An SMTP or LMTP server without I/O: bytes in, commands out; replies in, bytes out.

The machine itself refuses commands that are out of order, unknown or malformed. It returns one
command at a time, and the next only after a reply to it was sent, so the caller need not handle
pipelining (RFC 2920). Only CRLF ends a command, and only CRLF, dot, CRLF ends a text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from ..dots import DotReader
from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import Tap
from ..roles import Server
from ..sasl.exchange import (
    Authenticate,
    Challenge,
)
from . import server_states as states
from .chunk import Chunk
from .command_lines import parse_command, verb_of
from .commands import (
    Bdat,
    BodyChunk,
    Data,
    Ehlo,
    EndOfData,
    Heard,
    Helo,
    Mail,
    Malformed,
    Rcpt,
    StartTls,
    Unrecognized,
)
from .events import Closed, Reply
from .server_states import Dialogue

ENHANCED = {
    500: b"5.5.2",
    502: b"5.5.1",
    503: b"5.5.1",
    550: b"5.6.7",
    552: b"5.3.4",
    553: b"5.6.7",
}
"""Enhanced status codes by reply code. The default is 5.5.4, invalid arguments (RFC 3463, 3.6)."""

DEFAULT_EXTENSIONS: Mapping[bytes, bytes] = {
    b"PIPELINING": b"",
    b"8BITMIME": b"",
    b"SIZE": b"",
    b"ENHANCEDSTATUSCODES": b"",
}


class SmtpServer(Server[Reply | Challenge, Heard | Closed, Dialogue]):
    """An SMTP server without a socket, or an LMTP server if ``lmtp`` is true.

    ``send`` takes replies. The first is the greeting; each other one is for the command that
    ``next_event`` returned last. In LMTP, the end of a text takes one reply for each recipient. A
    2xx reply to Ehlo gets a line for each of ``extensions`` (keyword and arguments), a setting that
    may be changed at any time. A Bdat is returned after its octets, which are returned as
    BodyChunk. Before the reply to Authenticate, Challenge may be sent.
    """

    NOT_READING = (states.greeting, states.tls_handover)
    HANDOVER = states.tls_handover
    END = Closed()

    def __init__(
        self,
        lmtp: bool = False,
        extensions: Mapping[bytes, bytes] = DEFAULT_EXTENSIONS,
        limits: Limits = DEFAULT_LIMITS,
        tap: Tap | None = None,
    ) -> None:
        self._lmtp = lmtp
        self.extensions = dict(extensions)
        super().__init__(states.table, limits, tap)
        self._due: deque[Heard] = deque()
        self._recipients = 0
        self._text: DotReader | None = None
        self._parts: deque[BodyChunk | EndOfData] = deque()
        self._chunk: Chunk | None = None
        self._mail: Mail | None = None
        self._authenticated = False

    @property
    def lmtp(self) -> bool:
        """Whether it speaks LMTP."""
        return self._lmtp

    @property
    def outstanding(self) -> Sequence[Heard]:
        """What waits for a reply; in LMTP, the end of a text once for each missing reply."""
        return tuple(self._due)

    def _take(self, data: bytes) -> None:
        if self._text:
            self._take_text(self._text, data)
        else:
            super()._take(data)

    def _start_tls(self) -> None:
        super()._start_tls()
        # STARTTLS must not be offered inside TLS (RFC 3207, 4.2).
        self.extensions.pop(b"STARTTLS", None)
        self._authenticated = False

    def _owes_answer(self) -> bool:
        return bool(self._due) and not self._challenged

    # Receiving

    def _read(self) -> Heard | Closed | None:
        if self._challenged:
            return self._read_response()
        while not self._due:
            if self._parts:
                return self._next_part()
            if self._text or self._at(*self.NOT_READING):
                return None
            if self._chunk:
                part = self._read_chunk(self._chunk)
                if part or self._chunk:
                    return part
                continue
            line = self._input.take_strict_line(self._limits.command_line, "command line")
            if line is None:
                return None
            command = parse_command(line, self.extensions, self._limits, lmtp=self._lmtp)
            if self._line_tap:
                self._line_tap.line("<", redacted_line(line))
            if isinstance(command, Bdat):
                # If it is out of order, its octets must be read too, and are dropped.
                self._chunk = Chunk(command, wanted=self._moves(Dialogue.bdat_heard))
            elif self._is_in_order(command):
                self._due.append(command)
                return command
        return None

    def _is_in_order(self, command: Heard) -> bool:
        """Return whether a command is allowed now; refuse it if it is not."""
        if isinstance(command, Unrecognized):
            return self._refuse(500, b"unknown command")
        if isinstance(command, Malformed):
            problem = command.problem.encode("ascii", "replace")
            enhanced = command.verb not in {b"EHLO", b"HELO", b"LHLO"}
            return self._refuse(command.code, problem, enhanced=enhanced)
        if isinstance(command, StartTls) and b"STARTTLS" not in self.extensions:
            return self._refuse(502, b"STARTTLS is not offered")
        if isinstance(command, Authenticate) and self._authenticated:
            return self._refuse(503, b"already authenticated")
        limit = self.extensions.get(b"SIZE", b"")
        if isinstance(command, Mail) and limit.isdigit() and 0 < int(limit) < (command.size or 0):
            return self._refuse(552, b"the message is larger than %b octets" % limit)
        if isinstance(command, Rcpt) and not (
            command.recipient.isascii() or (self._mail and self._mail.utf8)
        ):
            return self._refuse(553, b"the address needs SMTPUTF8 in MAIL (RFC 6531)")
        if isinstance(command, Data) and self._mail and self._mail.body == b"BINARYMIME":
            return self._refuse(503, b"BINARYMIME requires BDAT (RFC 3030)")
        if not self._moves(states.HEARD[type(command)]):
            what = verb_of(command, lmtp=self._lmtp)
            return self._refuse(503, f"{what} is out of order".encode("ascii"))
        return True

    def _read_chunk(self, chunk: Chunk) -> BodyChunk | Bdat | None:
        """Return octets of a chunk, or its Bdat after the last ones.

        Return None if more data is needed or if the chunk was dropped.
        """
        while octets := chunk.take(self._input):
            if chunk.wanted:
                return BodyChunk(octets)
        if octets is None:
            return None
        self._chunk = None
        command = chunk.command
        if not chunk.wanted:
            if self._lmtp and command.last and self._at(states.sender):
                # One reply for each recipient taken is no reply at all (RFC 2033, 4.3).
                self._advance(Dialogue.rset_heard)
            else:
                self._refuse(503, b"BDAT is out of order")
            return None
        if command.last:
            self._advance(Dialogue.text_over)
        self._due.extend([command] * (self._recipients if command.last and self._lmtp else 1))
        return command

    def _read_response(self) -> Heard | None:
        line = self._input.take_strict_line(self._limits.sasl, "response")
        return None if line is None else self._hear_response(line)

    def _refuse(self, code: int, why: bytes, *, enhanced: bool = True) -> bool:
        """Send a refusal. Replies to EHLO, LHLO and HELO have no enhanced status code."""
        if enhanced and b"ENHANCEDSTATUSCODES" in self.extensions:
            why = b"%b %b" % (ENHANCED.get(code, b"5.5.4"), why)
        self._say_reply(Reply(code, (why,)))
        return False

    def _take_text(self, text: DotReader, data: bytes) -> None:
        if plain := text.feed(data):
            self._parts.append(BodyChunk(plain))
        if text.over:
            self._text = None
            self._parts.append(EndOfData())
            self._input.append(text.rest)

    def _next_part(self) -> BodyChunk | EndOfData:
        part = self._parts.popleft()
        if isinstance(part, EndOfData):
            self._advance(Dialogue.text_over)
            self._due.extend([part] * (self._recipients if self._lmtp else 1))
        return part

    # Sending

    def _send(self, reply: Reply | Challenge) -> None:
        match reply:
            case Challenge(data):
                self._challenge(self._due[0] if self._due else None, b"334", data)
            case Reply():
                self._send_reply(reply)
            case _:
                raise LocalProtocolError(f"{type(reply).__name__} is no reply of SMTP")

    def _send_reply(self, reply: Reply) -> None:
        if not reply.lines:
            raise LocalProtocolError("a reply without any line")
        if any(b"\r" in line or b"\n" in line for line in reply.lines):
            raise LocalProtocolError("a line of the reply contains a line ending")
        if self._at(states.greeting):
            self._advance(Dialogue.welcomed if reply.code == 220 else Dialogue.turned_away)
            self._say_reply(reply)
            return
        if not self._due:
            if reply.code != 421:
                raise LocalProtocolError("no command is waiting for a reply")
            self._say_reply(reply)
            return
        command = self._due.popleft()
        if isinstance(command, Ehlo) and reply.positive:
            announced = (b"%b %b" % item for item in self.extensions.items())
            reply = Reply(reply.code, (*reply.lines, *(line.strip() for line in announced)))
        self._say_reply(reply)
        self._update_state(command, reply)

    def _update_state(self, command: Heard, reply: Reply) -> None:
        """Update the state after the reply to a command."""
        if isinstance(command, Authenticate):
            self._authenticated, self._challenged = reply.positive, False
        if isinstance(command, Ehlo | Helo) and reply.positive:
            self._advance(Dialogue.introduced)
        elif isinstance(command, Bdat) and not (command.last or reply.positive):
            # Pipelined commands after this one find no transaction (RFC 3030, section 2).
            self._advance(Dialogue.chunk_refused)
        elif isinstance(command, StartTls) and reply.code == 220:
            self._input.clear()
            self._advance(Dialogue.tls_granted)
        elif isinstance(command, Data) and reply.code == 354:
            self._advance(Dialogue.data_granted)
            self._text = DotReader()
            self._take_text(self._text, self._input.take(len(self._input)))
        elif type(command) in states.TAKEN and reply.positive:
            if isinstance(command, Mail):
                self._recipients = 0
                self._mail = command
            else:
                self._recipients += 1
            self._advance(states.TAKEN[type(command)])

    def _say_reply(self, reply: Reply) -> None:
        *lines, last = reply.lines
        for separator, text in [*((b"-", line) for line in lines), (b" ", last)]:
            self._say(b"%03d%b%b" % (reply.code, separator, text))


def redacted_line(line: bytes) -> bytes:
    """Return a command line for a trace, without anything that may be a password."""
    verb, mechanism, *rest = [*line.split(b" ", 2), b""][:3]
    return b"%b %b *" % (verb, mechanism) if verb.upper() == b"AUTH" and any(rest) else line
