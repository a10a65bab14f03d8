"""What an IMAP client says to a server (RFC 3501, section 6; RFC 9051 and the extensions named).

Mailbox names are as they go on the wire: modified UTF-7 (RFC 3501, 5.1.3), or UTF-8 once
UTF8=ACCEPT or IMAP4REV2 is enabled; mailbox_names.py makes them. Sets of numbers, search keys and
FETCH items are as sent. Sections are those of RFC 3501 unless another RFC is named.
"""

from __future__ import annotations

from ..record import CheckedRecord
from ..sasl.exchange import Authenticate, CancelAuthentication, Respond
from ..secret import Secret

# Any state


class Capability(CheckedRecord):
    """Ask what the server can do (6.1.1)."""


class Noop(CheckedRecord):
    """Ask for nothing but news (6.1.2)."""


class Logout(CheckedRecord):
    """Say good-bye (6.1.3)."""


class Id(CheckedRecord):
    """Say who we are and ask the same (RFC 2971): pairs of field and value; None says nothing."""

    fields: tuple[tuple[bytes, bytes | None], ...] | None = None


# Not authenticated


class StartTls(CheckedRecord):
    """Ask to speak TLS from here on (6.2.1)."""


class Login(CheckedRecord):
    """Log in with a plain password (6.2.3). ``user`` is sent as it is."""

    user: bytes
    password: Secret


# Authenticated


class Enable(CheckedRecord):
    """Switch extensions on (RFC 5161): ``Enable((b"UTF8=ACCEPT",))``."""

    names: tuple[bytes, ...]


class Compress(CheckedRecord):
    """Ask to deflate both directions from here on (RFC 4978)."""


class Namespace(CheckedRecord):
    """Ask where mailboxes live (RFC 2342)."""


class Resync(CheckedRecord):
    """What we remember of a mailbox, for SELECT ... (QRESYNC (...)) (RFC 7162, 3.2.5)."""

    uid_validity: int
    modseq: int
    known_uids: bytes = b""


class Select(CheckedRecord):
    """Open a mailbox: SELECT (6.3.1), or EXAMINE (6.3.2) when ``read_only``.

    ``condstore`` asks for change numbers (RFC 7162, 3.1.8), ``resync`` for what has changed.
    """

    mailbox: bytes
    read_only: bool = False
    condstore: bool = False
    resync: Resync | None = None


class CreateMailbox(CheckedRecord):
    """Make a mailbox (6.3.3), with special uses such as ``\\Sent`` (RFC 6154, 3)."""

    mailbox: bytes
    special_use: tuple[bytes, ...] = ()


class DeleteMailbox(CheckedRecord):
    """Remove a mailbox (6.3.4)."""

    mailbox: bytes


class Rename(CheckedRecord):
    """Give a mailbox another name (6.3.5)."""

    mailbox: bytes
    new_name: bytes


class Subscribe(CheckedRecord):
    """Add a mailbox to those that a user wants to see (6.3.6)."""

    mailbox: bytes


class Unsubscribe(CheckedRecord):
    """Take it out of them (6.3.7)."""

    mailbox: bytes


class ListMailboxes(CheckedRecord):
    """Ask for mailboxes whose names match (6.3.8; RFC 5258; RFC 5819; RFC 6154, 2).

    With one pattern and no options this is the plain LIST that every server knows. ``selecting``
    and ``returning`` are option words, such as b"SUBSCRIBED" and b"SPECIAL-USE"; ``status`` are the
    items of RETURN (STATUS (...)).
    """

    reference: bytes = b""
    patterns: tuple[bytes, ...] = (b"*",)
    selecting: tuple[bytes, ...] = ()
    returning: tuple[bytes, ...] = ()
    status: tuple[bytes, ...] = ()


class ListSubscribed(CheckedRecord):
    """Ask for subscribed mailboxes: LSUB (6.3.9)."""

    reference: bytes = b""
    pattern: bytes = b"*"


class AskStatus(CheckedRecord):
    """Ask about a mailbox without opening it: STATUS (6.3.10), items such as b"UIDNEXT"."""

    mailbox: bytes
    items: tuple[bytes, ...]


class Append(CheckedRecord):
    """Store a message (6.3.11). ``size`` octets of AppendChunk follow once ReadyForText came.

    ``internal_date`` is as in b"17-Jul-1996 02:44:25 -0700". ``utf8`` says that the header holds
    UTF-8 (RFC 6855, 4), ``binary`` that there are NULs (RFC 3516, 4.4).
    """

    mailbox: bytes
    size: int
    flags: tuple[bytes, ...] = ()
    internal_date: bytes | None = None
    utf8: bool = False
    binary: bool = False


class AppendChunk(CheckedRecord):
    """Some octets of the message that APPEND has announced."""

    data: bytes
    _hidden = frozenset({"data"})


class AppendEnd(CheckedRecord):
    """Server role only: the message of the APPEND has come, with the end of its command.

    ``malformed`` says that something followed the message: the command is to be answered with BAD.
    """

    malformed: bool = False


class Idle(CheckedRecord):
    """Ask for news as they come, until Done (RFC 2177)."""


class Done(CheckedRecord):
    """Wait no longer for news (RFC 2177)."""


class EventGroup(CheckedRecord):
    """Which news of which mailboxes (RFC 5465, sections 5 and 6).

    ``which`` is b"SELECTED", b"SELECTED-DELAYED", b"INBOXES", b"PERSONAL" or b"SUBSCRIBED"; or
    b"MAILBOXES" or b"SUBTREE", with ``names``. ``events`` are such as b"MessageNew"; none at all
    mutes these mailboxes. ``fetch`` are the items told of each new message in the selected one.
    """

    which: bytes
    events: tuple[bytes, ...] = ()
    names: tuple[bytes, ...] = ()
    fetch: tuple[bytes, ...] = ()


class Notify(CheckedRecord):
    """Choose which news come unasked (RFC 5465, 3.1): those of these groups, or none.

    ``status`` asks how each of these mailboxes stands now, but for the one that is selected.
    """

    groups: tuple[EventGroup, ...] = ()
    status: bool = False


# Selected


class CloseMailbox(CheckedRecord):
    """Leave the mailbox and remove what is flagged as deleted: CLOSE (6.4.2)."""


class Unselect(CheckedRecord):
    """Leave the mailbox and remove nothing (RFC 3691)."""


class Expunge(CheckedRecord):
    """Remove every message flagged as deleted (6.4.3)."""


class Search(CheckedRecord):
    """Ask for the sequence numbers of matching messages (6.4.4): ``b"UNSEEN UNDELETED"``.

    ``returning`` are result options (RFC 4731, 5182, 9394): (b"COUNT", b"ALL"). None asks in the
    old way. ``criteria`` may begin with b"CHARSET UTF-8".
    """

    criteria: bytes
    returning: tuple[bytes, ...] | None = None


class Fetch(CheckedRecord):
    """Ask for data of messages by sequence number (6.4.5).

    ``modifiers`` are as sent, without parentheses: b"CHANGEDSINCE 12" (RFC 7162, 3.1.4.1).
    """

    numbers: bytes
    items: bytes
    modifiers: bytes = b""


class Store(CheckedRecord):
    """Change flags of messages by sequence number (6.4.6).

    ``unchanged_since`` spares messages that have changed meanwhile (RFC 7162, 3.1.3).
    """

    numbers: bytes
    operation: bytes
    flags: bytes
    unchanged_since: int | None = None


class Copy(CheckedRecord):
    """Copy messages to another mailbox, by sequence number (6.4.7)."""

    numbers: bytes
    mailbox: bytes


class Move(CheckedRecord):
    """Move messages to another mailbox, by sequence number (RFC 6851, 3.1)."""

    numbers: bytes
    mailbox: bytes


class UidSearch(CheckedRecord):
    """Ask for the UIDs of matching messages (6.4.4, 6.4.8), as Search does for numbers."""

    criteria: bytes
    returning: tuple[bytes, ...] | None = None


class UidFetch(CheckedRecord):
    """Ask for data of messages (6.4.5, 6.4.8): ``UidFetch(b"5", b"(UID BODY.PEEK[])")``.

    ``uids`` is a sequence set (section 9) and ``items`` the items as sent. ``modifiers`` may be
    b"CHANGEDSINCE 12 VANISHED" (RFC 7162, 3.2.6) or b"PARTIAL -1:-50" (RFC 9394, 3.4).
    """

    uids: bytes
    items: bytes
    modifiers: bytes = b""


class UidStore(CheckedRecord):
    """Change flags (6.4.6, 6.4.8): ``UidStore(b"5", b"+FLAGS.SILENT", b"(\\\\Deleted)")``."""

    uids: bytes
    operation: bytes
    flags: bytes
    unchanged_since: int | None = None


class UidCopy(CheckedRecord):
    """Copy messages to another mailbox (6.4.7, 6.4.8)."""

    uids: bytes
    mailbox: bytes


class UidMove(CheckedRecord):
    """Move messages to another mailbox (RFC 6851, 3.2)."""

    uids: bytes
    mailbox: bytes


class UidExpunge(CheckedRecord):
    """Remove messages flagged as deleted among these UIDs only (RFC 4315, 2.1)."""

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
"""What gets a tag, and a tagged reply."""
Continuation = Respond | CancelAuthentication | AppendChunk | Done
"""What belongs to the command before it and has no tag."""
Heard = Command | Continuation | AppendEnd
"""What the server role may hear."""
ON_MESSAGES: tuple[type, ...] = (
    *(Search, Fetch, Store, Copy, Move, Expunge),
    *(UidSearch, UidFetch, UidStore, UidCopy, UidMove, UidExpunge),
)
"""Commands that need a mailbox to be open."""
