"""Bearer tokens in place of a password: OAUTHBEARER (RFC 7628) and Google's older XOAUTH2.

A server that refuses the token sends the reason as JSON in a challenge. It sends the final refusal
only after the client has responded. So a challenge is always an error here, and its content is kept
for the error message.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Final

from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..secret import Secret
from .client_mechanisms import ClientExchange
from .credentials import check_identity, check_user
from .scram import quote_name

# RFC 6749, appendix A.12, also allows a space, but the token would end there (RFC 6750, 2.1).
_TOKEN: Final = re.compile(rb"[!-~]+")
# The two fields used from a flat JSON object. Microsoft and others send the status as a number.
_ERROR_FIELDS: Final = re.compile(
    rb'"(status|scope)"\s*:\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([0-9]+))', re.S
)


class _Bearer(ClientExchange):
    """Base class of both mechanisms: one message, and one response to an error challenge.

    ``status`` and ``scope`` are the values from the server's JSON error, or b"".
    """

    exposes_secret = True
    _acknowledgement: bytes

    def __init__(self, token: Secret, limits: Limits) -> None:
        super().__init__(limits)
        if not _TOKEN.fullmatch(token.reveal()):
            raise LocalProtocolError("a bearer token must be printable ASCII without spaces")
        self._token = token
        self.status = b""
        self.scope = b""

    def _begin(self) -> bytes:
        self._complete = True
        self._next = self._acknowledge
        return self._message()

    @abstractmethod
    def _message(self) -> bytes:
        """Return the message, which contains the token."""

    def _acknowledge(self, error: bytes) -> bytes:
        fields = {name: text or number for name, text, number in _ERROR_FIELDS.findall(error)}
        self.status = fields.get(b"status", b"")
        self.scope = fields.get(b"scope", b"")
        return self._acknowledgement


class XOAuth2(_Bearer):
    """XOAUTH2, as documented by Google and Microsoft."""

    name = b"XOAUTH2"
    _acknowledgement = b""

    def __init__(self, user: bytes, token: Secret, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(token, limits)
        self._user = _without_separator(check_user(user))

    def _message(self) -> bytes:
        return b"user=%b\1auth=Bearer %b\1\1" % (self._user, self._token.reveal())


class OAuthBearer(_Bearer):
    """OAUTHBEARER (RFC 7628). ``host`` and ``port`` are the server's, if known."""

    name = b"OAUTHBEARER"
    _acknowledgement = b"\1"

    def __init__(
        self,
        user: bytes,
        token: Secret,
        host: bytes = b"",
        port: int | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(token, limits)
        self._user = quote_name(_without_separator(check_user(user)))
        self._host = _without_separator(check_identity(host))
        self._port = port

    def _message(self) -> bytes:
        host = b"host=%b\1" % self._host if self._host else b""
        port = b"port=%d\1" % self._port if self._port is not None else b""
        bearer = b"auth=Bearer %b\1" % self._token.reveal()
        return b"n,a=%b,\1%b%b%b\1" % (self._user, host, port, bearer)


def _without_separator(value: bytes) -> bytes:
    """Return the value. Raises LocalProtocolError for 0x01, the separator (RFC 7628, 3.1)."""
    if b"\1" in value:
        raise LocalProtocolError("a user or host name with the byte 0x01 cannot be sent")
    return value
