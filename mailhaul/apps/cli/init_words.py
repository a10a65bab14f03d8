"""``mailhaul init``: what the command line says, and what is asked at the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ...adapters.config.caller import Caller
from ...adapters.config.values import absolute, c_number
from ...adapters.discovery.places import IMAP, POP3, split_host
from ...flows.outcome import ExitCode, PollFailed
from ...protocols.record import Record
from ...protocols.secret import Secret
from ..polls.lines import escape, write
from .commands import Misused

VALUES = {
    "--address": "address",
    "--host": "host",
    "--protocol": "protocol",
    "--user": "user",
    "--password-command": "command",
    "--passwordfd": "descriptor",
    "--maildir": "maildir",
    "--oauthclient": "client",
    "--oauthsecretfile": "client_secret",
    "--rcfile": "rcfile",
    "-f": "rcfile",
    "--fetchmailrc": "rcfile",
}
"""Options with a value, and the field of the wishes that each sets."""
FLAGS = {"--append": "append", "--dry": "dry"}
MAX_PASSWORD = 64 * 1024


class Wishes(Record):
    """What the command line asks for; "" or None for what it leaves open."""

    rcfile: str
    address: str = ""
    host: str = ""
    port: int | None = None
    protocols: tuple[str, ...] = (IMAP, POP3)
    user: str = ""
    command: str = ""
    descriptor: int | None = None
    maildir: str = "~/Maildir"
    client: str = ""
    client_secret: str = ""
    append: bool = False
    dry: bool = False


def read_wishes(arguments: Sequence[str], caller: Caller) -> Wishes:
    """Return what the arguments ask for. Raises Misused."""
    given: dict[str, str] = {}
    flags: dict[str, bool] = {}
    words: list[str] = []
    rest = list(reversed(arguments))
    while rest:
        word = rest.pop()
        name, equals, value = word.partition("=")
        if word in FLAGS:
            flags[FLAGS[word]] = True
        elif name in VALUES and (equals or rest):
            given[VALUES[name]] = value if equals else rest.pop()
        elif name in VALUES:
            raise Misused(f"{name} needs a value")
        elif word.startswith("-") and word != "-":
            raise Misused(f'unknown option "{escape(word)}"')
        else:
            words.append(word)
    if len(words) > 1 or (words and "address" in given):
        raise Misused("one address at a time")
    if "command" in given and "descriptor" in given:
        raise Misused("--password-command and --passwordfd exclude each other")
    return make_wishes(
        given | dict.fromkeys(["address"] * len(words), "".join(words)), flags, caller
    )


def make_wishes(given: dict[str, str], flags: dict[str, bool], caller: Caller) -> Wishes:
    """Return the wishes with the values converted. Raises Misused."""
    for name, value in given.items():
        if not value or "\0" in value:
            raise Misused(f"the value of {name} is empty")
    try:
        host, port = split_host(given["host"]) if "host" in given else ("", None)
    except ValueError as fault:
        raise Misused(str(fault)) from None
    protocol = given.get("protocol", "").lower()
    if protocol not in {"", IMAP, POP3}:
        raise Misused(f'unknown protocol "{escape(protocol)}"; give imap or pop3')
    descriptor = c_number(given["descriptor"]) if "descriptor" in given else None
    if "descriptor" in given and (descriptor is None or descriptor < 0):
        raise Misused("--passwordfd needs the number of an open descriptor")
    rcfile = given.get("rcfile", caller.rcfile)
    if rcfile == "-":
        raise Misused("an rc file cannot be written to standard input")
    return Wishes(
        absolute(rcfile, caller.folder),
        given.get("address", ""),
        host,
        port,
        (protocol,) if protocol else (IMAP, POP3),
        given.get("user", ""),
        given.get("command", ""),
        descriptor,
        absolute(given.get("maildir", "~/Maildir"), caller.folder, tilde=True),
        given.get("client", ""),
        absolute(given.get("client_secret", ""), caller.folder, tilde=True),
        **flags,
    )


class Terminal:
    """Asks the user, if there is one at a terminal."""

    def __init__(self) -> None:
        self.can_ask = os.isatty(0)

    def say(self, text: str) -> None:
        """Print a text, with an end of line."""
        write(sys.stdout, f"{text}\n")
        sys.stdout.flush()

    def ask(self, question: str, default: str = "") -> str:
        """Return what the user types, or the default for an empty line. Raises EOFError."""
        shown = f" [{escape(default)}]" if default else ""
        write(sys.stdout, f"{question}{shown}: ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.strip() or default

    def agrees(self, question: str, *, default: bool) -> bool:
        """Return whether the user says yes."""
        answer = self.ask(f"{question} [{'Y/n' if default else 'y/N'}]").lower()
        return answer in {"y", "yes"} if answer else default

    def ask_password(self, question: str) -> Secret:
        """Return a password that is typed without echo. Raises EOFError."""
        from getpass import getpass

        return Secret(getpass(f"{question}: ").encode("utf-8", "surrogateescape"))


def password_from(descriptor: int) -> Secret:
    """Return the first line that a descriptor gives. Raises PollFailed (AUTHFAIL)."""
    data = b""
    try:
        while len(data) < MAX_PASSWORD and b"\n" not in data:
            piece = os.read(descriptor, MAX_PASSWORD)
            if not piece:
                break
            data += piece
    except OSError as error:
        problem = f"--passwordfd {descriptor}: {error.strerror}"
        raise PollFailed(
            ExitCode.AUTHFAIL, f"{problem}; give it as in: {descriptor}<FILE"
        ) from None
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise PollFailed(
            ExitCode.AUTHFAIL, f"--passwordfd {descriptor}: there is no password in it"
        )
    return Secret(line)
