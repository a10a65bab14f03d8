"""The events of a POP3 client (RFC 1939, and the extensions named below).

A server sends the same objects. Sections are those of RFC 1939; sizes are in octets.
"""

from __future__ import annotations

from enum import Enum

from ..record import Record
from ..sasl.exchange import Challenge
from .commands import Command, StartTls


class ResponseCode(Enum):
    """A response code (RFC 2449, section 8; RFC 3206; RFC 6856, section 7)."""

    IN_USE = b"IN-USE"
    """Another session has the maildrop open."""
    LOGIN_DELAY = b"LOGIN-DELAY"
    """The last login was too recent."""
    SYS_TEMP = b"SYS/TEMP"
    """The server has a temporary problem."""
    SYS_PERM = b"SYS/PERM"
    """The server has a problem that needs an administrator."""
    AUTH = b"AUTH"
    """The credentials are wrong. A server with AUTH-RESP-CODE always sends this code then."""
    UTF8 = b"UTF8"
    """The request needs UTF8 to be enabled."""


class Greeted(Record):
    """The +OK greeting (section 4). ``timestamp`` is for APOP and includes the angle brackets."""

    timestamp: bytes | None = None
    text: bytes = b""


class TurnedAway(Record):
    """An -ERR greeting: the server refuses the connection and will close it."""

    code: ResponseCode | None = None
    text: bytes = b""


class Capabilities(Record):
    """The server's capabilities: names in upper case and arguments as sent (RFC 2449, 5)."""

    names: tuple[tuple[bytes, bytes], ...]


class Counted(Record):
    """The number of messages and their total size, as the server counts it (section 5, STAT)."""

    count: int
    size: int


class Listed(Record):
    """The size of a message, as the server counts it (section 5, LIST)."""

    number: int
    size: int


class UniqueId(Record):
    """The unique id of a message, which persists across sessions (section 7, UIDL)."""

    number: int
    uid: bytes


class ListedBlock(Record):
    """Several lines of LIST: the numbers of messages and their sizes, in the order of the lines."""

    numbers: tuple[int, ...]
    sizes: tuple[int, ...]


class UniqueIdBlock(Record):
    """Several lines of UIDL: the numbers of messages and their ids, in the order of the lines."""

    numbers: tuple[int, ...]
    uids: tuple[bytes, ...]


class LastRead(Record):
    """The highest message number accessed so far, or 0 (RFC 1460, LAST)."""

    number: int


class Line(Record):
    """One line of the reply to LANG or ``*ENV``."""

    text: bytes


class BodyStart(Record):
    """The text of a message begins (RETR, TOP)."""

    number: int


class BodyChunk(Record):
    """The next bytes of the text, without dot-stuffing. Completed follows the last one."""

    data: bytes
    _hidden = frozenset({"data"})


class Completed(Record):
    """The reply to a command: +OK or -ERR. After a multi-line reply it marks the end.

    ``code`` is the response code if it is a known one. ``doubtful`` is true if the reply may belong
    to another command, because an empty line arrived while several replies were outstanding.
    """

    command: Command
    positive: bool
    text: bytes = b""
    code: ResponseCode | None = None
    doubtful: bool = False


class TlsReady(Record):
    """The +OK reply to STLS. Do the TLS handshake, then call ``tls_started``."""

    command: StartTls


class Closed(Record):
    """The peer closed the connection, and no reply was missing. Then only NEED_DATA follows."""


Event = (
    Greeted
    | TurnedAway
    | Capabilities
    | Counted
    | Listed
    | UniqueId
    | ListedBlock
    | UniqueIdBlock
    | LastRead
    | Line
    | BodyStart
    | BodyChunk
    | Challenge
    | Completed
    | TlsReady
    | Closed
)
