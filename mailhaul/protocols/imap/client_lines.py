"""Commands as a client writes them, and as it calls them when it speaks to people."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LocalProtocolError
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
from .strings import Wire, astring


def encode(command: Command, capabilities: frozenset[bytes]) -> Wire:
    """Return a command behind its tag. Raises LocalProtocolError for what cannot be sent.

    ``capabilities`` decide how strings go, and whether there may be a LOGIN.
    """
    match command:
        case Capability():
            return Wire(b"CAPABILITY")
        case Noop():
            return Wire(b"NOOP")
        case Logout():
            return Wire(b"LOGOUT")
        case StartTls():
            return Wire(b"STARTTLS")
        case Login(user, password):
            return encode_login(user, password.reveal(), capabilities)
        case Select(mailbox, read_only):
            verb = b"EXAMINE " if read_only else b"SELECT "
            return Wire(verb).add(astring(mailbox, capabilities))
        case CloseMailbox():
            return Wire(b"CLOSE")
        case Search(criteria):
            return Wire(b"SEARCH " + criteria)
        case Fetch(numbers, items):
            return Wire(b"FETCH %b %b" % (numbers, items))
        case Store(numbers, operation, flags):
            return Wire(b"STORE %b %b %b" % (numbers, operation, flags))
        case UidSearch(criteria):
            return Wire(b"UID SEARCH " + criteria)
        case UidFetch(uids, items):
            return Wire(b"UID FETCH %b %b" % (uids, items))
        case UidStore(uids, operation, flags):
            return Wire(b"UID STORE %b %b %b" % (uids, operation, flags))
        case UidExpunge(uids):
            return Wire(b"UID EXPUNGE " + uids)
        case Expunge():
            return Wire(b"EXPUNGE")


def encode_login(user: bytes, password: bytes, capabilities: frozenset[bytes]) -> Wire:
    """Return LOGIN. Raises LocalProtocolError where the server has said that it is disabled."""
    if b"LOGINDISABLED" in capabilities:
        raise LocalProtocolError("the server announced LOGINDISABLED")
    wire = Wire(b"LOGIN ").add(astring(user, capabilities)).add([b" "])
    return wire.add(astring(password, capabilities), secret=True)


def owed(commands: Sequence[Command]) -> str:
    """Say which commands have no reply: ``UID FETCH 7 and 2 more were``."""
    first, *more = commands
    return f"{describe(first)} and {len(more)} more were" if more else f"{describe(first)} was"


def describe(command: Command) -> str:
    """Return a command's name as it stands in the RFC, with its UIDs if it has few."""
    match command:
        case UidFetch(uids) | UidStore(uids) | UidExpunge(uids):
            verb = {UidFetch: "FETCH", UidStore: "STORE", UidExpunge: "EXPUNGE"}[type(command)]
            few = uids[:40].decode("ascii", "replace")
            return f"UID {verb} {few}"
        case UidSearch():
            return "UID SEARCH"
        case Select(_, read_only):
            return "EXAMINE" if read_only else "SELECT"
        case CloseMailbox():
            return "CLOSE"
        case _:
            return type(command).__name__.upper()
