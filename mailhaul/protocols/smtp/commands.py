"""What an SMTP or LMTP client says to a server (RFC 5321, section 4.1; RFC 2033)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ehlo:
    """Introduce ourselves and ask for extensions; on the wire LHLO in LMTP (4.1.1.1)."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Helo:
    """Introduce ourselves to a server that refused EHLO (4.1.1.1). Never in LMTP."""

    name: bytes


@dataclass(frozen=True, slots=True)
class StartTls:
    """Ask to speak TLS from here on (RFC 3207)."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Begin a transaction (4.1.1.2). ``sender`` is without angle brackets, b"" is null.

    ``size`` goes out as SIZE= (RFC 1870) and ``body`` as BODY= (RFC 6152), each only
    when the server announced it. ``utf8`` asks for SMTPUTF8 (RFC 6531), which a recipient
    beyond ASCII needs; for such a sender it is asked for without being told.
    """

    sender: bytes
    size: int | None = None
    body: bytes | None = None
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class Rcpt:
    """Name one recipient, without angle brackets (4.1.1.3)."""

    recipient: bytes


@dataclass(frozen=True, slots=True)
class Data:
    """Ask to send the message (4.1.1.4)."""


@dataclass(frozen=True, slots=True)
class BodyChunk:
    """Some bytes of the message as stored: the machine makes line ends safe and stuffs dots."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndOfData:
    """The message is complete: send the final dot (4.1.1.4)."""


@dataclass(frozen=True, slots=True)
class Rset:
    """Forget the transaction (4.1.1.5)."""


@dataclass(frozen=True, slots=True)
class Noop:
    """Ask for nothing but a reply (4.1.1.9)."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Say good-bye (4.1.1.10)."""


@dataclass(frozen=True, slots=True)
class Unrecognized:
    """Server role only: a line that is no command we know; ``verb`` in upper case."""

    verb: bytes


@dataclass(frozen=True, slots=True)
class Malformed:
    """Server role only: a command that breaks the grammar; ``code`` is the reply due to it."""

    verb: bytes
    problem: str
    code: int = 501


Command = Ehlo | Helo | StartTls | Mail | Rcpt | Data | BodyChunk | EndOfData | Rset | Noop | Quit
Heard = Command | Unrecognized | Malformed
"""What the server role may hear."""
