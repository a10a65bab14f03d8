"""The SMTP client, whatever a server says to whatever commands."""

from __future__ import annotations

from collections.abc import Callable

from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import Trace
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import (
    BodyChunk,
    Command,
    Data,
    Ehlo,
    EndOfData,
    Helo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)

from ..conversation import Setting, converse

COMMANDS: dict[str, Command] = {
    "e": Ehlo(b"client.example"),
    "h": Helo(b"client.example"),
    "t": StartTls(),
    "m": Mail(b"ann@example.net", 100, b"8BITMIME"),
    "M": Mail(b""),
    "U": Mail(b"j\xc3\xb6@example.net", utf8=True),
    "r": Rcpt(b"bob@example.org"),
    "R": Rcpt(b"carl@example.org"),
    "d": Data(),
    "x": BodyChunk(b"Subject: hi\r\n\r\n.text\r"),
    "X": BodyChunk(b"\n..\nmore"),
    ".": EndOfData(),
    "s": Rset(),
    "n": Noop(),
    "q": Quit(),
}


def sends(command: Command) -> Callable[[SmtpClient], None]:
    """Return what sends a command."""
    return lambda client: client.send(command)


LETTERS = {ord(letter): sends(command) for letter, command in COMMANDS.items()}


def smtp(limits: Limits, trace: Trace) -> SmtpClient:
    """Return an SMTP client."""
    return SmtpClient(limits=limits, trace=trace)


SETTING = Setting(smtp, LETTERS)


def target(data: bytes) -> None:
    """Hold the conversation."""
    converse(SETTING, data)
