"""The events of an IMAP client (RFC 3501, section 7, and the extensions named below).

A server sends the same objects. Sections are those of RFC 3501 unless another RFC is named.
Mailbox names and flags are bytes as sent; sizes are in octets.
"""

from __future__ import annotations

from enum import Enum

from ..record import Record
from ..sasl.exchange import Challenge
from .commands import Append, Command, Idle
from .values import Value


class Condition(Enum):
    """The condition of a status response (7.1)."""

    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"


class Code(Record):
    """The response code of a status response (7.1): name in upper case, arguments as sent."""

    name: bytes
    arguments: bytes = b""


class Greeted(Record):
    """The greeting. ``preauthenticated`` is true if no login is needed (7.1.1, 7.1.4)."""

    preauthenticated: bool
    code: Code | None = None
    text: bytes = b""


class SaidBye(Record):
    """BYE, as the greeting, after LOGOUT or unsolicited: the server will close (7.1.5)."""

    code: Code | None = None
    text: bytes = b""


class Capabilities(Record):
    """All capabilities of the server, in upper case (7.2.1). Replaces earlier ones."""

    names: frozenset[bytes]


class Status(Record):
    """An untagged OK, NO or BAD, such as ``* OK [UIDVALIDITY 7]`` (7.1)."""

    condition: Condition
    code: Code | None = None
    text: bytes = b""


class Flags(Record):
    """The flags that messages in this mailbox may have (7.2.6)."""

    names: tuple[bytes, ...]


class Recent(Record):
    """The number of messages that this session is the first to see (7.3.2)."""

    count: int


class Exists(Record):
    """The number of messages in the mailbox (7.3.1)."""

    count: int


class Expunged(Record):
    """The message with this sequence number was removed (7.4.1)."""

    number: int


class Vanished(Record):
    """Messages that were removed, as a UID set (RFC 7162, 3.2.10).

    ``earlier`` is true if they were removed before; otherwise they were removed just now.
    """

    uids: bytes
    earlier: bool = False


class Found(Record):
    """A search result, in the server's order (7.2.5). A long one is split into several events.

    ``uids`` are UIDs after UID SEARCH, and sequence numbers after SEARCH. ``modseq`` is the highest
    mod-sequence of these messages (RFC 7162, 3.1.5).
    """

    uids: tuple[int, ...]
    modseq: int | None = None


class FoundInShort(Record):
    """The result of a search with result options: ESEARCH (RFC 4731, 3.1; RFC 9394, 3.1).

    ``tag`` is the tag of the search. ``uid`` is true if the numbers are UIDs. ``lowest``,
    ``highest``, ``count`` and ``every`` are MIN, MAX, COUNT and ALL (a set of numbers as sent).
    ``partial`` is a pair of the requested range and the set found in it.
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
    """A mailbox in the result of LIST (7.2.2), or of LSUB if ``lsub`` is true (7.2.3).

    ``delimiter`` is None if the names have no hierarchy. ``extended`` are pairs of an extended data
    item and its value, such as (b"CHILDINFO", [...]) (RFC 5258, section 6).
    """

    mailbox: bytes
    delimiter: bytes | None = None
    attributes: tuple[bytes, ...] = ()
    lsub: bool = False
    extended: tuple[tuple[bytes, Value], ...] = ()


class MailboxStatus(Record):
    """The status of a mailbox: STATUS (7.2.4).

    The names of the items are in upper case. Values are numbers, except for that of MAILBOXID
    (bytes, RFC 8474, 4.3).
    """

    mailbox: bytes
    items: tuple[tuple[bytes, int | bytes], ...]


class Quota(Record):
    """The quota of a quota root: QUOTA (RFC 9208, 5.1).

    ``resources`` are triples of a name in upper case, the usage and the limit. STORAGE is counted
    in units of 1024 octets, MESSAGE in messages.
    """

    root: bytes
    resources: tuple[tuple[bytes, int, int], ...] = ()


class NamespaceEntry(Record):
    """One namespace: the names of its mailboxes begin with ``prefix`` (RFC 2342, 5)."""

    prefix: bytes
    delimiter: bytes | None


class Namespaces(Record):
    """The user's own namespaces, those of other users, and shared ones (RFC 2342, 5)."""

    personal: tuple[NamespaceEntry, ...] = ()
    other_users: tuple[NamespaceEntry, ...] = ()
    shared: tuple[NamespaceEntry, ...] = ()


class Identified(Record):
    """The server's data in reply to ID (RFC 2971, 3.2); empty for NIL."""

    fields: tuple[tuple[bytes, bytes | None], ...] = ()


class Enabled(Record):
    """The extensions that were just enabled, in upper case (RFC 5161, 3.2)."""

    names: frozenset[bytes]


class BodyStart(Record):
    """Message text begins (7.4.2). ``uid`` is None if the server sends it after the text.

    ``section`` is the text between the brackets of the item; b"" is the whole message. ``size`` is
    the announced number of octets; do not allocate memory by it. ``old_name`` is b"RFC822",
    b"RFC822.HEADER" or b"RFC822.TEXT" if the server used that item name, and b"" for BODY[...].
    ``origin`` is the offset of a partial text, such as 0 in BODY[]<0>, or None. ``binary`` is true
    for BINARY[...], which the server has decoded (RFC 3516, 4.2). A server that sets
    ``message_size`` sends RFC822.SIZE before the text, as Dovecot does; a client has it in Fetched.
    """

    number: int
    uid: int | None
    section: bytes
    size: int
    old_name: bytes = b""
    origin: int | None = None
    binary: bool = False
    message_size: int | None = None


class BodyChunk(Record):
    """The next bytes of message text, as they arrived."""

    data: bytes
    _hidden = frozenset({"data"})


class BodyEnd(Record):
    """The announced number of octets has arrived. The FETCH succeeded only if Completed is OK."""


class NoText(Record):
    """NIL instead of message text: the server cannot return the text now (7.4.2, nstring).

    This differs from an empty text. ``uid`` is None if the server did not send it.
    """

    number: int
    uid: int | None
    section: bytes


class Fetched(Record):
    """The end of a FETCH response, with all its items except message text (7.4.2).

    An item that the server did not send is None. ``number`` is the sequence number, and ``modseq``
    the mod-sequence (RFC 7162, 3.1.4). ``others`` are all further items as pairs of a name in upper
    case and a parsed value: ENVELOPE (see ``read_envelope``), BODYSTRUCTURE (``read_body``),
    EMAILID and THREADID (RFC 8474, 5), and Gmail's X-GM-MSGID, X-GM-THRID and X-GM-LABELS.
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
    """An untagged response without an event of its own; ``name`` is its name in upper case."""

    name: bytes


class ReadyForText(Record):
    """The server is ready for the message of an APPEND: send AppendChunk (6.3.11)."""

    command: Append


class Idling(Record):
    """The server has accepted IDLE and reports updates until Done (RFC 2177)."""

    command: Idle


class Completed(Record):
    """The tagged reply, which ends the command (7.1)."""

    command: Command
    condition: Condition
    code: Code | None = None
    text: bytes = b""


class TlsReady(Record):
    """The OK reply to STARTTLS. Do the TLS handshake, then call ``tls_started``."""

    command: Command


class Closed(Record):
    """The peer closed the connection, and no reply was missing. Then only NEED_DATA follows."""


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
    | Quota
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
