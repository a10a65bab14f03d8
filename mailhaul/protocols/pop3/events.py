"""What a POP3 server tells a client (RFC 1939; the other RFCs are named)."""

from __future__ import annotations

from enum import Enum

from ..record import Record
from ..sasl.exchange import Challenge
from .commands import Command, StartTls


class ResponseCode(Enum):
    """What a reply says to programs (RFC 2449, section 8; RFC 3206; RFC 6856, section 7)."""

    IN_USE = b"IN-USE"
    """Somebody else has the maildrop open."""
    LOGIN_DELAY = b"LOGIN-DELAY"
    """The last login was too short a time ago."""
    SYS_TEMP = b"SYS/TEMP"
    """The server has trouble that will pass."""
    SYS_PERM = b"SYS/PERM"
    """The server has trouble that somebody has to look at."""
    AUTH = b"AUTH"
    """User and password do not fit; without this code, with AUTH-RESP-CODE, it is not that."""
    UTF8 = b"UTF8"
    """It would take UTF8 to do this."""


class Greeted(Record):
    """The connection is open. ``timestamp`` is what APOP needs, angle brackets and all."""

    timestamp: bytes | None = None
    text: bytes = b""


class TurnedAway(Record):
    """The server greeted with -ERR: it will close."""

    code: ResponseCode | None = None
    text: bytes = b""


class Capabilities(Record):
    """What the server can do: names in upper case, and their arguments as sent."""

    names: tuple[tuple[bytes, bytes], ...]


class Counted(Record):
    """How many messages there are, and their octets (section 5, STAT)."""

    count: int
    size: int


class Listed(Record):
    """The size of a message in octets, as the server counts them (section 5, LIST)."""

    number: int
    size: int


class UniqueId(Record):
    """What a message is called for as long as it exists (section 7, UIDL)."""

    number: int
    uid: bytes


class LastRead(Record):
    """The highest number that was ever read, 0 for none (LAST)."""

    number: int


class Line(Record):
    """A line of an answer that is a list for people or for one extension (LANG, ``*ENV``)."""

    text: bytes


class BodyStart(Record):
    """The text of a message begins."""

    number: int


class BodyChunk(Record):
    """Some bytes of it, without the dots that were added. Only Completed makes it complete."""

    data: bytes
    _hidden = frozenset({"data"})


class Completed(Record):
    """The reply to a command, and for a text or a list its end: +OK or -ERR.

    ``code`` is what the reply says to programs, if it is one that we know. ``doubtful`` says that
    it may be the reply to another command: an empty line came where one of several was due.
    """

    command: Command
    positive: bool
    text: bytes = b""
    code: ResponseCode | None = None
    doubtful: bool = False


class TlsReady(Record):
    """STLS was granted: the handshake is next, then ``tls_started``."""

    command: StartTls


class Closed(Record):
    """The peer has closed in good order. Then ``next_event`` returns NEED_DATA."""


Event = (
    Greeted
    | TurnedAway
    | Capabilities
    | Counted
    | Listed
    | UniqueId
    | LastRead
    | Line
    | BodyStart
    | BodyChunk
    | Challenge
    | Completed
    | TlsReady
    | Closed
)
