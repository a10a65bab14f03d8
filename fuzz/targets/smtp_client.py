"""The SMTP client, whatever a server says to whatever commands."""

from __future__ import annotations

from collections.abc import Callable

from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import Tap
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication, Respond
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import (
    Bdat,
    BodyChunk,
    Command,
    Continuation,
    Data,
    Ehlo,
    EndOfData,
    Etrn,
    Helo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)

from ..conversation import SECRET, Setting, converse

COMMANDS: dict[str, Command | Continuation] = {
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
    "a": Authenticate(b"PLAIN", Secret(b"\0joe\0" + SECRET)),
    "A": Authenticate(b"LOGIN"),
    "p": Respond(Secret(SECRET)),
    "c": CancelAuthentication(),
    "B": Mail(b"ann@example.net", body=b"BINARYMIME", ret=b"HDRS", envid=b"1"),
    "D": Rcpt(b"dan@example.org", (b"NEVER",), b"rfc822;dan@x"),
    "b": Bdat(6),
    "l": Bdat(0, last=True),
    "L": Bdat(6, last=True),
    "y": BodyChunk(b"abc"),
    "E": Etrn(b"example.org"),
}


def sends(command: Command | Continuation) -> Callable[[SmtpClient], None]:
    """Return what sends a command."""
    return lambda client: client.send(command)


LETTERS = {ord(letter): sends(command) for letter, command in COMMANDS.items()}


def smtp(limits: Limits, tap: Tap) -> SmtpClient:
    """Return an SMTP client."""
    return SmtpClient(limits=limits, tap=tap)


SETTING = Setting(smtp, LETTERS)


def target(data: bytes) -> None:
    """Hold the conversation."""
    converse(SETTING, data)
