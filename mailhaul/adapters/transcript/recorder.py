"""Record a transcript: listen at the tap of a machine, and write down its inputs and outputs.

The inputs and outputs of the machine are all that is needed for a replay (docs/trace.md).
Passwords are removed by their place in the dialogue (commands contain them as Secret, challenges
are masked) and by their value.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from typing import Never

from ... import imap, pop3, sasl, smtp
from ...flows.channel import Channel, Endpoint
from ...protocols.errors import RemoteProtocolError
from ...protocols.hidden import MIN_LENGTH, secret_forms
from ...protocols.machine import Tap, Taps, TlsDialogue
from ...protocols.record import Record, fields_of
from ...protocols.roles import Client
from ...protocols.sasl.exchange import decode_base64
from ...protocols.secret import Secret
from . import lines
from .lines import Line, Mask, escaped, format_record
from .texts import ImapTexts, Lines, Pop3Texts

TEXTS = (imap.BodyChunk, pop3.BodyChunk)
"""Events that are some of a message's text."""
CHALLENGE = re.compile(rb"\A((?:\+|334)[ -])([^\r\n]*)(.*)", re.DOTALL)


class Tape:
    """One transcript. ``write`` is called with each line; ``clock`` returns seconds.

    With ``bodies`` the texts of messages are recorded as well.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float], *, bodies: bool = False
    ) -> None:
        self._write = write
        self._clock = clock
        self._began = clock()
        self._connections = 0
        self.bodies = bodies
        self.mask = Mask()
        write(lines.FIRST_LINE)

    def hide(self, secret: bytes) -> None:
        """Mask this secret from now on, in all encodings in which it may occur."""
        self.mask.add(*secret_forms(secret), *within_base64(secret))

    def watch(self, channel: Channel[Endpoint]) -> None:
        """Record the channel's machine from now on."""
        machine = channel.machine
        if isinstance(machine, imap.Client | pop3.Client | smtp.Client):
            self._connections += 1
            Recorder(self, self._connections, machine).start(kind_of(machine), channel.peer)

    def note(self, connection: int, kind: str, about: str) -> None:
        """Write one line."""
        self._write(str(Line(self._clock() - self._began, connection, kind, about)))


def within_base64(secret: bytes) -> Iterator[bytes]:
    """Yield the base64 forms of a secret that is part of a longer text.

    Three octets become four letters, so there are three forms. The letters at both ends are left
    out, since they also depend on the neighbouring octets.
    """
    for before in range(3):
        letters = b2a_base64(b"\0" * before + secret, newline=False)
        core = letters[(before * 8 + 5) // 6 : (before + len(secret)) * 8 // 6]
        if len(core) >= MIN_LENGTH:
            yield core


def kind_of(machine: imap.Client | pop3.Client | smtp.Client) -> str:
    """Return the protocol of a client machine."""
    match machine:
        case imap.Client():
            return "imap"
        case pop3.Client():
            return "pop3"
        case smtp.Client():
            return "lmtp" if machine.lmtp else "smtp"


def reader_for(kind: str) -> Lines:
    """Return the reader for the framing of a protocol."""
    return {"imap": ImapTexts, "pop3": Pop3Texts}.get(kind, Lines)()


class Recorder(Tap):
    """Writes down one machine."""

    def __init__(
        self, tape: Tape, connection: int, machine: Client[Never, object, TlsDialogue]
    ) -> None:
        self._tape = tape
        self._connection = connection
        self._machine = machine
        self._reader = Lines()
        self._texts = {lines.TEXT_RECEIVED: 0, lines.TEXT_SENT: 0, lines.TEXT_EVENT: 0}
        self._fault: Exception | None = None
        self._finished = False

    def start(self, kind: str, peer: str) -> None:
        """Record that the connection is open, and listen at the tap of its machine."""
        # If texts are recorded, they need not be separated from other data.
        self._reader = Lines() if self._tape.bodies else reader_for(kind)
        self._note(
            lines.OPENED,
            f"{kind} {escaped(self._tape.mask(peer.encode('utf-8', 'surrogateescape')))}",
        )
        other = self._machine.tap
        self._machine.tap = Taps(other, self) if other else self

    # Inputs of the machine

    def received(self, data: bytes) -> None:
        """Note what the server sent: its lines, and how long its texts are."""
        exchange = self._machine.authenticating
        for piece, is_text in self._reader.cut(data):
            if is_text:
                self._count(lines.TEXT_RECEIVED, len(piece))
            else:
                self._write_received(piece, exchange=exchange)

    def _write_received(self, data: bytes, *, exchange: bool) -> None:
        # Record each line separately, also in texts and without a line end.
        for line in data.splitlines(keepends=True) if b"\n" in data[:-1] else [data]:
            recorded = CHALLENGE.sub(masked_challenge, line) if exchange else line
            if recorded:
                self._note(lines.RECEIVED, escaped(self._tape.mask(recorded)))

    def said(self, command: object) -> None:
        """Note a command."""
        if not isinstance(command, Record):
            return
        self._hide_secrets(command)
        if isinstance(command, smtp.BodyChunk | imap.AppendChunk):
            self._send_text(command.data)
            return
        if not isinstance(command, sasl.Respond | sasl.CancelAuthentication):
            self._reader.sent(command)
        self._note(lines.SENT, format_record(command, self._tape.mask))
        if isinstance(command, imap.Compress):
            # From now on all data is compressed, so texts cannot be separated (RFC 4978).
            self._note(lines.INPUT, "compressed")
            self._finished = True

    def _send_text(self, data: bytes) -> None:
        if self._tape.bodies:
            self._note(lines.TEXT_SENT, f"{len(data)} {escaped(self._tape.mask(data))}")
        else:
            self._count(lines.TEXT_SENT, len(data))

    def _hide_secrets(self, command: Record) -> None:
        """Mask the secrets of a command from now on: the server may repeat them, also in base64."""
        for name in fields_of(type(command)):
            value = getattr(command, name)
            if isinstance(value, Secret):
                self._tape.hide(value.reveal())

    def told(self, news: str) -> None:
        """Note what the machine is told beside bytes and commands."""
        self._write_received(self._reader.rest(), exchange=True)
        self._note(lines.INPUT, news)

    # Outputs of the machine

    def returned(self, event: object) -> None:
        """Note an event."""
        if isinstance(event, TEXTS):
            self._count(lines.TEXT_EVENT, len(event.data))
        else:
            self._note(lines.EVENT, about_event(event, self._tape.mask))

    def failed(self, fault: RemoteProtocolError) -> None:
        """Note a fault when it is raised for the first time."""
        if self._fault is None:
            self._fault = fault
            self._write_received(self._reader.rest(), exchange=True)
            self._note(lines.FAULT, about_fault(fault, self._tape.mask))

    # Writing

    def _count(self, kind: str, octets: int) -> None:
        """Count octets of a text; a text received in several pieces is recorded as one line."""
        if kind != lines.TEXT_RECEIVED:
            self._flush(lines.TEXT_RECEIVED)
        self._texts[kind] += octets

    def _flush(self, *kinds: str) -> None:
        for kind in kinds:
            octets, self._texts[kind] = self._texts[kind], 0
            if octets:
                self._tape.note(self._connection, kind, str(octets))

    def _note(self, kind: str, about: str) -> None:
        if self._finished:
            return
        self._flush(*self._texts)
        self._tape.note(self._connection, kind, about)


def masked_challenge(found: re.Match[bytes]) -> bytes:
    """Return a challenge of the same length whose content is replaced by base64 filler."""
    words = found[2]
    try:
        decode_base64(words.strip())
    except ValueError:
        # Invalid base64 is a fault, and must be one in a replay too.
        return found[0]
    return found[1] + b"AAAA" * (len(words.strip()) // 4) + found[3]


def about_event(event: object, mask: Mask) -> str:
    """Return an event in the form used in a transcript."""
    return "Challenge()" if isinstance(event, sasl.Challenge) else format_record(event, mask)


def about_fault(fault: RemoteProtocolError, mask: Mask) -> str:
    """Return a fault in the form used in a transcript; the data is recorded before it."""
    problem = mask(fault.problem.encode("utf-8", "replace")).decode("utf-8", "replace")
    return f"{type(fault).__name__} {escaped(problem.encode('utf-8', 'surrogateescape'))}"
