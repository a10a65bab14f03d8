"""SMTP and LMTP as the server sees them: bytes in, commands out; replies in, bytes out.

The machine answers what is out of order, unknown or malformed itself, and hands out one command
at a time: the next one when that has been answered. So commands that run ahead (RFC 2920) need
no care from its user. Only CRLF ends a command, and only CRLF, dot, CRLF ends a text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from automat import NoTransition

from ..dots import DotReader
from ..errors import LocalProtocolError, RemoteProtocolError
from ..input import InputBuffer
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import NEED_DATA, NeedData, Outbox, Trace
from ..sasl.exchange import (
    Authenticate,
    CancelAuthentication,
    Challenge,
    Respond,
    decode_base64,
    encode_base64,
)
from ..secret import Secret
from .command_lines import parse_command, verb_of
from .commands import (
    Bdat,
    BodyChunk,
    Data,
    Ehlo,
    EndOfData,
    Etrn,
    Expn,
    Heard,
    Helo,
    Help,
    Mail,
    Malformed,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unrecognized,
    Vrfy,
)
from .events import Closed, Reply
from .server_states import Facts, begin

HEARD: dict[type, str] = {
    Ehlo: "introduction_heard",
    Helo: "introduction_heard",
    StartTls: "start_tls_heard",
    Mail: "mail_heard",
    Rcpt: "rcpt_heard",
    Data: "data_heard",
    Bdat: "bdat_heard",
    Authenticate: "auth_heard",
    Etrn: "noop_heard",
    Vrfy: "noop_heard",
    Expn: "noop_heard",
    Help: "noop_heard",
    Rset: "rset_heard",
    Noop: "noop_heard",
    Quit: "quit_heard",
}
"""The input of the dialogue that each command is."""
TAKEN: dict[type, str] = {Mail: "mail_taken", Rcpt: "rcpt_taken"}
"""The input that a 2xx to these commands is."""

ENHANCED = {500: b"5.5.2", 502: b"5.5.1", 503: b"5.5.1", 552: b"5.3.4", 553: b"5.6.7"}
"""The enhanced codes of refusals; others are about arguments (RFC 3463, 3.6; RFC 2034)."""

DEFAULT_EXTENSIONS: Mapping[bytes, bytes] = {
    b"PIPELINING": b"",
    b"8BITMIME": b"",
    b"SIZE": b"",
    b"ENHANCEDSTATUSCODES": b"",
}


class SmtpServer:
    """An SMTP server without a socket, or with ``lmtp`` an LMTP server.

    ``send`` takes replies: the first is the greeting, each other one answers the command that
    ``next_event`` gave last; in LMTP the end of a text takes one for each recipient. A 2xx to
    Ehlo announces ``extensions`` by itself. A Bdat comes out behind its octets, which come as
    BodyChunk; an Authenticate may be answered with a Challenge before its reply.
    """

    def __init__(
        self,
        lmtp: bool = False,
        extensions: Mapping[bytes, bytes] = DEFAULT_EXTENSIONS,
        limits: Limits = DEFAULT_LIMITS,
        trace: Trace | None = None,
    ) -> None:
        self.lmtp = lmtp
        self.extensions = dict(extensions)
        self._limits = limits
        self._trace = trace
        self._facts = Facts()
        self._dialogue = begin(self._facts)
        self._input = InputBuffer()
        self._outbox = Outbox()
        self._due: deque[Heard] = deque()
        self._recipients = 0
        self._text: DotReader | None = None
        self._parts: deque[BodyChunk | EndOfData] = deque()
        self._chunk: Bdat | None = None
        self._chunk_left = 0
        self._chunk_refused = False
        self._binary = self._utf8 = False
        self._challenged = False
        self._authenticated = False
        self._ended = False
        self._told_end = False
        self._fault: RemoteProtocolError | None = None

    @property
    def state(self) -> str:
        """Where the dialogue stands: a state of server_states.py, or ``error``."""
        return "error" if self._fault else self._facts.state

    @property
    def outstanding(self) -> Sequence[Heard]:
        """What has been heard and not been answered; in LMTP once for each reply due."""
        return tuple(self._due)

    @property
    def unsent(self) -> int:
        """How many bytes ``data_to_send`` would hand over now."""
        return self._outbox.size

    def receive_data(self, data: bytes) -> None:
        """Take bytes that the client sent. Behind STARTTLS they are dropped, not obeyed."""
        if self._facts.state == "tls-handover":
            return
        if self._text:
            self._take_text(self._text, data)
        else:
            self._input.append(data)

    def receive_eof(self) -> None:
        """Take note that the client will send no more."""
        self._ended = True

    def data_to_send(self) -> list[bytes]:
        """Hand over, once, the bytes that are due to the client."""
        return self._outbox.take()

    def tls_started(self) -> None:
        """The handshake is over. STARTTLS is offered no more (RFC 3207, 4.2)."""
        self._advance("tls_started")
        self.extensions.pop(b"STARTTLS", None)
        self._authenticated = False

    def next_event(self) -> Heard | Closed | NeedData:
        """Return the next command or piece of text, Closed at the end, or NEED_DATA.

        Raises RemoteProtocolError for what no server should bear, and again ever after.
        """
        if self._fault:
            raise self._fault
        try:
            return self._read()
        except RemoteProtocolError as fault:
            fault.state = self._facts.state
            self._fault = fault
            raise

    # Hearing

    def _read(self) -> Heard | Closed | NeedData:
        if self._challenged:
            return self._read_response()
        while not self._due:
            if self._parts:
                return self._next_part()
            if self._text or self._facts.state in {"greeting", "tls-handover"}:
                break
            if self._chunk:
                part = self._take_octets(self._chunk)
                if part is None:
                    break
                if part:
                    return part[0]
                continue
            line = self._input.take_strict_line(self._limits.command_line, "command line")
            if line is None:
                break
            command = parse_command(line, self.extensions, self._limits, lmtp=self.lmtp)
            if self._trace:
                self._trace("<", shown(line))
            if isinstance(command, Bdat):
                self._begin_chunk(command)
            elif self._is_in_order(command):
                self._due.append(command)
                return command
        if self._ended and not self._due and not self._told_end:
            self._told_end = True
            return Closed()
        return NEED_DATA

    def _is_in_order(self, command: Heard) -> bool:
        """Tell the dialogue of a command; answer it here when it is not to be had."""
        if isinstance(command, Unrecognized):
            return self._refuse(500, b"unknown command")
        if isinstance(command, Malformed):
            problem = command.problem.encode("ascii", "replace")
            enhanced = command.verb not in {b"EHLO", b"HELO", b"LHLO"}
            return self._refuse(command.code, problem, enhanced=enhanced)
        if isinstance(command, StartTls) and b"STARTTLS" not in self.extensions:
            return self._refuse(502, b"STARTTLS is not offered")
        if isinstance(command, Authenticate) and self._authenticated:
            return self._refuse(503, b"you have authenticated already")
        limit = self.extensions.get(b"SIZE", b"")
        if isinstance(command, Mail) and limit.isdigit() and 0 < int(limit) < (command.size or 0):
            return self._refuse(552, b"the message is larger than %b octets" % limit)
        if isinstance(command, Rcpt) and not (command.recipient.isascii() or self._utf8):
            return self._refuse(553, b"the address needs SMTPUTF8 after MAIL (RFC 6531)")
        if isinstance(command, Data) and self._binary:
            return self._refuse(503, b"BINARYMIME goes by BDAT (RFC 3030)")
        try:
            getattr(self._dialogue, HEARD[type(command)])()
        except NoTransition:
            what = verb_of(command, lmtp=self.lmtp)
            return self._refuse(503, f"{what} is out of order".encode("ascii"))
        return True

    def _begin_chunk(self, command: Bdat) -> None:
        """Take note of octets to come; those of a chunk that is out of order are dropped."""
        self._chunk, self._chunk_left = command, command.size
        try:
            self._dialogue.bdat_heard()
        except NoTransition:
            self._chunk_refused = True

    def _take_octets(self, command: Bdat) -> list[BodyChunk | Bdat] | None:
        """Take octets of a chunk; None when more have to come, [] when all of it was dropped."""
        octets = self._input.take(self._chunk_left) if self._chunk_left else b""
        if self._chunk_left and not octets:
            return None
        self._chunk_left -= len(octets)
        if octets:
            return [] if self._chunk_refused else [BodyChunk(octets)]
        self._chunk = None
        if self._chunk_refused:
            self._chunk_refused = False
            self._refuse(503, b"BDAT is out of order")
            return []
        replies = 1
        if command.last:
            self._advance("text_over")
            replies = self._recipients if self.lmtp else 1
        self._due.extend([command] * replies)
        return [command]

    def _read_response(self) -> Heard | Closed | NeedData:
        """Read the answer to a challenge; what is no base64 cancels it (RFC 4954, section 4)."""
        line = self._input.take_strict_line(self._limits.sasl, "response")
        if line is None:
            if not self._ended or self._told_end:
                return NEED_DATA
            self._told_end = True
            return Closed()
        self._challenged = False
        if self._trace:
            self._trace("<", b"*")
        try:
            return CancelAuthentication() if line == b"*" else Respond(Secret(decode_base64(line)))
        except ValueError:
            return CancelAuthentication()

    def _refuse(self, code: int, why: bytes, *, enhanced: bool = True) -> bool:
        """Answer a command here; only the replies to EHLO and HELO have no enhanced code."""
        if enhanced and b"ENHANCEDSTATUSCODES" in self.extensions:
            why = b"%b %b" % (ENHANCED.get(code, b"5.5.4"), why)
        self._put(Reply(code, (why,)))
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
            self._advance("text_over")
            self._due.extend([part] * (self._recipients if self.lmtp else 1))
        return part

    # Saying

    def send(self, reply: Reply | Challenge) -> None:
        """Say a reply. Raises LocalProtocolError when none is due, or it holds a line end."""
        if isinstance(reply, Challenge):
            self._challenge(reply.data)
            return
        if any(b"\r" in line or b"\n" in line for line in reply.lines):
            raise LocalProtocolError("a line of a reply contains a line end")
        if self._facts.state == "greeting":
            self._advance("welcomed" if reply.code == 220 else "turned_away")
            self._put(reply)
            return
        if not self._due:
            if reply.code != 421:
                raise LocalProtocolError("no command waits for a reply")
            self._put(reply)
            return
        command = self._due.popleft()
        if isinstance(command, Ehlo) and reply.positive:
            announced = (b"%b %b" % item for item in self.extensions.items())
            reply = Reply(reply.code, (*reply.lines, *(line.strip() for line in announced)))
        self._put(reply)
        self._follow(command, reply)

    def _challenge(self, data: bytes) -> None:
        if self._challenged or not (self._due and isinstance(self._due[0], Authenticate)):
            raise LocalProtocolError("there is nobody to challenge")
        self._challenged = True
        if self._trace:
            self._trace(">", b"334 *")
        self._outbox.put(b"334 %b\r\n" % encode_base64(data))

    def _follow(self, command: Heard, reply: Reply) -> None:
        """Move the dialogue on by our own reply."""
        if isinstance(command, Authenticate):
            self._authenticated, self._challenged = reply.positive, False
        if isinstance(command, Ehlo | Helo) and reply.positive:
            self._advance("introduced")
        elif isinstance(command, Bdat) and not (command.last or reply.positive):
            # What was sent ahead of this reply finds no transaction (RFC 3030, section 2).
            self._advance("chunk_refused")
        elif isinstance(command, StartTls) and reply.code == 220:
            self._input.clear()
            self._advance("tls_granted")
        elif isinstance(command, Data) and reply.code == 354:
            self._advance("data_granted")
            self._text = DotReader()
            self._take_text(self._text, self._input.take(len(self._input)))
        elif type(command) in TAKEN and reply.positive:
            if isinstance(command, Mail):
                self._recipients = 0
                self._binary, self._utf8 = command.body == b"BINARYMIME", command.utf8
            else:
                self._recipients += 1
            self._advance(TAKEN[type(command)])

    def _advance(self, name: str) -> None:
        try:
            getattr(self._dialogue, name)()
        except NoTransition:
            raise LocalProtocolError(f"{name} is not possible in state {self.state}") from None

    def _put(self, reply: Reply) -> None:
        *lines, last = reply.lines
        for separator, text in [*((b"-", line) for line in lines), (b" ", last)]:
            line = b"%03d%b%b" % (reply.code, separator, text)
            if self._trace:
                self._trace(">", line)
            self._outbox.put(line + b"\r\n")


def shown(line: bytes) -> bytes:
    """Return a command line as a trace may show it: what might be a password is left out."""
    verb, mechanism, *rest = [*line.split(b" ", 2), b""][:3]
    return b"%b %b *" % (verb, mechanism) if verb.upper() == b"AUTH" and any(rest) else line
