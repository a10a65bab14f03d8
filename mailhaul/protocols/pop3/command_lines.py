"""Parse the command lines that a POP3 server receives (RFC 1939, section 3)."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ProtocolError
from ..sasl.exchange import Authenticate, decode_initial
from ..secret import Secret
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

DIGITS = 10


class BadSyntax(ProtocolError):
    """A malformed command. The text of the exception is sent after -ERR."""


PLAIN: dict[bytes, Callable[[], Command]] = {
    b"CAPA": Capa,
    b"STLS": StartTls,
    b"UTF8": Utf8,
    b"STAT": Stat,
    b"RSET": Reset,
    b"NOOP": Noop,
    b"LAST": Last,
    b"QUIT": Quit,
}
"""Commands without arguments."""
NUMBERED: dict[bytes, Callable[[int], Command]] = {
    b"RETR": Retrieve,
    b"DELE": Delete,
    b"*ENV": Envelope,
}
"""Commands on one message."""
LISTS: dict[bytes, Callable[[int | None], Command]] = {b"LIST": List, b"UIDL": Uidl}
"""Commands on one message or on all messages."""
VERBS = {*PLAIN, *NUMBERED, *LISTS, b"USER", b"PASS", b"APOP", b"TOP", b"AUTH", b"LANG"}


def read_command(line: bytes) -> Command:
    """Return the command in a line without its CRLF. Raises BadSyntax."""
    verb, _, rest = line.partition(b" ")
    verb = verb.upper()
    if verb in PLAIN:
        if rest.strip():
            raise BadSyntax("this command takes no argument")
        return PLAIN[verb]()
    if verb in NUMBERED:
        return NUMBERED[verb](number(rest))
    if verb in LISTS:
        return LISTS[verb](number(rest) if rest.strip() else None)
    match verb:
        case b"USER" if rest:
            return User(rest)
        case b"PASS" if rest:
            # The whole rest of the line: a password may contain spaces (section 7).
            return Pass(Secret(rest))
        case b"APOP":
            return read_apop(rest)
        case b"TOP":
            return read_top(rest)
        case b"AUTH" if rest.strip():
            return read_authenticate(rest)
        case b"LANG":
            return Lang(rest.strip() or None)
        case _:
            raise BadSyntax("unknown command or missing argument")


def read_apop(rest: bytes) -> Apop:
    """Return the APOP command, with the digest as its password."""
    user, _, digest = rest.rpartition(b" ")
    if not user or not digest:
        raise BadSyntax("APOP takes a user name and a digest")
    return Apop(user, Secret(digest))


def read_top(rest: bytes) -> Top:
    """Return the TOP command."""
    words = rest.split()
    if len(words) != 2:
        raise BadSyntax("TOP takes a message number and a number of lines")
    return Top(number(words[0]), count(words[1]))


def read_authenticate(rest: bytes) -> Authenticate:
    """Return the AUTH command (RFC 5034, section 4)."""
    mechanism, _, initial = rest.strip().partition(b" ")
    if not initial:
        return Authenticate(mechanism.upper())
    try:
        return Authenticate(mechanism.upper(), Secret(decode_initial(initial)))
    except ValueError:
        raise BadSyntax("the initial response is not base64") from None


def number(word: bytes) -> int:
    """Return a message number. Raises BadSyntax."""
    found = count(word.strip())
    if not found:
        raise BadSyntax("message numbers begin at 1")
    return found


def count(word: bytes) -> int:
    """Return a number, which may be 0. Raises BadSyntax."""
    if not word.isdigit() or len(word) > DIGITS:
        raise BadSyntax("a number is expected")
    return int(word)
