"""The POP3 client, whatever a server says to whatever commands."""

from __future__ import annotations

from collections.abc import Callable

from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import (
    Apop,
    Capa,
    Command,
    Continuation,
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
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication, Respond
from mailhaul.protocols.secret import Secret

from ..conversation import SECRET, Setting, converse

COMMANDS: dict[str, Command | Continuation] = {
    "c": Capa(),
    "t": StartTls(),
    "u": User(b"joe"),
    "p": Pass(Secret(SECRET)),
    "m": Apop(b"joe", Secret(SECRET)),
    "a": Authenticate(b"PLAIN", Secret(b"\0joe\0" + SECRET)),
    "A": Authenticate(b"CRAM-MD5"),
    "b": Authenticate(b"PLAIN", Secret(b"\0joe\0" + SECRET * 30)),
    "r": Respond(Secret(SECRET)),
    "x": CancelAuthentication(),
    "8": Utf8(),
    "g": Lang(),
    "G": Lang(b"de"),
    "s": Stat(),
    "l": List(),
    "L": List(1),
    "i": Uidl(),
    "I": Uidl(1),
    "T": Top(1, 5),
    "R": Retrieve(1),
    "d": Delete(1),
    "z": Reset(),
    "n": Noop(),
    "y": Last(),
    "e": Envelope(1),
    "q": Quit(),
}


def sends(command: Command | Continuation) -> Callable[[Pop3Client], None]:
    """Return what sends a command."""
    return lambda client: client.send(command)


LETTERS: dict[int, Callable[[Pop3Client], None]] = {
    **{ord(letter): sends(command) for letter, command in COMMANDS.items()},
    ord("v"): Pop3Client.assume_authenticated,
}
SETTING = Setting(Pop3Client, LETTERS)


def target(data: bytes) -> None:
    """Hold the conversation."""
    converse(SETTING, data)
