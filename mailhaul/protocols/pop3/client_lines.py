"""Commands as a POP3 client writes them (RFC 1939, section 3; RFC 2449, section 4)."""

from __future__ import annotations

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

MAX_LINE = 255
"""Maximum length of a command line in octets, with its CRLF (RFC 2449, section 4)."""

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
    """Return the command as shown to people: its keyword and message number (``RETR 7``)."""
    verb = VERBS[type(command)]
    number = getattr(command, "number", None)
    return verb if number is None else f"{verb} {number}"


def encode(command: Command, timestamp: bytes | None) -> tuple[bytes, bytes]:
    """Return the command line without its CRLF, and the same line without secrets, for a trace.

    ``timestamp`` is the greeting's timestamp, for APOP. Raises LocalProtocolError for a command
    that cannot be sent.
    """
    verb = VERBS[type(command)].encode("ascii")
    match command:
        # The most frequent ones first.
        case Retrieve(number) | Delete(number):
            line = b"%b %d" % (verb, counted(number))
        case Top(number, lines):
            line = b"TOP %d %d" % (counted(number), max(0, lines))
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
        case Envelope(number):
            line = b"%b %d" % (verb, counted(number))
        case List(number) | Uidl(number) if number is not None:
            line = b"%b %d" % (verb, counted(number))
        case _:
            line = verb
    return line, line


def encode_authenticate(command: Authenticate) -> tuple[bytes, bytes]:
    """Return the AUTH line, with the initial response if it fits (RFC 5034, section 4)."""
    start = b"AUTH " + word(command.mechanism)
    if command.initial_response is None or not goes_along(command):
        return start, start
    return b"%b %b" % (start, encode_initial(command.initial_response.reveal())), start + b" *"


def goes_along(command: Authenticate) -> bool:
    """Whether the initial response is sent in the AUTH line, not after an empty challenge."""
    if command.initial_response is None or not command.at_once:
        return False
    response = encode_initial(command.initial_response.reveal())
    return len(b"AUTH ") + len(command.mechanism) + 1 + len(response) + 2 <= MAX_LINE


def digest(timestamp: bytes | None, password: bytes) -> bytes:
    """Return the APOP digest in hexadecimal (RFC 1939, section 7).

    Raises LocalProtocolError if the greeting had no timestamp.
    """
    if timestamp is None:
        raise LocalProtocolError("APOP needs a timestamp in the greeting")
    from hashlib import md5  # imported here because APOP is rare

    return md5(timestamp + password, usedforsecurity=False).hexdigest().encode("ascii")


def sendable(value: bytes) -> bytes:
    """Return the last argument of a line, which may contain spaces.

    Raises LocalProtocolError if it is empty or contains CR, LF or NUL.
    """
    if not value or b"\r" in value or b"\n" in value or b"\0" in value:
        raise LocalProtocolError("an argument is empty or contains CR, LF or NUL")
    return value


def word(value: bytes) -> bytes:
    """Return an argument without spaces. Raises LocalProtocolError for any other."""
    if b" " in sendable(value):
        raise LocalProtocolError("an argument contains a space")
    return value


def counted(number: int) -> int:
    """Return a message number. Raises LocalProtocolError for a number below 1."""
    if number < 1:
        raise LocalProtocolError("message numbers begin at 1")
    return number
