"""Where a target is and how to speak to it, from the words on the command line."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..flows.requests import Address, Pipe, Tcp, Trust, UnixSocket
from .environment import Target, User
from .faults import WrongUse
from .stores import parse_store

PORTS = {"imap": (143, 993), "pop3": (110, 995), "smtp": (25, 465), "lmtp": (24, None)}
"""By protocol: the port in the clear and the one for TLS. LMTP has none of its own; 24 is usual."""

FORMS = "host:port, tls://host:port, starttls://host:port, unix:/path or --command"
HOST_AND_PORT = re.compile(r"(?:\[(?P<literal>[^][]+)\]|(?P<name>[^][:/]*))(?::(?P<port>[^:/]*))?")
MAX_PASSWORD = 64 * 1024
"""Octets of a password file that are read."""


@dataclass(frozen=True)
class Place:
    """An address. ``wrapped`` says that TLS comes before the greeting, ``starttls`` after it."""

    address: Address
    host: str
    wrapped: bool = False
    starttls: bool = False


@dataclass(frozen=True)
class TargetWords:
    """What the command line says about a target, as it was typed."""

    place: str = ""
    command: str = ""
    name: str = ""
    user: str = ""
    password_file: str = ""
    user2: str = ""
    password_file2: str = ""
    plain: str = ""
    sender: str = ""
    recipients: Sequence[str] = ()
    unknown_recipient: str = ""
    failing_recipient: str = ""
    login_first: bool = False
    delivery: float = 10.0
    client_name: str = "client.example.org"
    ca: str = ""
    verify: bool = True
    mail: str = ""
    without: Sequence[str] = ()
    timeout: float = 5.0


@dataclass
class PasswordFiles:
    """Reads passwords. Standard input (``-``) has one line for each password, in order."""

    typed: list[bytes] = field(default_factory=list[bytes])
    is_read: bool = False

    def password(self, path: str) -> bytes:
        """Return the first line of a file, without its line end. Raises WrongUse."""
        try:
            line = self._next_typed() if path == "-" else self._first_line(path)
        except OSError as error:
            raise WrongUse(f"--password-file {path}: {error.strerror or error}") from None
        if not line:
            raise WrongUse(f"--password-file {path}: it has no password in its first line")
        return line

    def _first_line(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.readline(MAX_PASSWORD).rstrip(b"\r\n")

    def _next_typed(self) -> bytes:
        if not self.is_read:
            self.typed = sys.stdin.buffer.read(MAX_PASSWORD).splitlines()
            self.is_read = True
        return self.typed.pop(0) if self.typed else b""


def make_target(protocol: str, words: TargetWords) -> Target:
    """Return the target that these words stand for. Raises WrongUse."""
    place = place_of(protocol, words.place, words.command)
    if words.ca and not os.path.isfile(words.ca):
        raise WrongUse(f"--ca {words.ca}: there is no such file; give one with PEM certificates")
    passwords = PasswordFiles()
    user = make_user(words.user, words.password_file, "", passwords)
    return Target(
        name=words.place or shlex.split(words.command)[0],
        address=place.address,
        user=user,
        trust=Trust(place.host, verify=words.verify, ca_file=words.ca or None),
        wrapped=place.wrapped,
        starttls=place.starttls,
        other_user=make_user(words.user2, words.password_file2, "2", passwords),
        store=parse_store(words.mail, user) if words.mail else None,
        timeout=words.timeout,
        without=frozenset(octets_of(name).upper() for name in words.without),
        plain=plain_address(protocol, words.plain) if words.plain else None,
        sender=octets_of(words.sender),
        recipients=[*map(octets_of, words.recipients)],
        unknown_recipient=octets_of(words.unknown_recipient) or None,
        failing_recipient=octets_of(words.failing_recipient) or None,
        login_first=words.login_first,
        port25=isinstance(place.address, Tcp) and place.address.port == 25,
        delivery=words.delivery,
        client_name=octets_of(words.client_name),
    )


def plain_address(protocol: str, text: str) -> Address:
    """Return where the target speaks in the clear. Raises WrongUse."""
    place = parse_place(protocol, text)
    if place.wrapped or place.starttls:
        raise WrongUse(f"--plain {text}: give an address without TLS, as in localhost:1100")
    return place.address


def make_user(name: str, file: str, number: str, passwords: PasswordFiles) -> User | None:
    """Return a user, or None if no name was given. Raises WrongUse."""
    if not name and not file:
        return None
    if not name:
        raise WrongUse(f"--password-file{number} is for a user: add --user{number} NAME")
    if not file:
        raise WrongUse(f"--user{number} {name} needs a password: add --password-file{number} FILE")
    return User(octets_of(name), passwords.password(file))


def place_of(protocol: str, place: str, command: str) -> Place:
    """Return what a TARGET and a --command stand for. Raises WrongUse."""
    found = parse_place(protocol, place) if place else Place(Pipe(()), "localhost")
    if command:
        return Place(Pipe(command_words(command, found)), found.host, found.wrapped, found.starttls)
    if not place:
        raise WrongUse(f"no target: give {FORMS} after {protocol}")
    return found


def command_words(command: str, place: Place) -> tuple[str, ...]:
    """Split a command like a shell word list, and replace %h and %p. Raises WrongUse."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise WrongUse(f"--command {command}: {error}") from None
    if not words:
        raise WrongUse("--command is empty: give the program and its arguments as one word")
    address = place.address
    named = isinstance(address, Tcp)
    if not named and any(re.search("%[hp]", word) for word in words):
        raise WrongUse("--command has %h or %p: give a TARGET host:port as well")
    values = {"%%": "%"}
    if isinstance(address, Tcp):
        values |= {"%h": address.host, "%p": str(address.port)}
    return tuple(re.sub("%[hp%]", lambda found: values[found[0]], word) for word in words)


def parse_place(protocol: str, text: str) -> Place:
    """Read host:port, tls://host:port, starttls://host:port or unix:/path. Raises WrongUse."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise WrongUse(f"{text}: a UNIX socket needs its full path, as in unix:/run/lmtp")
        return Place(UnixSocket(path), "localhost")
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "", text
    if scheme not in {"", "tls", "starttls"}:
        raise WrongUse(f"{text}: {scheme}:// is not known; a target is {FORMS}")
    match = HOST_AND_PORT.fullmatch(rest)
    host = (match["literal"] or match["name"]) if match else ""
    if match is None or not host:
        raise WrongUse(f"{text} is no target; give {FORMS} (an IPv6 address in brackets)")
    plain, tls = PORTS[protocol]
    port = port_of(text, match["port"], tls if scheme == "tls" else plain)
    return Place(Tcp(host, port), host, scheme == "tls", scheme == "starttls")


def port_of(text: str, word: str | None, default: int | None) -> int:
    """Return the port of a target. Raises WrongUse."""
    if not word:
        if default is None:
            raise WrongUse(f"{text}: there is no usual port; add it, as in {text}:2424")
        return default
    if not (word.isascii() and word.isdigit() and 0 < int(word) < 65536):
        raise WrongUse(f'{text}: "{word}" is no port; give a number from 1 to 65535')
    return int(word)


def octets_of(word: str) -> bytes:
    """Return the octets of a word of the command line."""
    return word.encode("utf-8", "surrogateescape")
