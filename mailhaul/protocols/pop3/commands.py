"""The commands of a POP3 client (RFC 1939, and the extensions named below).

Sections are those of RFC 1939 unless another RFC is named. Message numbers begin at 1. Text is
bytes, as sent. Every command raises TypeError for a field of the wrong type.
"""

from __future__ import annotations

from ..record import CheckedRecord
from ..sasl.exchange import Authenticate, CancelAuthentication, Respond
from ..secret import Secret


class Capa(CheckedRecord):
    """Request the capabilities: CAPA (RFC 2449, section 5)."""


class StartTls(CheckedRecord):
    """Request TLS: STLS (RFC 2595, section 4). TlsReady is the positive reply."""


class User(CheckedRecord):
    """Give the user name: USER (section 7)."""

    name: bytes


class Pass(CheckedRecord):
    """Give the password, after User: PASS (section 7)."""

    password: Secret


class Apop(CheckedRecord):
    """Log in with an MD5 digest of the greeting's timestamp and the password: APOP (section 7).

    MD5 is no longer secure; use APOP only if the server offers nothing better. ``send`` raises
    LocalProtocolError if the greeting had no timestamp.
    """

    user: bytes
    password: Secret


class Utf8(CheckedRecord):
    """Enable UTF-8 in user names, passwords and headers: UTF8 (RFC 6856, section 2)."""


class Lang(CheckedRecord):
    """Choose the language of reply texts, or list the languages: LANG (RFC 6856, section 3)."""

    language: bytes | None = None


class Stat(CheckedRecord):
    """Request the number of messages and their total size: STAT (section 5)."""


class List(CheckedRecord):
    """Request the size of one message, or of all: LIST (section 5).

    With ``in_blocks`` most lines of the reply come in events of type ListedBlock, which take less
    time than an event for each line. Unusual lines still come as Listed.
    """

    number: int | None = None
    in_blocks: bool = False


class Uidl(CheckedRecord):
    """Request the unique id of one message, or of all: UIDL (section 7).

    With ``in_blocks`` most lines of the reply come in events of type UniqueIdBlock, which take less
    time than an event for each line. Unusual lines still come as UniqueId.
    """

    number: int | None = None
    in_blocks: bool = False


class Top(CheckedRecord):
    """Request the header and the first ``lines`` lines of the body: TOP (section 7)."""

    number: int
    lines: int


class Retrieve(CheckedRecord):
    """Request a whole message: RETR (section 5)."""

    number: int


class Delete(CheckedRecord):
    """Mark a message as deleted: DELE (section 5). The server removes it at QUIT."""

    number: int


class Reset(CheckedRecord):
    """Undo all deletion marks: RSET (section 5)."""


class Noop(CheckedRecord):
    """Do nothing; the server only replies: NOOP (section 5)."""


class Last(CheckedRecord):
    """Request the highest message number accessed so far: LAST (RFC 1460; later RFCs drop it)."""


class Envelope(CheckedRecord):
    """Request the envelope of a message: ``*ENV``, an extension of Demon Internet's servers."""

    number: int


class Quit(CheckedRecord):
    """End the session and remove the messages marked as deleted: QUIT (section 6)."""


Command = (
    Capa
    | StartTls
    | User
    | Pass
    | Apop
    | Authenticate
    | Utf8
    | Lang
    | Stat
    | List
    | Uidl
    | Top
    | Retrieve
    | Delete
    | Reset
    | Noop
    | Last
    | Envelope
    | Quit
)
"""Commands, each of which gets its own reply."""
Continuation = Respond | CancelAuthentication
"""Responses to a challenge, after Authenticate."""
Heard = Command | Continuation
"""Everything that a server receives."""
