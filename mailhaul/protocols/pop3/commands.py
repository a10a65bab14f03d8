"""What a POP3 client says to a server (RFC 1939; the other RFCs are named).

Sections are those of RFC 1939 unless another RFC is named. Message numbers begin at 1.
"""

from __future__ import annotations

from ..record import CheckedRecord
from ..sasl.exchange import Authenticate, CancelAuthentication, Respond
from ..secret import Secret


class Capa(CheckedRecord):
    """Ask what the server can do (RFC 2449, section 5)."""


class StartTls(CheckedRecord):
    """Ask to speak TLS from here on: STLS (RFC 2595, section 4)."""


class User(CheckedRecord):
    """Name the maildrop (section 7)."""

    name: bytes


class Pass(CheckedRecord):
    """Give the password for it (section 7)."""

    password: Secret


class Apop(CheckedRecord):
    """Log in by a digest of the greeting's timestamp and the password (section 7).

    MD5 protects a password from nobody who wants it: this is for servers that know no better.
    """

    user: bytes
    password: Secret


class Utf8(CheckedRecord):
    """Let user names, passwords and headers be UTF-8 (RFC 6856, section 2)."""


class Lang(CheckedRecord):
    """Choose the language of texts for people, or list those there are (RFC 6856, section 3)."""

    language: bytes | None = None


class Stat(CheckedRecord):
    """Ask how many messages there are, and how many octets (section 5)."""


class List(CheckedRecord):
    """Ask for the size of one message or of all (section 5)."""

    number: int | None = None


class Uidl(CheckedRecord):
    """Ask for the unique id of one message or of all (section 7)."""

    number: int | None = None


class Top(CheckedRecord):
    """Ask for the header and the first lines of a message (section 7)."""

    number: int
    lines: int


class Retrieve(CheckedRecord):
    """Ask for one whole message: RETR (section 5)."""

    number: int


class Delete(CheckedRecord):
    """Mark a message as deleted: DELE (section 5). It goes when QUIT is answered with +OK."""

    number: int


class Reset(CheckedRecord):
    """Take all those marks back: RSET (section 5)."""


class Noop(CheckedRecord):
    """Ask for nothing but a reply (section 5)."""


class Last(CheckedRecord):
    """Ask for the highest number that was ever read: LAST (RFC 1460, and no RFC since)."""


class Envelope(CheckedRecord):
    """Ask Demon Internet's servers for the envelope of a message: ``*ENV``."""

    number: int


class Quit(CheckedRecord):
    """Say good-bye; only now deleted messages go (section 6)."""


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
"""What gets a reply of its own."""
Continuation = Respond | CancelAuthentication
"""What answers a challenge of the Authenticate before it."""
Heard = Command | Continuation
"""What the server role may hear."""
