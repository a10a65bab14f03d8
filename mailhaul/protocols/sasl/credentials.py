"""The credentials of a client, and checks for values that no mechanism can send."""

from __future__ import annotations

import re

from ..errors import LocalProtocolError
from ..record import CheckedRecord
from ..secret import Secret

_UNSAFE = frozenset(b"\r\n\0")
_BINDING_KIND = rb"[A-Za-z0-9.-]+"


class ChannelBinding(CheckedRecord):
    """Data that only the two ends of one TLS connection know (RFC 5056).

    ``kind`` is ``tls-exporter`` (RFC 9266), ``tls-server-end-point`` or ``tls-unique``
    (RFC 5929). The TLS version decides which kind is valid: ``tls-unique`` is for TLS up to 1.2.
    """

    kind: bytes
    data: bytes
    _hidden = frozenset({"data"})


class Credentials(CheckedRecord):
    """The login credentials of one account.

    ``certificate`` is true if TLS, or another transport, has already proved the client's identity;
    ``ticket`` is true if Kerberos can prove it. ``act_as`` is the authorization identity if it
    differs from the user (RFC 4422, 3.4.1).
    """

    user: bytes
    password: Secret | None = None
    token: Secret | None = None
    certificate: bool = False
    ticket: bool = False
    act_as: bytes = b""


def check_identity(name: bytes) -> bytes:
    """Return a user name or authorization identity.

    Raises LocalProtocolError if it contains CR, LF or NUL.
    """
    if not _UNSAFE.isdisjoint(name):
        raise LocalProtocolError("a user name with CR, LF or NUL cannot be sent")
    return name


def check_user(name: bytes) -> bytes:
    """Return a user name. Raises LocalProtocolError if it is empty or has CR, LF or NUL."""
    if not name:
        raise LocalProtocolError("an empty user name cannot be sent")
    return check_identity(name)


def check_password(password: Secret) -> bytes:
    """Return a password as bytes. Raises LocalProtocolError if it is empty or has CR, LF or NUL."""
    value = password.reveal()
    if not value:
        raise LocalProtocolError("an empty password cannot be sent")
    if not _UNSAFE.isdisjoint(value):
        raise LocalProtocolError("a password with CR, LF or NUL cannot be sent")
    return value


def check_binding(binding: ChannelBinding) -> ChannelBinding:
    """Return a channel binding. Raises LocalProtocolError if its kind or data is invalid."""
    if not re.fullmatch(_BINDING_KIND, binding.kind) or not binding.data:
        raise LocalProtocolError("a channel binding needs a name and data (RFC 5801, section 4)")
    return binding
