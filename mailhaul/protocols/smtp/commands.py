"""What an SMTP or LMTP client says to a server (RFC 5321, section 4.1; RFC 2033)."""

from __future__ import annotations

from ..record import CheckedRecord
from ..sasl.exchange import Authenticate, CancelAuthentication, Respond


class Ehlo(CheckedRecord):
    """Introduce ourselves and ask for extensions; on the wire LHLO in LMTP (4.1.1.1)."""

    name: bytes


class Helo(CheckedRecord):
    """Introduce ourselves to a server that refused EHLO (4.1.1.1). Never in LMTP."""

    name: bytes


class StartTls(CheckedRecord):
    """Ask to speak TLS from here on (RFC 3207)."""


class Mail(CheckedRecord):
    """Begin a transaction (4.1.1.2). ``sender`` is without angle brackets, b"" is null.

    ``size`` goes out as SIZE= (RFC 1870) and ``body`` as BODY= (RFC 6152), each only
    when the server announced it. ``utf8`` asks for SMTPUTF8 (RFC 6531), which a recipient
    beyond ASCII needs; for such a sender it is asked for without being told. ``ret`` (b"FULL" or
    b"HDRS") and ``envid`` say what a delivery report is to bring back (RFC 3461, 4.3 and 4.4), and
    ``auth`` who vouched for the message, b"" for nobody we know (RFC 4954, 5); all are dropped
    where the server does not know them.
    """

    sender: bytes
    size: int | None = None
    body: bytes | None = None
    utf8: bool = False
    ret: bytes | None = None
    envid: bytes | None = None
    auth: bytes | None = None


class Rcpt(CheckedRecord):
    """Name one recipient, without angle brackets (4.1.1.3).

    ``notify`` are the occasions for a delivery report, such as (b"FAILURE", b"DELAY") or
    (b"NEVER",), and ``original`` the address that the message was sent to first (RFC 3461, 4.1 and
    4.2: b"rfc822;joe@example.org"). Both are dropped where the server has no DSN.
    """

    recipient: bytes
    notify: tuple[bytes, ...] = ()
    original: bytes | None = None


class Data(CheckedRecord):
    """Ask to send the message (4.1.1.4)."""


class Bdat(CheckedRecord):
    """Announce so many octets of the message, to come as BodyChunk at once (RFC 3030, section 2).

    They go as they are: no dots, no line ends made safe. The message is over with ``last``.
    """

    size: int
    last: bool = False


class BodyChunk(CheckedRecord):
    """Some bytes of the message as stored.

    Behind Data the machine makes line ends safe and stuffs dots; behind Bdat it does not.
    """

    data: bytes
    _hidden = frozenset({"data"})


class EndOfData(CheckedRecord):
    """The message is complete: send the final dot (4.1.1.4)."""


class Rset(CheckedRecord):
    """Forget the transaction (4.1.1.5)."""


class Noop(CheckedRecord):
    """Ask for nothing but a reply (4.1.1.9)."""


class Etrn(CheckedRecord):
    """Ask the server to send us what waits for a domain (RFC 1985)."""

    domain: bytes


class Vrfy(CheckedRecord):
    """Ask whether there is such a user (4.1.1.6). Not for mail: it tells spammers more."""

    name: bytes


class Expn(CheckedRecord):
    """Ask who is on a list (4.1.1.7)."""

    name: bytes


class Help(CheckedRecord):
    """Ask for words for people (4.1.1.8)."""

    topic: bytes = b""


class Quit(CheckedRecord):
    """Say good-bye (4.1.1.10)."""


class Unrecognized(CheckedRecord):
    """Server role only: a line that is no command we know; ``verb`` in upper case."""

    verb: bytes


class Malformed(CheckedRecord):
    """Server role only: a command that breaks the grammar; ``code`` is the reply due to it."""

    verb: bytes
    problem: str
    code: int = 501


Command = (
    Ehlo
    | Helo
    | StartTls
    | Authenticate
    | Mail
    | Rcpt
    | Data
    | Bdat
    | BodyChunk
    | EndOfData
    | Rset
    | Noop
    | Etrn
    | Vrfy
    | Expn
    | Help
    | Quit
)
Continuation = Respond | CancelAuthentication
"""What answers a challenge of the Authenticate before it."""
Heard = Command | Continuation | Unrecognized | Malformed
"""What the server role may hear."""
