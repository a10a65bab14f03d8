"""What an IMAP server tells a client (RFC 3501, section 7; the extensions are named).

Sections are those of RFC 3501 unless another RFC is named. Mailbox names are as on the wire.
"""

from __future__ import annotations

from enum import Enum

from ..record import Record
from ..sasl.exchange import Challenge
from .commands import Append, Command, Idle
from .values import Value


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
    """The server is about to close, as a greeting, after LOGOUT or unsolicited (7.1.5)."""

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


class Vanished(Record):
    """Messages that are gone, as a set of UIDs (RFC 7162, 3.2.10).

    ``earlier`` says that this is an answer about the past, not news.
    """

    uids: bytes
    earlier: bool = False


class Found(Record):
    """What a search found, in the server's order (7.2.5). May come in several parts.

    These are UIDs after UID SEARCH and sequence numbers after SEARCH. ``modseq`` is the highest
    change number among them (RFC 7162, 3.1.5).
    """

    uids: tuple[int, ...]
    modseq: int | None = None


class FoundInShort(Record):
    """The result of a search with result options: ESEARCH (RFC 4731, 3.1; RFC 9394, 3.1).

    ``tag`` is that of the search; ``uid`` says that the numbers are UIDs. ``every`` is a set of
    numbers as sent, and ``partial`` a pair of the range asked for and the set found in it.
    """

    tag: bytes | None = None
    uid: bool = False
    lowest: int | None = None
    highest: int | None = None
    count: int | None = None
    every: bytes | None = None
    partial: tuple[bytes, bytes | None] | None = None
    modseq: int | None = None


class Listed(Record):
    """A mailbox (7.2.2), or a subscribed one in answer to LSUB (7.2.3).

    ``delimiter`` is None for flat names. ``extended`` are the pairs of RFC 5258, section 6, such
    as (b"CHILDINFO", [...]).
    """

    mailbox: bytes
    delimiter: bytes | None = None
    attributes: tuple[bytes, ...] = ()
    lsub: bool = False
    extended: tuple[tuple[bytes, Value], ...] = ()


class MailboxStatus(Record):
    """What was asked about a mailbox: STATUS (7.2.4), names in upper case.

    Values are numbers, except for MAILBOXID, an atom in a list (RFC 8474, 4.3).
    """

    mailbox: bytes
    items: tuple[tuple[bytes, int | bytes], ...]


class NamespaceEntry(Record):
    """One place where mailboxes live: their names begin with ``prefix``."""

    prefix: bytes
    delimiter: bytes | None


class Namespaces(Record):
    """Where mailboxes live: our own, those of other users, and shared ones (RFC 2342, 5)."""

    personal: tuple[NamespaceEntry, ...] = ()
    other_users: tuple[NamespaceEntry, ...] = ()
    shared: tuple[NamespaceEntry, ...] = ()


class Identified(Record):
    """The server's reply to ID (RFC 2971, 3.2); empty for NIL."""

    fields: tuple[tuple[bytes, bytes | None], ...] = ()


class Enabled(Record):
    """Extensions that are switched on now, in upper case (RFC 5161, 3.2)."""

    names: frozenset[bytes]


class BodyStart(Record):
    """Message text begins. ``uid`` is None when the server names it only afterwards.

    ``section`` is what stands between the brackets (``b""`` is the whole message) and
    ``size`` the octets announced: never to be trusted for allocation. ``old_name`` is RFC822,
    RFC822.HEADER or RFC822.TEXT where the item was called so, and empty for BODY[...].
    ``origin`` is the octet at which a partial text begins: 0 in BODY[]<0> (7.4.2). ``binary`` says
    that it is BINARY[...], decoded by the server (RFC 3516, 4.2).
    """

    number: int
    uid: int | None
    section: bytes
    size: int
    old_name: bytes = b""
    origin: int | None = None
    binary: bool = False


class BodyChunk(Record):
    """Some bytes of message text, as large as they arrived."""

    data: bytes
    _hidden = frozenset({"data"})


class BodyEnd(Record):
    """The announced number of octets has arrived. Only Completed makes the message complete."""


class NoText(Record):
    """NIL came in place of message text: the server has none to give now (7.4.2, nstring).

    This is not a text of no octets. ``uid`` is None where the server did not name it.
    """

    number: int
    uid: int | None
    section: bytes


class Fetched(Record):
    """One FETCH response is over; what it said apart from message text (7.4.2).

    What the server did not mention is None. Flags are as sent; ``modseq`` is the change number
    (RFC 7162, 3.1.4). ``others`` are all further items, names in upper case and values as read:
    ENVELOPE and BODYSTRUCTURE for structure.py, EMAILID and THREADID (RFC 8474, 5), X-GM-MSGID,
    X-GM-THRID and X-GM-LABELS, as Gmail documents them.
    """

    number: int
    uid: int | None = None
    size: int | None = None
    flags: tuple[bytes, ...] | None = None
    internal_date: bytes | None = None
    modseq: int | None = None
    others: tuple[tuple[bytes, Value], ...] = ()
    _hidden = frozenset({"others"})


class Unknown(Record):
    """An untagged response that has no event of its own; its first word in upper case."""

    name: bytes


class ReadyForText(Record):
    """The message of this APPEND may be sent now: as many octets of AppendChunk as it announced."""

    command: Append


class Idling(Record):
    """The server will tell news until Done (RFC 2177)."""

    command: Idle


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
    """The peer has closed in good order. Then ``next_event`` returns NEED_DATA."""


Event = (
    Greeted
    | SaidBye
    | Capabilities
    | Status
    | Flags
    | Recent
    | Exists
    | Expunged
    | Vanished
    | Found
    | FoundInShort
    | Listed
    | MailboxStatus
    | Namespaces
    | Identified
    | Enabled
    | Challenge
    | ReadyForText
    | Idling
    | BodyStart
    | BodyChunk
    | BodyEnd
    | NoText
    | Fetched
    | Unknown
    | Completed
    | TlsReady
    | Closed
)
