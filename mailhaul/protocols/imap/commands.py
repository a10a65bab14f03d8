"""What an IMAP client says to a server (RFC 3501, section 6)."""

from __future__ import annotations

from ..record import Record
from ..secret import Secret


class Capability(Record):
    """Ask what the server can do (6.1.1)."""


class Noop(Record):
    """Ask for nothing but news (6.1.2)."""


class Logout(Record):
    """Say good-bye (6.1.3)."""


class StartTls(Record):
    """Ask to speak TLS from here on (6.2.1)."""


class Login(Record):
    """Log in with a plain password (6.2.3). ``user`` is sent as it is."""

    user: bytes
    password: Secret


class Select(Record):
    """Open a mailbox: SELECT (6.3.1), or EXAMINE (6.3.2) when ``read_only``.

    ``mailbox`` is the name as it goes on the wire (modified UTF-7, 5.1.3).
    """

    mailbox: bytes
    read_only: bool = False


class Search(Record):
    """Ask for the sequence numbers of matching messages (6.4.4)."""

    criteria: bytes


class Fetch(Record):
    """Ask for data of messages by sequence number (6.4.5)."""

    numbers: bytes
    items: bytes


class Store(Record):
    """Change flags of messages by sequence number (6.4.6)."""

    numbers: bytes
    operation: bytes
    flags: bytes


class CloseMailbox(Record):
    """Leave the mailbox and remove what is flagged as deleted: CLOSE (6.4.2)."""


class UidSearch(Record):
    """Ask for the UIDs of matching messages (6.4.4, 6.4.8): ``b"UNSEEN UNDELETED"``."""

    criteria: bytes


class UidFetch(Record):
    """Ask for data of messages (6.4.5, 6.4.8): ``UidFetch(b"5", b"(UID BODY.PEEK[])")``.

    ``uids`` is a sequence set (RFC 3501, section 9) and ``items`` the items as sent.
    """

    uids: bytes
    items: bytes


class UidStore(Record):
    """Change flags (6.4.6, 6.4.8): ``UidStore(b"5", b"+FLAGS.SILENT", b"(\\\\Deleted)")``."""

    uids: bytes
    operation: bytes
    flags: bytes


class UidExpunge(Record):
    """Remove messages flagged as deleted among these UIDs only (RFC 4315, 2.1)."""

    uids: bytes


class Expunge(Record):
    """Remove every message flagged as deleted (6.4.3)."""


Command = (
    Capability
    | Noop
    | Logout
    | StartTls
    | Login
    | Select
    | Search
    | Fetch
    | Store
    | CloseMailbox
    | UidSearch
    | UidFetch
    | UidStore
    | UidExpunge
    | Expunge
)
