"""The commands of an IMAP client (RFC 3501, section 6; RFC 9051 and the extensions named below).

Mailbox names are bytes as sent: modified UTF-7 (RFC 3501, 5.1.3), or UTF-8 once UTF8=ACCEPT or
IMAP4REV2 is enabled; ``encode_mailbox`` makes them. Sets of numbers, search keys and FETCH items
are also bytes as sent. Sections are those of RFC 3501 unless another RFC is named. Every command
raises TypeError for a field of the wrong type.
"""

from __future__ import annotations

from ..record import CheckedRecord
from ..sasl.exchange import Authenticate, CancelAuthentication, Respond
from ..secret import Secret

# Any state


class Capability(CheckedRecord):
    """Request the capabilities: CAPABILITY (6.1.1)."""


class Noop(CheckedRecord):
    """Do nothing; the server may report changes of the mailbox: NOOP (6.1.2)."""


class Logout(CheckedRecord):
    """End the session: LOGOUT (6.1.3)."""


class Id(CheckedRecord):
    """Exchange names and versions: ID (RFC 2971).

    ``fields`` are pairs of field and value; None sends NIL.
    """

    fields: tuple[tuple[bytes, bytes | None], ...] | None = None


# Not authenticated


class StartTls(CheckedRecord):
    """Request TLS: STARTTLS (6.2.1). TlsReady is the positive reply."""


class Login(CheckedRecord):
    """Log in with a plain password: LOGIN (6.2.3). ``user`` is sent unchanged."""

    user: bytes
    password: Secret


# Authenticated


class Enable(CheckedRecord):
    """Enable extensions: ENABLE (RFC 5161), as in ``Enable((b"UTF8=ACCEPT",))``."""

    names: tuple[bytes, ...]


class Compress(CheckedRecord):
    """Compress both directions: COMPRESS DEFLATE (RFC 4978)."""


class Namespace(CheckedRecord):
    """Request the namespaces of mailboxes: NAMESPACE (RFC 2342)."""


class Resync(CheckedRecord):
    """The known state of a mailbox, for Select: QRESYNC (RFC 7162, 3.2.5).

    ``known_uids`` is a UID set; b"" means all UIDs.
    """

    uid_validity: int
    modseq: int
    known_uids: bytes = b""


class Select(CheckedRecord):
    """Open a mailbox: SELECT (6.3.1), or EXAMINE (6.3.2) if ``read_only`` is true.

    ``condstore`` requests mod-sequences (RFC 7162, 3.1.8). ``resync`` requests the changes since
    that state.
    """

    mailbox: bytes
    read_only: bool = False
    condstore: bool = False
    resync: Resync | None = None


class CreateMailbox(CheckedRecord):
    """Create a mailbox: CREATE (6.3.3), with special uses such as ``\\Sent`` (RFC 6154, 3)."""

    mailbox: bytes
    special_use: tuple[bytes, ...] = ()


class DeleteMailbox(CheckedRecord):
    """Delete a mailbox: DELETE (6.3.4)."""

    mailbox: bytes


class Rename(CheckedRecord):
    """Rename a mailbox: RENAME (6.3.5)."""

    mailbox: bytes
    new_name: bytes


class Subscribe(CheckedRecord):
    """Subscribe to a mailbox: SUBSCRIBE (6.3.6)."""

    mailbox: bytes


class Unsubscribe(CheckedRecord):
    """Remove the subscription of a mailbox: UNSUBSCRIBE (6.3.7)."""

    mailbox: bytes


class ListMailboxes(CheckedRecord):
    """List the mailboxes whose names match: LIST (6.3.8; RFC 5258; RFC 5819; RFC 6154, 2).

    With one pattern and no options, every server supports this command. ``selecting`` are selection
    options, such as b"SUBSCRIBED"; ``returning`` are return options, such as b"SPECIAL-USE";
    ``status`` are the items of RETURN (STATUS (...)). ``extended`` says that an empty pattern is
    not the request for the hierarchy separator although there are no options, as in
    ``LIST "" ("")`` (RFC 5258, section 3); with options or several patterns it never is.
    """

    reference: bytes = b""
    patterns: tuple[bytes, ...] = (b"*",)
    selecting: tuple[bytes, ...] = ()
    returning: tuple[bytes, ...] = ()
    status: tuple[bytes, ...] = ()
    extended: bool = False


class ListSubscribed(CheckedRecord):
    """List subscribed mailboxes: LSUB (6.3.9)."""

    reference: bytes = b""
    pattern: bytes = b"*"


class AskStatus(CheckedRecord):
    """Request the status of a mailbox without selecting it: STATUS (6.3.10).

    ``items`` are names such as b"UIDNEXT".
    """

    mailbox: bytes
    items: tuple[bytes, ...]


class GetQuotaRoot(CheckedRecord):
    """Request the quotas of a mailbox: GETQUOTAROOT (RFC 9208, 4.2.2)."""

    mailbox: bytes


class Append(CheckedRecord):
    """Add a message to a mailbox: APPEND (6.3.11).

    After ReadyForText, send exactly ``size`` octets as AppendChunk. ``internal_date`` is a
    date-time such as b"17-Jul-1996 02:44:25 -0700". ``utf8`` declares UTF-8 in the header (RFC
    6855, 4), and ``binary`` declares NULs (RFC 3516, 4.4).
    """

    mailbox: bytes
    size: int
    flags: tuple[bytes, ...] = ()
    internal_date: bytes | None = None
    utf8: bool = False
    binary: bool = False


class AppendChunk(CheckedRecord):
    """The next octets of the message of an APPEND."""

    data: bytes
    _hidden = frozenset({"data"})


class AppendEnd(CheckedRecord):
    """Server only: the message of an APPEND and the command are complete.

    ``malformed`` is true if unexpected data followed the message; the reply must be BAD.
    """

    malformed: bool = False


class Idle(CheckedRecord):
    """Request updates of the mailbox as they happen, until Done: IDLE (RFC 2177)."""


class Done(CheckedRecord):
    """End an IDLE command: DONE (RFC 2177)."""


class EventGroup(CheckedRecord):
    """The events to report for some mailboxes, for Notify (RFC 5465, sections 5 and 6).

    ``which`` is b"SELECTED", b"SELECTED-DELAYED", b"INBOXES", b"PERSONAL" or b"SUBSCRIBED"; or
    b"MAILBOXES" or b"SUBTREE", with ``names``. ``events`` are names such as b"MessageNew"; an empty
    tuple requests no events for these mailboxes. ``fetch`` lists the items to report for each new
    message in the selected mailbox.
    """

    which: bytes
    events: tuple[bytes, ...] = ()
    names: tuple[bytes, ...] = ()
    fetch: tuple[bytes, ...] = ()


class Notify(CheckedRecord):
    """Choose the events that the server reports: NOTIFY SET, or NOTIFY NONE (RFC 5465, 3.1).

    Without ``groups`` it is NOTIFY NONE. ``status`` requests the current status of each of the
    mailboxes, except for the selected one.
    """

    groups: tuple[EventGroup, ...] = ()
    status: bool = False


# Selected


class CloseMailbox(CheckedRecord):
    """Close the mailbox and remove the messages flagged as deleted: CLOSE (6.4.2)."""


class Unselect(CheckedRecord):
    """Close the mailbox without removing messages: UNSELECT (RFC 3691)."""


class Expunge(CheckedRecord):
    """Remove all messages flagged as deleted: EXPUNGE (6.4.3)."""


class Search(CheckedRecord):
    """Request the sequence numbers of matching messages: SEARCH (6.4.4).

    ``criteria`` are search keys such as b"UNSEEN UNDELETED", optionally after b"CHARSET UTF-8".
    ``returning`` are result options such as (b"COUNT", b"ALL") (RFC 4731, 5182, 9394); None sends
    no RETURN.
    """

    criteria: bytes
    returning: tuple[bytes, ...] | None = None


class Fetch(CheckedRecord):
    """Request data of messages by sequence number: FETCH (6.4.5).

    ``modifiers`` are without parentheses, as in b"CHANGEDSINCE 12" (RFC 7162, 3.1.4.1).
    """

    numbers: bytes
    items: bytes
    modifiers: bytes = b""


class Store(CheckedRecord):
    """Change the flags of messages by sequence number: STORE (6.4.6).

    With ``unchanged_since``, the server skips messages with a higher mod-sequence (RFC 7162,
    3.1.3).
    """

    numbers: bytes
    operation: bytes
    flags: bytes
    unchanged_since: int | None = None


class Copy(CheckedRecord):
    """Copy messages to another mailbox by sequence number: COPY (6.4.7)."""

    numbers: bytes
    mailbox: bytes


class Move(CheckedRecord):
    """Move messages to another mailbox by sequence number: MOVE (RFC 6851, 3.1)."""

    numbers: bytes
    mailbox: bytes


class UidSearch(CheckedRecord):
    """Request the UIDs of matching messages: UID SEARCH (6.4.4, 6.4.8). See Search."""

    criteria: bytes
    returning: tuple[bytes, ...] | None = None


class UidFetch(CheckedRecord):
    """Request data of messages by UID: UID FETCH (6.4.5, 6.4.8).

    ``uids`` is a UID set such as b"5" or b"2:*", and ``items`` are the items to fetch, such as
    b"(UID BODY.PEEK[])". ``modifiers`` may be b"CHANGEDSINCE 12 VANISHED" (RFC 7162, 3.2.6) or
    b"PARTIAL -1:-50" (RFC 9394, 3.4).
    """

    uids: bytes
    items: bytes
    modifiers: bytes = b""


class UidStore(CheckedRecord):
    """Change the flags of messages by UID: UID STORE (6.4.6, 6.4.8). See Store.

    For example: ``UidStore(b"5", b"+FLAGS.SILENT", b"(\\\\Deleted)")``.
    """

    uids: bytes
    operation: bytes
    flags: bytes
    unchanged_since: int | None = None


class UidCopy(CheckedRecord):
    """Copy messages to another mailbox by UID: UID COPY (6.4.7, 6.4.8)."""

    uids: bytes
    mailbox: bytes


class UidMove(CheckedRecord):
    """Move messages to another mailbox by UID: UID MOVE (RFC 6851, 3.2)."""

    uids: bytes
    mailbox: bytes


class UidExpunge(CheckedRecord):
    """Remove those of these messages that are flagged as deleted: UID EXPUNGE (RFC 4315, 2.1)."""

    uids: bytes


Command = (
    Capability
    | Noop
    | Logout
    | Id
    | StartTls
    | Authenticate
    | Login
    | Enable
    | Compress
    | Namespace
    | Select
    | CreateMailbox
    | DeleteMailbox
    | Rename
    | Subscribe
    | Unsubscribe
    | ListMailboxes
    | ListSubscribed
    | AskStatus
    | GetQuotaRoot
    | Append
    | Idle
    | Notify
    | CloseMailbox
    | Unselect
    | Expunge
    | Search
    | Fetch
    | Store
    | Copy
    | Move
    | UidSearch
    | UidFetch
    | UidStore
    | UidCopy
    | UidMove
    | UidExpunge
)
"""Commands, each of which gets a tag and a tagged reply."""
Continuation = Respond | CancelAuthentication | AppendChunk | Done
"""Further parts of the current command, which have no tag."""
Heard = Command | Continuation | AppendEnd
"""Everything that a server receives."""
ON_MESSAGES: tuple[type, ...] = (
    *(Search, Fetch, Store, Copy, Move, Expunge),
    *(UidSearch, UidFetch, UidStore, UidCopy, UidMove, UidExpunge),
)
"""Commands that are allowed only while a mailbox is selected."""
