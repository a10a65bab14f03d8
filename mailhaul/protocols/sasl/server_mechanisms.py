"""The server side of authentication: the base class of all mechanisms, and the short ones.

A client may send anything, so its messages never cause an exception: an invalid message gives a
refusal. Neither the responses nor, as far as Python allows, their timing shows whether a user
exists.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Protocol

from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..record import Record
from ..secret import Secret
from .client_mechanisms import cram_md5, max_message_size
from .exchange import Challenge
from .saslprep import saslprep
from .scram import ScramKeys


class Accepted(Record):
    """The client has proved its identity. It acts as ``authorization_id``, usually the same."""

    authentication_id: bytes
    authorization_id: bytes


class Refused(Record):
    """The authentication is refused. ``reason`` is for the log of the server, not for the client.

    ``malformed`` is true if the client violated the exchange (BAD in IMAP, 501 in SMTP), and false
    if its credentials are wrong (NO, 535).
    """

    reason: str
    malformed: bool = False


Verdict = Challenge | Accepted | Refused


def is_same_user(authentication_id: bytes, authorization_id: bytes) -> bool:
    """Allow users to act only as themselves."""
    return authentication_id == authorization_id


def no_password(name: bytes) -> None:
    """Return None: there are no users with a password."""


class Accounts(Record):
    """The accounts of a server, as lookup functions. Names are already prepared with SASLprep.

    ``password`` is used by PLAIN, LOGIN and CRAM-MD5. ``scram`` gets a name and the mechanism
    without -PLUS. ``token_owner`` returns the owner of a bearer token; it should look tokens up by
    their hash. ``certificate`` is the name that TLS has proved, for EXTERNAL. ``may_act_as`` gets
    the authentication and the authorization identity.

    ``decoy`` is random and must stay the same for years: the salts of unknown users are derived
    from it. Their iteration count is ``decoy_iterations``, which should be the same as for real
    users (RFC 5802, 9).
    """

    password: Callable[[bytes], Secret | None] = no_password
    scram: Callable[[bytes, bytes], ScramKeys | None] = lambda name, mechanism: None
    token_owner: Callable[[Secret], bytes | None] = lambda token: None
    certificate: bytes | None = None
    may_act_as: Callable[[bytes, bytes], bool] = is_same_user
    decoy: Secret = Secret(b"")
    decoy_iterations: int = 4096


class ServerMechanism(Protocol):
    """The server side of one authentication exchange. An object is used for one exchange only."""

    @property
    def name(self) -> bytes:
        """The name of the mechanism, as it is announced."""
        ...

    def start(self, initial_response: Secret | None) -> Verdict:
        """Process the client's first command, with its initial response or None."""
        ...

    def respond(self, response: Secret) -> Verdict:
        """Process the response to the last challenge."""
        ...


Step = Callable[[bytes], Verdict]
"""Returns the verdict on one response."""


class ServerExchange(ABC):
    """Base class of a server mechanism: it enforces the limits and the order of up to three steps.

    ``_next`` is the step for the next response; after Accepted or Refused it is None.
    """

    name: bytes
    _prompt: ClassVar[bytes] = b""
    """The challenge that requests an initial response sent separately; empty by default."""

    def __init__(self, accounts: Accounts, limits: Limits) -> None:
        self._accounts = accounts
        self._max_size = max_message_size(limits)
        self._next: Step | None = self._first

    def start(self, initial_response: Secret | None) -> Verdict:
        """Process the client's first command, with its initial response or None."""
        if initial_response is None:
            return Challenge(self._prompt)
        return self.respond(initial_response)

    def respond(self, response: Secret) -> Verdict:
        """Process the response to the last challenge.

        Raises LocalProtocolError if the exchange has already ended.
        """
        step, self._next = self._next, None
        if step is None:
            raise LocalProtocolError("this authentication exchange has already ended")
        message = response.reveal()
        if len(message) > self._max_size:
            return Refused("a response is too long", malformed=True)
        return step(message)

    @abstractmethod
    def _first(self, message: bytes) -> Verdict:
        """Return the verdict on the first message of the client."""

    def _check_password(self, user: bytes, password: bytes, act_as: bytes = b"") -> Verdict:
        """Check a password; do the same amount of work for an unknown user."""
        from hmac import compare_digest

        name = saslprep(user)
        stored = self._accounts.password(name)
        expected = saslprep(stored.reveal() if stored else self._accounts.decoy.reveal())
        same = compare_digest(saslprep(password), expected)
        if not same or not stored:
            return Refused("wrong user name or password")
        return self._authorize(name, saslprep(act_as))

    def _authorize(self, user: bytes, act_as: bytes) -> Verdict:
        """Accept the authenticated ``user`` if it may act as ``act_as`` (RFC 4422, 3.4)."""
        wanted = act_as or user
        if not self._accounts.may_act_as(user, wanted):
            return Refused("not allowed to act as another user")
        return Accepted(user, wanted)


class PlainServer(ServerExchange):
    """PLAIN: authorization identity, user and password in one message (RFC 4616)."""

    name = b"PLAIN"

    def _first(self, message: bytes) -> Verdict:
        parts = message.split(b"\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            return Refused("not a PLAIN message", malformed=True)
        act_as, user, password = parts
        return self._check_password(user, password, act_as)


class LoginServer(ServerExchange):
    """LOGIN: the user name, then the password (draft-murchison-sasl-login).

    Old clients expect exactly these two prompts. Some send the name with the command.
    """

    name = b"LOGIN"
    _prompt = b"Username:"

    def _first(self, message: bytes) -> Verdict:
        self._next = partial(self._password, message)
        return Challenge(b"Password:")

    def _password(self, user: bytes, message: bytes) -> Verdict:
        if b"\0" in user + message:
            return Refused("the user name or password contains NUL", malformed=True)
        return self._check_password(user, message)


class ExternalServer(ServerExchange):
    """EXTERNAL: TLS has already proved the client's identity (RFC 4422, appendix A)."""

    name = b"EXTERNAL"

    def _first(self, message: bytes) -> Verdict:
        if b"\0" in message:
            return Refused("the identity contains NUL", malformed=True)
        if self._accounts.certificate is None:
            return Refused("the client presented no certificate")
        return self._authorize(self._accounts.certificate, saslprep(message))


class CramMd5Server(ServerExchange):
    """CRAM-MD5: a digest of the password and our challenge (RFC 2195).

    The challenge has the form of a Message-ID; ``nonce`` makes it unique, ``host`` is our own host.
    """

    name = b"CRAM-MD5"

    def __init__(
        self, accounts: Accounts, nonce: bytes, host: bytes, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(accounts, limits)
        self._challenge = b"<%b@%b>" % (nonce, host)

    def start(self, initial_response: Secret | None) -> Verdict:
        """Return the challenge. An initial response is a violation (RFC 4422, 5)."""
        if initial_response is not None:
            self._next = None
            return Refused("CRAM-MD5 has no initial response", malformed=True)
        return Challenge(self._challenge)

    def _first(self, message: bytes) -> Verdict:
        from hmac import compare_digest

        user, blank, digest = message.rpartition(b" ")
        if not user or not blank:
            return Refused("not a CRAM-MD5 response", malformed=True)
        name = saslprep(user)
        stored = self._accounts.password(name)
        expected = cram_md5(stored or self._accounts.decoy, self._challenge)
        same = compare_digest(digest, expected)
        if not same or not stored:
            return Refused("wrong user name or password")
        return self._authorize(name, b"")


def make_server(
    mechanism: bytes,
    accounts: Accounts,
    *,
    nonce: bytes,
    host: bytes = b"localhost",
    bindings: Mapping[bytes, bytes] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ServerMechanism | None:
    """Return the server side of a mechanism, or None if the mechanism is unknown.

    ``nonce`` must be fresh, random and printable. ``bindings`` maps each kind of channel binding to
    the data of this connection; a server that passes bindings must also announce the -PLUS
    mechanisms.
    """
    from .scram import HASHES, PLUS
    from .server_oauth import OAuthBearerServer, XOAuth2Server
    from .server_scram import ScramServer

    name = mechanism.upper()
    base = name.removesuffix(PLUS)
    if base in HASHES and (base == name or bindings):
        return ScramServer(base, accounts, nonce, bindings or {}, base != name, limits)
    match name:
        case b"PLAIN":
            return PlainServer(accounts, limits)
        case b"LOGIN":
            return LoginServer(accounts, limits)
        case b"EXTERNAL":
            return ExternalServer(accounts, limits)
        case b"CRAM-MD5":
            return CramMd5Server(accounts, nonce, host, limits)
        case b"XOAUTH2":
            return XOAuth2Server(accounts, limits)
        case b"OAUTHBEARER":
            return OAuthBearerServer(accounts, limits)
        case _:
            return None
