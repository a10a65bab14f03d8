"""What an IMAP server tells a client (RFC 3501, section 7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .commands import Command


class Condition(Enum):
    """The word that opens a status response (7.1)."""

    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"


@dataclass(frozen=True, slots=True)
class Code:
    """The bracketed code of a status response: name in upper case, arguments as sent."""

    name: bytes
    arguments: bytes = b""


@dataclass(frozen=True, slots=True)
class Greeted:
    """The connection is open; ``preauthenticated`` when no login is needed (7.1.1, 7.1.4)."""

    preauthenticated: bool
    code: Code | None = None
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class SaidBye:
    """The server is about to close, as a greeting, after LOGOUT or unasked (7.1.5)."""

    code: Code | None = None
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the server can do, in upper case; replaces what was announced before (7.2.1)."""

    names: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Status:
    """An untagged OK, NO or BAD, such as ``* OK [UIDVALIDITY 7]`` (7.1)."""

    condition: Condition
    code: Code | None = None
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that messages in this mailbox may have, as sent (7.2.6)."""

    names: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Recent:
    """The number of messages that no session has seen before this one (7.3.2)."""

    count: int


@dataclass(frozen=True, slots=True)
class Exists:
    """The number of messages in the mailbox (7.3.1)."""

    count: int


@dataclass(frozen=True, slots=True)
class Expunged:
    """The message of this sequence number is gone (7.4.1)."""

    number: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, in the server's order (7.2.5). May come in several parts.

    These are UIDs after UID SEARCH and sequence numbers after SEARCH.
    """

    uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BodyStart:
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


@dataclass(frozen=True, slots=True)
class BodyChunk:
    """Some bytes of message text, as large as they arrived."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The announced number of octets has arrived. Only Completed makes the message complete."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One FETCH response is over; what it said apart from message text (7.4.2).

    What the server did not mention is None. Flags are as sent.
    """

    number: int
    uid: int | None = None
    size: int | None = None
    flags: tuple[bytes, ...] | None = None
    internal_date: bytes | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An untagged response that has no event of its own; its first word in upper case."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Completed:
    """The tagged reply: this command is over (7.1)."""

    command: Command
    condition: Condition
    code: Code | None = None
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class TlsReady:
    """STARTTLS was granted: the handshake is next, then ``tls_started``."""

    command: Command


@dataclass(frozen=True, slots=True)
class Closed:
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
