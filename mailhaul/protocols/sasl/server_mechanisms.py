"""What a server asks to find out who a client is: the frame, and the short mechanisms.

A client may send anything, so nothing here raises for what it sends: a bad message is a refusal.
Whether a user exists shows neither in the answers nor, as far as Python can, in their time.
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
from .client_mechanisms import cram_md5, most_plain
from .exchange import Challenge
from .saslprep import saslprep
from .scram import ScramKeys


class Accepted(Record):
    """The client is who it says. It acts as ``authorization_id``, mostly the same name."""

    authentication_id: bytes
    authorization_id: bytes


class Refused(Record):
    """The client is not let in. ``reason`` is for our log, not for the client.

    ``malformed`` says that it broke the exchange (BAD in IMAP, 501 in SMTP), and did not just
    give the wrong credentials (NO, 535).
    """

    reason: str
    malformed: bool = False


Verdict = Challenge | Accepted | Refused


def only_oneself(authentication_id: bytes, authorization_id: bytes) -> bool:
    """Let everybody act as himself alone."""
    return authentication_id == authorization_id


def nobody(name: bytes) -> None:
    """Know no user."""


class Accounts(Record):
    """Who may log in, as functions that look it up. Names come prepared (SASLprep).

    ``password`` is asked by PLAIN, LOGIN and CRAM-MD5. ``scram`` is asked for a name and the
    mechanism without -PLUS. ``token_owner`` returns whose a bearer token is; it should look
    tokens up by their hash. ``certificate`` is the name that TLS has proved, for EXTERNAL.
    ``may_act_as`` gets the authentication and the authorization identity.

    ``decoy`` is random and stays the same for years: the salts of users who do not exist come
    from it, with ``decoy_iterations``, which should be what real users have (RFC 5802, 9).
    """

    password: Callable[[bytes], Secret | None] = nobody
    scram: Callable[[bytes, bytes], ScramKeys | None] = lambda name, mechanism: None
    token_owner: Callable[[Secret], bytes | None] = lambda token: None
    certificate: bytes | None = None
    may_act_as: Callable[[bytes, bytes], bool] = only_oneself
    decoy: Secret = Secret(b"")
    decoy_iterations: int = 4096


class ServerMechanism(Protocol):
    """One authentication, seen from the server. It is good for one exchange only."""

    @property
    def name(self) -> bytes:
        """The name as it is announced."""
        ...

    def start(self, initial_response: Secret | None) -> Verdict:
        """Take the client's first command, with its initial response if it has sent one."""
        ...

    def respond(self, response: Secret) -> Verdict:
        """Take the answer to the last challenge."""
        ...


Step = Callable[[bytes], Verdict]
"""Judges one response."""


class ServerExchange(ABC):
    """The frame of a mechanism: bounds, and the order of its steps, three at most.

    ``_next`` is the step for the next response; with Accepted or Refused there is none.
    """

    name: bytes
    _prompt: ClassVar[bytes] = b""
    """What asks a client that speaks first for its initial response: nothing at all."""

    def __init__(self, accounts: Accounts, limits: Limits) -> None:
        self._accounts = accounts
        self._most = most_plain(limits)
        self._next: Step | None = self._first

    def start(self, initial_response: Secret | None) -> Verdict:
        """Take the client's first command, with its initial response if it has sent one."""
        if initial_response is None:
            return Challenge(self._prompt)
        return self.respond(initial_response)

    def respond(self, response: Secret) -> Verdict:
        """Take the answer to the last challenge."""
        step, self._next = self._next, None
        if step is None:
            raise LocalProtocolError("this authentication is over")
        message = response.reveal()
        if len(message) > self._most:
            return Refused("a response is too long", malformed=True)
        return step(message)

    @abstractmethod
    def _first(self, message: bytes) -> Verdict:
        """Judge the first thing that the client says."""

    def _check_password(self, user: bytes, password: bytes, act_as: bytes = b"") -> Verdict:
        """Compare a password with the stored one, and do the same work where there is none."""
        from hmac import compare_digest

        name = saslprep(user)
        stored = self._accounts.password(name)
        expected = saslprep(stored.reveal() if stored else self._accounts.decoy.reveal())
        same = compare_digest(saslprep(password), expected)
        if not same or not stored:
            return Refused("wrong user name or password")
        return self._let_in(name, saslprep(act_as))

    def _let_in(self, user: bytes, act_as: bytes) -> Verdict:
        """Accept who has proved to be ``user``, if it may act as it wants (RFC 4422, 3.4)."""
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

    Old clients wait for exactly these two prompts. Some send the name along with the command.
    """

    name = b"LOGIN"
    _prompt = b"Username:"

    def _first(self, message: bytes) -> Verdict:
        self._next = partial(self._password, message)
        return Challenge(b"Password:")

    def _password(self, user: bytes, message: bytes) -> Verdict:
        if b"\0" in user + message:
            return Refused("a name or password with NUL", malformed=True)
        return self._check_password(user, message)


class ExternalServer(ServerExchange):
    """EXTERNAL: who the client is, TLS knows already (RFC 4422, appendix A)."""

    name = b"EXTERNAL"

    def _first(self, message: bytes) -> Verdict:
        if b"\0" in message:
            return Refused("an identity with NUL", malformed=True)
        if self._accounts.certificate is None:
            return Refused("the client has shown no certificate")
        return self._let_in(self._accounts.certificate, saslprep(message))


class CramMd5Server(ServerExchange):
    """CRAM-MD5: a digest of the password and our challenge (RFC 2195).

    The challenge has the form of a Message-ID: ``nonce`` makes it new each time, ``host`` is ours.
    """

    name = b"CRAM-MD5"

    def __init__(
        self, accounts: Accounts, nonce: bytes, host: bytes, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(accounts, limits)
        self._challenge = b"<%b@%b>" % (nonce, host)

    def start(self, initial_response: Secret | None) -> Verdict:
        """Challenge the client. One that speaks first breaks the exchange (RFC 4422, 5)."""
        if initial_response is not None:
            self._next = None
            return Refused("an initial response where the server speaks first", malformed=True)
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
        return self._let_in(name, b"")


def make_server(
    mechanism: bytes,
    accounts: Accounts,
    *,
    nonce: bytes,
    host: bytes = b"localhost",
    bindings: Mapping[bytes, bytes] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ServerMechanism | None:
    """Return the server's side of a mechanism, None if there is no such mechanism.

    ``nonce`` is fresh, random and printable. ``bindings`` is the channel binding data of this
    connection by kind; who passes any announces the -PLUS mechanisms too.
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
