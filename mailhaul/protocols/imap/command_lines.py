"""From a client's command, as read, to a command object: the server's side of the grammar."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import ProtocolError
from ..secret import Secret
from .commands import (
    Capability,
    CloseMailbox,
    Command,
    Expunge,
    Fetch,
    Login,
    Logout,
    Noop,
    Search,
    Select,
    StartTls,
    Store,
    UidExpunge,
    UidFetch,
    UidSearch,
    UidStore,
)
from .uid_sets import read_set
from .values import Atom, Part, Streamed, Text, parse_values


class BadSyntax(ProtocolError):
    """A command that cannot be read; its text goes behind BAD."""


PLAIN: dict[bytes, Callable[[], Command]] = {
    b"CAPABILITY": Capability,
    b"NOOP": Noop,
    b"CHECK": Noop,
    b"LOGOUT": Logout,
    b"STARTTLS": StartTls,
    b"EXPUNGE": Expunge,
    b"CLOSE": CloseMailbox,
}
"""Commands without arguments."""


def read_command(verb: bytes, rest: Sequence[Part]) -> Command:
    """Return the command that a verb, in upper case, and its arguments make.

    ``rest`` is what stands behind the verb, literals included. Raises BadSyntax.
    """
    if verb in PLAIN:
        if any(rest):
            raise BadSyntax("no argument belongs here")
        return PLAIN[verb]()
    if verb == b"LOGIN":
        user, password = strings(rest, 2)
        return Login(user, Secret(password))
    if verb in {b"SELECT", b"EXAMINE"}:
        (mailbox,) = strings(rest, 1)
        return Select(mailbox, read_only=verb == b"EXAMINE")
    return read_message_command(verb, line_of(rest))


def read_message_command(verb: bytes, line: bytes) -> Command:
    """Return a command on messages; its arguments stay as they were sent."""
    words = line.split(b" ")
    match verb, words:
        case b"SEARCH", [_, *_] if line:
            return Search(line)
        case b"FETCH", [numbers, _, *_]:
            return Fetch(sequence_set(numbers), line[len(numbers) + 1 :])
        case b"STORE", [numbers, operation, _, *_]:
            return Store(
                sequence_set(numbers), operation, line[len(numbers) + len(operation) + 2 :]
            )
        case b"UID", [uid_verb, _, *_]:
            return read_uid_command(uid_verb.upper(), line[len(uid_verb) + 1 :])
        case _:
            raise BadSyntax("unknown command or missing argument")


def read_uid_command(verb: bytes, line: bytes) -> Command:
    """Return what stands behind UID."""
    if verb == b"EXPUNGE":
        return UidExpunge(sequence_set(line))
    match read_message_command(verb, line):
        case Search(criteria):
            return UidSearch(criteria)
        case Fetch(uids, items):
            return UidFetch(uids, items)
        case Store(uids, operation, flags):
            return UidStore(uids, operation, flags)
        case _:
            raise BadSyntax("this command has no UID form")


def sequence_set(text: bytes) -> bytes:
    """Return a set of numbers as it is, if it is one."""
    try:
        read_set(text, 1)
    except ValueError:
        raise BadSyntax("not a set of numbers") from None
    return text


def strings(rest: Sequence[Part], count: int) -> list[bytes]:
    """Return this many strings: atoms, quoted or literal."""
    try:
        values = parse_values(rest, 1)
    except ProtocolError:
        raise BadSyntax("a string that does not end") from None
    found = [bytes(value) for value in values if isinstance(value, Atom | Text)]
    if len(found) != count or len(values) != count:
        raise BadSyntax(f"{count} string(s) belong here")
    return found


def line_of(rest: Sequence[Part]) -> bytes:
    """Return arguments that must be in one piece."""
    if len(rest) != 1 or isinstance(rest[0], Text | Streamed):
        raise BadSyntax("a literal does not belong here")
    return rest[0]
