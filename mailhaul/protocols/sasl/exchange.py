"""The words of an authentication, the same in POP3, IMAP and SMTP (RFC 4422, section 3).

Whichever protocol carries it: the client sends Authenticate, the server answers with any number
of Challenges, each answered by Respond, and ends it with a reply. The machines of the protocols
speak these words on the wire in base64; what they hold here is plain. Which bytes to say is the
business of a mechanism (client_mechanisms.py, server_mechanisms.py and their neighbours), not of
a machine.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from ..record import CheckedRecord
from ..secret import Secret


class Authenticate(CheckedRecord):
    """Begin an authentication: AUTH or AUTHENTICATE with the name of a mechanism.

    ``initial_response`` goes along where the protocol allows it; where it does not, the machine
    keeps it until the server's empty first challenge asks for it. None: the mechanism lets the
    server speak first. With ``at_once`` False it is kept wherever that is: some servers announce
    that they take it along, and do not.
    """

    mechanism: bytes
    initial_response: Secret | None = None
    at_once: bool = True


class Respond(CheckedRecord):
    """Answer a challenge; ``response`` is plain, not base64."""

    response: Secret


class CancelAuthentication(CheckedRecord):
    """Answer a challenge with ``*``: the server has to refuse then (RFC 4422, 3.5)."""


class Challenge(CheckedRecord):
    """What the server wants answered; plain, not base64. Part of it may come from a secret."""

    data: bytes
    _hidden = frozenset({"data"})


AuthenticationCommand = Authenticate | Respond | CancelAuthentication


def encode_base64(data: bytes) -> bytes:
    """Return base64 in one line (RFC 4648, section 4); nothing stays nothing."""
    return b2a_base64(data, newline=False)


def encode_initial(data: bytes) -> bytes:
    """Return base64 as it stands behind AUTH: nothing is ``=`` (RFC 4422, 4; RFC 4954, 4)."""
    return encode_base64(data) or b"="


def decode_base64(line: bytes) -> bytes:
    """Return what a base64 line stands for. Raises ValueError for one that is none."""
    try:
        return a2b_base64(line, strict_mode=True) if line else b""
    except Base64Error:
        raise ValueError("not base64") from None


def decode_initial(word: bytes) -> bytes:
    """Return what stands behind AUTH: ``=`` is nothing. Raises ValueError."""
    return b"" if word == b"=" else decode_base64(word)
