"""What a server can do wrong in an authentication."""

from __future__ import annotations

from ..errors import LimitExceeded, RemoteProtocolError


class SaslError(RemoteProtocolError):
    """The server broke the exchange: cancel it, and trust nothing that follows.

    It never quotes a challenge: part of one may come from a secret.
    """


class SaslLimitExceeded(SaslError, LimitExceeded):
    """The server asks for more than we are willing to hold or to compute."""


class ScramRefused(SaslError):
    """The server said ``e=``: a refusal in good order, where others just end the exchange.

    ``error`` is one of the words of RFC 5802, section 7, such as ``invalid-proof``, or one that
    the server made up.
    """

    def __init__(self, problem: str, error: bytes) -> None:
        super().__init__(problem)
        self.error = error
