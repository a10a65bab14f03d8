"""What a client can prove itself with, and what no mechanism will send."""

from __future__ import annotations

import re

from ..errors import LocalProtocolError
from ..record import CheckedRecord
from ..secret import Secret

_UNSAFE = re.compile(rb"[\r\n\0]")
_BINDING_KIND = re.compile(rb"[A-Za-z0-9.-]+")


class ChannelBinding(CheckedRecord):
    """What only the two ends of one TLS connection know of it (RFC 5056).

    ``kind`` is ``tls-exporter`` (RFC 9266), ``tls-server-end-point`` or ``tls-unique``
    (RFC 5929). Who runs the TLS knows which of them fits: ``tls-unique`` is for TLS up to 1.2.
    """

    kind: bytes
    data: bytes
    _hidden = frozenset({"data"})


class Credentials(CheckedRecord):
    """All that one account has to log in with.

    ``certificate`` says that TLS, or whatever carries the channel, has shown already who we are;
    ``ticket`` that Kerberos can. ``act_as`` is the authorization identity, where it is another
    than the user's own (RFC 4422, 3.4.1).
    """

    user: bytes
    password: Secret | None = None
    token: Secret | None = None
    certificate: bool = False
    ticket: bool = False
    act_as: bytes = b""


def check_identity(name: bytes) -> bytes:
    """Return a user name or authorization identity. Raises LocalProtocolError for a bad one."""
    if _UNSAFE.search(name):
        raise LocalProtocolError("a user name with CR, LF or NUL cannot be sent")
    return name


def check_user(name: bytes) -> bytes:
    """Return a user name. Raises LocalProtocolError for one that cannot be sent."""
    if not name:
        raise LocalProtocolError("an empty user name cannot be sent")
    return check_identity(name)


def check_password(password: Secret) -> bytes:
    """Return what a password is. Raises LocalProtocolError for one that cannot be sent."""
    value = password.reveal()
    if not value:
        raise LocalProtocolError("an empty password cannot be sent")
    if _UNSAFE.search(value):
        raise LocalProtocolError("a password with CR, LF or NUL cannot be sent")
    return value


def check_binding(binding: ChannelBinding) -> ChannelBinding:
    """Return a channel binding. Raises LocalProtocolError for one that no header can name."""
    if not _BINDING_KIND.fullmatch(binding.kind) or not binding.data:
        raise LocalProtocolError("a channel binding needs a name and data (RFC 5801, section 4)")
    return binding
