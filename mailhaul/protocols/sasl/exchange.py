"""The commands and events of an authentication in POP3, IMAP and SMTP (RFC 4422, section 3).

The exchange is the same in all three protocols: the client sends Authenticate; the server sends any
number of Challenges, each answered with Respond, and ends the exchange with a reply. The protocol
machines encode the data in base64 on the wire; here it is not encoded. The content of the messages
comes from a mechanism (client_mechanisms.py, server_mechanisms.py and related modules), not from a
machine.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from ..record import CheckedRecord
from ..secret import Secret

NO_CHALLENGE = "there is no challenge to respond to"


class Authenticate(CheckedRecord):
    """Begin an authentication: AUTH or AUTHENTICATE with the name of a mechanism.

    ``initial_response`` is sent with the command if the protocol allows it. Otherwise the machine
    keeps it until the server's empty first challenge. It is None if the server sends the first
    message of the mechanism. If ``at_once`` is False, the initial response is always kept for the
    first challenge, because some servers announce support for it but do not accept it.
    """

    mechanism: bytes
    initial_response: Secret | None = None
    at_once: bool = True


class Respond(CheckedRecord):
    """Respond to a challenge; ``response`` is not base64-encoded."""

    response: Secret


class CancelAuthentication(CheckedRecord):
    """Respond to a challenge with ``*``; the server must then refuse (RFC 4422, 3.5)."""


class Challenge(CheckedRecord):
    """A challenge from the server, not base64-encoded. It may be derived from a secret."""

    data: bytes
    _hidden = frozenset({"data"})


ResponseCommand = Respond | CancelAuthentication
"""What answers a challenge."""
AuthenticationCommand = Authenticate | ResponseCommand


def encode_base64(data: bytes) -> bytes:
    """Return data as base64 on one line (RFC 4648, section 4); b"" gives b""."""
    return b2a_base64(data, newline=False)


def encode_initial(data: bytes) -> bytes:
    """Return an initial response in base64; b"" gives ``=`` (RFC 4422, 4; RFC 4954, 4)."""
    return encode_base64(data) or b"="


def decode_base64(line: bytes) -> bytes:
    """Return the decoded data of a base64 line. Raises ValueError if it is not valid base64."""
    try:
        return a2b_base64(line, strict_mode=True) if line else b""
    except Base64Error:
        raise ValueError("not base64") from None


def read_response(line: bytes) -> ResponseCommand:
    """Return what a client's line answers a challenge with; anything that is not base64 cancels it.

    RFC 4954, section 4; RFC 5034, section 4.
    """
    try:
        return CancelAuthentication() if line == b"*" else Respond(Secret(decode_base64(line)))
    except ValueError:
        return CancelAuthentication()


def decode_initial(word: bytes) -> bytes:
    """Return a decoded initial response; ``=`` gives b"". Raises ValueError if it is invalid."""
    return b"" if word == b"=" else decode_base64(word)
