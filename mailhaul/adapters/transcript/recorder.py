"""Writes the transcript: listens at the tap of a machine, and notes what passes.

Nothing else is noted but what a machine is given and what it gives: that is all it takes to go
through the same again (docs/trace.md). Passwords are left out by their place in the dialogue
(commands hold them as Secret, challenges are masked) and by their value.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from typing import Any

from ...flows.channel import Channel
from ...protocols.errors import RemoteProtocolError
from ...protocols.hidden import SHORTEST, secret_forms
from ...protocols.imap.client import ImapClient
from ...protocols.imap.commands import AppendChunk, Compress
from ...protocols.imap.events import BodyChunk as ImapText
from ...protocols.machine import Tap
from ...protocols.pop3.client import Pop3Client
from ...protocols.pop3.events import BodyChunk as Pop3Text
from ...protocols.record import Record, fields_of
from ...protocols.roles import Client
from ...protocols.sasl.exchange import CancelAuthentication, Challenge, Respond, decode_base64
from ...protocols.secret import Secret
from ...protocols.smtp.client import SmtpClient
from ...protocols.smtp.commands import BodyChunk
from . import lines
from .lines import Line, Mask, escaped, worded
from .texts import ImapTexts, Lines, Pop3Texts

TEXTS = (ImapText, Pop3Text)
"""Events that are some of a message's text."""
CHALLENGE = re.compile(rb"\A((?:\+|334)[ -])([^\r\n]*)(.*)", re.DOTALL)


class Tape:
    """One transcript. ``write`` takes its lines, ``clock`` gives seconds."""

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float], *, bodies: bool = False
    ) -> None:
        self._write = write
        self._clock = clock
        self._began = clock()
        self._connections = 0
        self.bodies = bodies
        self.mask = Mask()
        write(lines.FIRST)

    def hide(self, secret: bytes) -> None:
        """Keep this out, in all forms that it may be repeated in."""
        self.mask.add(*secret_forms(secret), *within_base64(secret))

    def watch(self, channel: Channel[Any]) -> None:
        """Note from now on what the channel's machine is given and what it gives."""
        kind = kind_of(channel.machine)
        if kind:
            self._connections += 1
            Recorder(self, self._connections, channel.machine).begin(kind, channel.peer)

    def note(self, connection: int, kind: str, about: str) -> None:
        """Write one line."""
        self._write(str(Line(self._clock() - self._began, connection, kind, about)))


def within_base64(secret: bytes) -> Iterator[bytes]:
    """Yield what base64 makes of a secret that stands in the midst of something else.

    Three octets become four letters, so there are three ways; the letters at both ends may be made
    of its neighbours too.
    """
    for before in range(3):
        letters = b2a_base64(b"\0" * before + secret, newline=False)
        core = letters[(before * 8 + 5) // 6 : (before + len(secret)) * 8 // 6]
        if len(core) >= SHORTEST:
            yield core


def kind_of(machine: object) -> str:
    """Return the protocol of a client's machine, "" for others."""
    match machine:
        case ImapClient():
            return "imap"
        case Pop3Client():
            return "pop3"
        case SmtpClient():
            return "lmtp" if machine.lmtp else "smtp"
        case _:
            return ""


def reader_for(kind: str) -> Lines:
    """Return what follows the framing of a protocol."""
    return {"imap": ImapTexts, "pop3": Pop3Texts}.get(kind, Lines)()


class Recorder(Tap):
    """Writes down one machine."""

    def __init__(self, tape: Tape, connection: int, machine: Client[Any, Any, Any]) -> None:
        self._tape = tape
        self._connection = connection
        self._machine = machine
        self._reader = Lines()
        self._texts = {lines.TEXT_HEARD: 0, lines.TEXT_SAID: 0, lines.TEXT_EVENT: 0}
        self._fault: Exception | None = None
        self._over = False

    def begin(self, kind: str, peer: str) -> None:
        """Note that the connection is open, and listen."""
        # Where texts are shown, nothing has to be told apart.
        self._reader = Lines() if self._tape.bodies else reader_for(kind)
        self._note(
            lines.OPENED,
            f"{kind} {escaped(self._tape.mask(peer.encode('utf-8', 'surrogateescape')))}",
        )
        self._machine.tap = self

    # What a machine is given

    def received(self, data: bytes) -> None:
        """Note what the server sent: its lines, and how long its texts are."""
        exchange = self._machine.authenticating
        for piece, is_text in self._reader.cut(data):
            if is_text:
                self._count(lines.TEXT_HEARD, len(piece))
            else:
                self._write_heard(piece, exchange=exchange)

    def _write_heard(self, data: bytes, *, exchange: bool) -> None:
        # A line each, also of a text that is shown; what has no line end yet is a line as well.
        for line in data.splitlines(keepends=True) if b"\n" in data[:-1] else [data]:
            shown = CHALLENGE.sub(masked_challenge, line) if exchange else line
            if shown:
                self._note(lines.HEARD, escaped(self._tape.mask(shown)))

    def said(self, command: object) -> None:
        """Note a command."""
        if not isinstance(command, Record):
            return
        self._hide_secrets(command)
        if isinstance(command, BodyChunk | AppendChunk):
            self._say_text(command.data)
            return
        if not isinstance(command, Respond | CancelAuthentication):
            self._reader.said(command)
        self._note(lines.SAID, worded(command, self._tape.mask))
        if isinstance(command, Compress):
            # What comes now is deflated, texts and all: it is not to be told apart (RFC 4978).
            self._note(lines.INPUT, "compressed")
            self._over = True

    def _say_text(self, data: bytes) -> None:
        if self._tape.bodies:
            self._note(lines.TEXT_SAID, f"{len(data)} {escaped(self._tape.mask(data))}")
        else:
            self._count(lines.TEXT_SAID, len(data))

    def _hide_secrets(self, command: Record) -> None:
        """What is sent as a secret may come back: in an echo, or in base64."""
        for name in fields_of(type(command)):
            value = getattr(command, name)
            if isinstance(value, Secret):
                self._tape.hide(value.reveal())

    def told(self, news: str) -> None:
        """Note what the machine is told beside bytes and commands."""
        self._write_heard(self._reader.rest(), exchange=True)
        self._note(lines.INPUT, news)

    # What it gives

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
            self._write_heard(self._reader.rest(), exchange=True)
            self._note(lines.FAULT, about_fault(fault, self._tape.mask))

    # Writing

    def _count(self, kind: str, octets: int) -> None:
        """Add to a text; a text that is heard in pieces is one line, unless more happens."""
        if kind != lines.TEXT_HEARD:
            self._flush(lines.TEXT_HEARD)
        self._texts[kind] += octets

    def _flush(self, *kinds: str) -> None:
        for kind in kinds:
            octets, self._texts[kind] = self._texts[kind], 0
            if octets:
                self._tape.note(self._connection, kind, str(octets))

    def _note(self, kind: str, about: str) -> None:
        if self._over:
            return
        self._flush(*self._texts)
        self._tape.note(self._connection, kind, about)


def masked_challenge(found: re.Match[bytes]) -> bytes:
    """Return a challenge of the same length that says nothing, and is base64 all the same."""
    words = found[2]
    try:
        decode_base64(words.strip())
    except ValueError:
        # It is a fault, and has to be one again.
        return found[0]
    return found[1] + b"AAAA" * (len(words.strip()) // 4) + found[3]


def about_event(event: object, mask: Mask) -> str:
    """Return an event as it stands in a transcript."""
    return "Challenge()" if isinstance(event, Challenge) else worded(event, mask)


def about_fault(fault: RemoteProtocolError, mask: Mask) -> str:
    """Return a fault as it stands in a transcript: without what came, which stands above it."""
    problem = mask(fault.problem.encode("utf-8", "replace")).decode("utf-8", "replace")
    return f"{type(fault).__name__} {escaped(problem.encode('utf-8', 'surrogateescape'))}"
