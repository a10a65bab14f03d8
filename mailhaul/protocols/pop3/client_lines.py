"""Commands as a POP3 client writes them (RFC 1939, section 3; RFC 2449, section 4)."""

from __future__ import annotations

import re

from ..errors import LocalProtocolError
from ..sasl.exchange import Authenticate, encode_initial
from .commands import (
    Apop,
    Capa,
    Command,
    Delete,
    Envelope,
    Lang,
    Last,
    List,
    Noop,
    Pass,
    Quit,
    Reset,
    Retrieve,
    StartTls,
    Stat,
    Top,
    Uidl,
    User,
    Utf8,
)

LONGEST = 255
"""Octets of a command line, its end included (RFC 2449, section 4)."""
_UNSENDABLE = re.compile(rb"[\r\n\0]")

VERBS: dict[type, str] = {
    Capa: "CAPA",
    StartTls: "STLS",
    User: "USER",
    Pass: "PASS",
    Apop: "APOP",
    Authenticate: "AUTH",
    Utf8: "UTF8",
    Lang: "LANG",
    Stat: "STAT",
    List: "LIST",
    Uidl: "UIDL",
    Top: "TOP",
    Retrieve: "RETR",
    Delete: "DELE",
    Reset: "RSET",
    Noop: "NOOP",
    Last: "LAST",
    Envelope: "*ENV",
    Quit: "QUIT",
}


def describe(command: Command) -> str:
    """Return a command as it is named to people: ``RETR 7``."""
    verb = VERBS[type(command)]
    number = getattr(command, "number", None)
    return verb if number is None else f"{verb} {number}"


def encode(command: Command, timestamp: bytes | None) -> tuple[bytes, bytes]:
    """Return a command line without its end, and the same as a trace may show it.

    ``timestamp`` is the greeting's, for APOP. Raises LocalProtocolError for what cannot be sent.
    """
    verb = VERBS[type(command)].encode("ascii")
    match command:
        case Pass(password):
            return b"PASS " + sendable(password.reveal()), b"PASS *"
        case Apop(user, password):
            line = b"APOP %b " % word(user)
            return line + digest(timestamp, sendable(password.reveal())), line + b"*"
        case Authenticate():
            return encode_authenticate(command)
        case User(name):
            line = b"USER " + sendable(name)
        case Lang(language) if language is not None:
            line = b"LANG " + word(language)
        case Top(number, lines):
            line = b"TOP %d %d" % (counted(number), max(0, lines))
        case Retrieve(number) | Delete(number) | Envelope(number):
            line = b"%b %d" % (verb, counted(number))
        case List(number) | Uidl(number) if number is not None:
            line = b"%b %d" % (verb, counted(number))
        case _:
            line = verb
    return line, line


def encode_authenticate(command: Authenticate) -> tuple[bytes, bytes]:
    """Return AUTH, with the initial response where it fits the line (RFC 5034, section 4)."""
    start = b"AUTH " + word(command.mechanism)
    if command.initial_response is None or not goes_along(command):
        return start, start
    return b"%b %b" % (start, encode_initial(command.initial_response.reveal())), start + b" *"


def goes_along(command: Authenticate) -> bool:
    """Whether the initial response stands after AUTH; if not, it waits to be asked for."""
    if command.initial_response is None:
        return False
    response = encode_initial(command.initial_response.reveal())
    return len(b"AUTH ") + len(command.mechanism) + 1 + len(response) + 2 <= LONGEST


def digest(timestamp: bytes | None, password: bytes) -> bytes:
    """Return what proves to an APOP server that we know the password (RFC 1939, section 7)."""
    if timestamp is None:
        raise LocalProtocolError("APOP needs a timestamp in the greeting")
    from hashlib import md5  # few servers are that old

    return md5(timestamp + password, usedforsecurity=False).hexdigest().encode("ascii")


def sendable(value: bytes) -> bytes:
    """Return an argument that goes to the end of its line. Raises LocalProtocolError."""
    if not value or _UNSENDABLE.search(value):
        raise LocalProtocolError("an argument that is empty, or holds CR, LF or NUL")
    return value


def word(value: bytes) -> bytes:
    """Return an argument with another one after it. Raises LocalProtocolError."""
    if b" " in sendable(value):
        raise LocalProtocolError("an argument that holds a blank")
    return value


def counted(number: int) -> int:
    """Return a message number. Raises LocalProtocolError for one that no message has."""
    if number < 1:
        raise LocalProtocolError("message numbers begin at 1")
    return number
