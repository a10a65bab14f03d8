"""Errors that a server can cause in an authentication exchange."""

from __future__ import annotations

from ..errors import LimitExceeded, RemoteProtocolError


class SaslError(RemoteProtocolError):
    """The server violated the mechanism: cancel the exchange, and do not trust later data.

    The message never quotes a challenge, because part of it may be derived from a secret.
    """


class SaslLimitExceeded(SaslError, LimitExceeded):
    """The server demands more memory or computation than the limits allow."""


class ScramRefused(SaslError):
    """The server sent ``e=``, a regular refusal; many servers just end the exchange instead.

    ``error`` is one of the values in RFC 5802, section 7, such as ``invalid-proof``, or a value
    that the server defined itself.
    """

    def __init__(self, problem: str, error: bytes) -> None:
        super().__init__(problem)
        self.error = error
