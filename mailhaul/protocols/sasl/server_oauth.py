"""The server side of bearer tokens: OAUTHBEARER (RFC 7628) and Google's XOAUTH2."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from ..secret import Secret
from .exchange import Challenge
from .saslprep import saslprep
from .scram import unquote_name
from .server_mechanisms import Refused, ServerExchange, Verdict

_XOAUTH2: Final = re.compile(rb"user=([^\0\x01]+)\x01auth=Bearer ([!-~]+)\x01\x01", re.I)
_OAUTHBEARER: Final = re.compile(
    rb"(?:n|y),(?:a=([^,\0\x01]+))?,\x01((?:[A-Za-z]+=[^\0\x01]*\x01)*)\x01"  # RFC 7628, 3.1
)
_BEARER: Final = re.compile(rb"(?:\A|\x01)auth=Bearer +([!-~]+)\x01", re.I)


class _BearerServer(ServerExchange):
    """Base class of both mechanisms.

    For an invalid token the server first sends the reason as a challenge, and refuses after the
    response.
    """

    _explanation: bytes

    def _check_token(self, token: bytes, user: bytes) -> Verdict:
        owner = self._accounts.token_owner(Secret(token))
        if owner is None:
            return self._explain(Refused("unknown token"))
        verdict = self._authorize(owner, saslprep(user))
        return self._explain(verdict) if isinstance(verdict, Refused) else verdict

    def _explain(self, refusal: Refused) -> Verdict:
        self._next = partial(self._refuse, refusal)
        return Challenge(self._explanation)

    def _refuse(self, refusal: Refused, message: bytes) -> Verdict:
        """End the exchange, whatever the response to the error is (RFC 7628, 3.2.3)."""
        return refusal


class XOAuth2Server(_BearerServer):
    """XOAUTH2, as documented by Google and Microsoft."""

    name = b"XOAUTH2"
    _explanation = b'{"status":"401","schemes":"bearer","scope":"mail"}'

    def _first(self, message: bytes) -> Verdict:
        parts = _XOAUTH2.fullmatch(message)
        if parts is None:
            return Refused("not an XOAUTH2 message", malformed=True)
        return self._check_token(parts[2], parts[1])


class OAuthBearerServer(_BearerServer):
    """OAUTHBEARER (RFC 7628). Without a user name, the token identifies the user."""

    name = b"OAUTHBEARER"
    _explanation = b'{"status":"invalid_token","scope":"mail"}'

    def _first(self, message: bytes) -> Verdict:
        parts = _OAUTHBEARER.fullmatch(message)
        token = _BEARER.search(parts[2]) if parts else None
        if parts is None or token is None:
            return Refused("not an OAUTHBEARER message", malformed=True)
        try:
            user = unquote_name(parts[1] or b"")
        except ValueError:
            return Refused("the user name is not a valid GS2 name", malformed=True)
        return self._check_token(token[1], user)
