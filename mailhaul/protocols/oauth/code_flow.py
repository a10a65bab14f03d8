"""The authorization code flow with PKCE (RFC 6749, 4.1; RFC 7636; RFC 8252; RFC 9207).

The browser brings the answer to a loopback address, or the user pastes the address to which the
browser was sent. Both are text from outside: only ``state`` shows that it answers our request.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qsl, urlencode

from ..errors import LocalProtocolError
from ..http import HttpRequest, HttpResponse, parse_url
from ..record import Record
from ..secret import Secret
from ..transitions import State
from . import code_states as states
from .client import Registration, exchange_code, read_tokens
from .discovery import AuthorizationServer
from .encoding import base64url, plain_words
from .errors import meaning_of
from .results import Refused, TokenResult, Tokens, TryLater

MAX_ADDRESS: Final = 16 * 1024
"""Characters of an address that is pasted or that a browser requests."""
MIN_RANDOM: Final = 32
"""Octets of randomness for the verifier (RFC 7636, 7.1), and for the state."""
ONCE: Final = ("code", "state", "iss", "error", "error_description")


class NotOurs(Record):
    """The address does not answer our request. ``problem`` says why, for the user."""

    problem: str


class CodeFlow:
    """One consent. ``random`` returns as many random octets as it is asked for.

    Show ``address`` to the user, pass what comes back to ``receive_redirect``, send the request
    that it returns, and pass the response to ``receive_response``. Raises LocalProtocolError for
    calls in another order, and for a server without an authorization endpoint.
    """

    def __init__(
        self,
        server: AuthorizationServer,
        client: Registration,
        scope: tuple[str, ...],
        redirect: str,
        random: Callable[[int], bytes],
        *,
        login_hint: str = "",
    ) -> None:
        if not server.authorization:
            raise LocalProtocolError("the issuer has no page for a consent in the browser")
        self._server = server
        self._client = client
        self._scope = scope
        self._redirect = redirect
        self._login_hint = login_hint
        self._verifier = Secret(base64url(random(MIN_RANDOM)).encode("ascii"))
        self._expected = base64url(random(MIN_RANDOM))
        self._request: HttpRequest | None = None
        self._place = states.table.begin()
        self._dialogue = states.table.dialogue(self._place)

    @property
    def state(self) -> State:
        """The current state, one of those in code_states.py."""
        return self._place.state

    @property
    def address(self) -> str:
        """The address that the user has to visit (RFC 6749, 4.1.1)."""
        parameters = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": self._redirect,
            "scope": " ".join(self._scope),
            "state": self._expected,
            "code_challenge": challenge_of(self._verifier),
            "code_challenge_method": "S256",
            "login_hint": self._login_hint,
            **dict(self._server.authorization_extra),
        }
        given = {name: value for name, value in parameters.items() if value}
        query = "&" if parse_url(self._server.authorization).target.count("?") else "?"
        return f"{self._server.authorization}{query}{urlencode(given)}"

    def receive_redirect(self, text: str) -> HttpRequest | NotOurs | Refused:
        """Read the address that the browser was sent to, or its query; return what to do.

        That is the request for the tokens, or a refusal. After a NotOurs the right address may
        still come. The error may show a description by the server.
        """
        if self.state is not states.visiting:
            raise LocalProtocolError(f"a redirect is not expected in state {self.state}")
        found = self._answer_in(text)
        if isinstance(found, NotOurs):
            self._dialogue.not_ours()
            return found
        if error := found.get("error"):
            self._dialogue.refused()
            described = found.get("error_description", "")
            return meaning_of(plain_words(error), plain_words(described))
        self._dialogue.code_received()
        code = Secret(found["code"].encode("utf-8", "surrogateescape"))
        self._request = exchange_code(
            self._server, self._client, code, self._verifier, self._redirect
        )
        return self._request

    def receive_response(self, response: HttpResponse) -> TokenResult:
        """Read the response to the request for the tokens.

        After TryLater the same request may be sent again, once or twice: a code is short-lived.
        """
        if self._request is None or self.state is not states.exchanging:
            raise LocalProtocolError(f"a response is not expected in state {self.state}")
        result = read_tokens(self._request, response, self._scope)
        match result:
            case Tokens():
                self._dialogue.tokens_received()
            case TryLater():
                self._dialogue.try_later()
            case _:
                self._dialogue.refused()
        return result

    def _answer_in(self, text: str) -> dict[str, str] | NotOurs:
        """Return the parameters of an answer to our request."""
        found = parameters_of(text)
        if isinstance(found, NotOurs):
            return found
        # RFC 6749, 10.12: without this, somebody else's code could be put in place of ours.
        if not compare_digest(found["state"].encode("utf-8", "replace"), self._expected.encode()):
            return NotOurs("it belongs to another attempt to sign in; use the newest address")
        # RFC 9207, 2.4: compared if it is there, and required if the server has announced it.
        named = found.get("iss")
        if named is None and self._server.names_itself:
            return NotOurs("it does not name the issuer")
        if named is not None and not self._server.is_called(named):
            return NotOurs("it comes from another issuer")
        return found


def challenge_of(verifier: Secret) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    return base64url(sha256(verifier.reveal()).digest())


def parameters_of(text: str) -> dict[str, str] | NotOurs:
    """Return the parameters of a redirect: a whole address, its path and query, or the query."""
    text = text.strip().strip("<>\"'")
    if len(text) > MAX_ADDRESS:
        return NotOurs(f"it is longer than {MAX_ADDRESS} characters")
    whole = text.partition("#")[0]
    before, _, after = whole.partition("?")
    # A query alone has "=" before any question mark, which may be part of a value.
    query = whole if "=" in before else after or before
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100, errors="replace")
    except ValueError:
        return NotOurs("it cannot be understood")
    found = dict(pairs)
    if any(sum(name == once for name, _ in pairs) > 1 for once in ONCE):
        # RFC 6749, 3.1: no parameter may occur twice.
        return NotOurs("it has a parameter twice")
    if "state" not in found or not (found.get("code") or found.get("error")):
        return NotOurs(
            "it is not the address to which the browser was sent: copy the whole address, "
            "with code= and state= in it"
        )
    return found
