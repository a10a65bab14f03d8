"""What an IMAP server tells a client (RFC 3501, section 7)."""

from __future__ import annotations

from enum import Enum

from ..record import Record
from .commands import Command


class Condition(Enum):
    """The word that opens a status response (7.1)."""

    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"


class Code(Record):
    """The bracketed code of a status response: name in upper case, arguments as sent."""

    name: bytes
    arguments: bytes = b""


class Greeted(Record):
    """The connection is open; ``preauthenticated`` when no login is needed (7.1.1, 7.1.4)."""

    preauthenticated: bool
    code: Code | None = None
    text: bytes = b""


class SaidBye(Record):
    """The server is about to close, as a greeting, after LOGOUT or unasked (7.1.5)."""

    code: Code | None = None
    text: bytes = b""


class Capabilities(Record):
    """What the server can do, in upper case; replaces what was announced before (7.2.1)."""

    names: frozenset[bytes]


class Status(Record):
    """An untagged OK, NO or BAD, such as ``* OK [UIDVALIDITY 7]`` (7.1)."""

    condition: Condition
    code: Code | None = None
    text: bytes = b""


class Flags(Record):
    """The flags that messages in this mailbox may have, as sent (7.2.6)."""

    names: tuple[bytes, ...]


class Recent(Record):
    """The number of messages that no session has seen before this one (7.3.2)."""

    count: int


class Exists(Record):
    """The number of messages in the mailbox (7.3.1)."""

    count: int


class Expunged(Record):
    """The message of this sequence number is gone (7.4.1)."""

    number: int


class Found(Record):
    """What a search found, in the server's order (7.2.5). May come in several parts.

    These are UIDs after UID SEARCH and sequence numbers after SEARCH.
    """

    uids: tuple[int, ...]


class BodyStart(Record):
    """Message text begins. ``uid`` is None when the server names it only afterwards.

    ``section`` is what stands between the brackets (``b""`` is the whole message) and
    ``size`` the octets announced: never to be trusted for allocation. ``old_name`` is RFC822,
    RFC822.HEADER or RFC822.TEXT where the item was called so, and empty for BODY[...].
    """

    number: int
    uid: int | None
    section: bytes
    size: int
    old_name: bytes = b""


class BodyChunk(Record):
    """Some bytes of message text, as large as they arrived."""

    data: bytes
    _hidden = frozenset({"data"})


class BodyEnd(Record):
    """The announced number of octets has arrived. Only Completed makes the message complete."""


class Fetched(Record):
    """One FETCH response is over; what it said apart from message text (7.4.2).

    What the server did not mention is None. Flags are as sent.
    """

    number: int
    uid: int | None = None
    size: int | None = None
    flags: tuple[bytes, ...] | None = None
    internal_date: bytes | None = None


class Unknown(Record):
    """An untagged response that has no event of its own; its first word in upper case."""

    name: bytes


class Completed(Record):
    """The tagged reply: this command is over (7.1)."""

    command: Command
    condition: Condition
    code: Code | None = None
    text: bytes = b""


class TlsReady(Record):
    """STARTTLS was granted: the handshake is next, then ``tls_started``."""

    command: Command


class Closed(Record):
    """The peer has closed in good order."""


Event = (
    Greeted
    | SaidBye
    | Capabilities
    | Status
    | Flags
    | Recent
    | Exists
    | Expunged
    | Found
    | BodyStart
    | BodyChunk
    | BodyEnd
    | Fetched
    | Unknown
    | Completed
    | TlsReady
    | Closed
)
