"""The users of the servers, and their login by password and by SASL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from .. import sasl
from ..flows.channel import Channel, next_event
from ..protocols.errors import ConnectionLost
from ..protocols.machine import Machine, TlsDialogue
from ..protocols.secret import Secret

MECHANISMS = (b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-1", b"SCRAM-SHA-256")
SALT = b"a salt, as random as the rest"
ITERATIONS = 4096

Nonces = Callable[[], bytes]
"""Returns a random, printable and unique nonce."""


class Logins:
    """Users and their passwords. ``nonces`` is needed for CRAM-MD5 and SCRAM."""

    def __init__(self, users: Mapping[bytes, bytes], nonces: Nonces | None = None) -> None:
        self._users = users
        self._nonces = nonces
        self._accounts = sasl.Accounts(password=self._secret, scram=self._keys)

    @property
    def mechanisms(self) -> tuple[bytes, ...]:
        """The SASL mechanisms that can be announced."""
        return MECHANISMS if self._nonces else (b"PLAIN", b"LOGIN")

    def is_password(self, user: bytes, password: bytes) -> bool:
        """Whether this is the password of the user."""
        return self._users.get(user) == password

    def password(self, user: bytes) -> bytes | None:
        """Return a user's password, to check a digest of it, or None for an unknown user."""
        return self._users.get(user)

    async def exchange(
        self,
        channel: Channel[Machine[sasl.Challenge, object, TlsDialogue]],
        command: sasl.Authenticate,
        timeout: float,
    ) -> sasl.Accepted | sasl.Refused | None:
        """Carry out an authentication; return the verdict, or None for an unknown mechanism.

        ``timeout`` is in seconds for each response. Raises ConnectionLost if the client
        disconnects, and TimedOut.
        """
        nonce = self._nonces() if self._nonces else b""
        known = command.mechanism in self.mechanisms
        server = sasl.make_server(command.mechanism, self._accounts, nonce=nonce) if known else None
        if server is None:
            return None
        verdict = server.start(command.initial_response)
        while isinstance(verdict, sasl.Challenge):
            channel.machine.send(verdict)
            match await next_event(channel, timeout):
                case sasl.Respond(response):
                    verdict = server.respond(response)
                case sasl.CancelAuthentication():
                    # The machines also report invalid base64 as a cancellation.
                    verdict = sasl.Refused("cancelled", malformed=True)
                case _:
                    raise ConnectionLost("connection closed during an authentication")
        return verdict

    def _secret(self, name: bytes) -> Secret | None:
        password = self._users.get(name)
        return None if password is None else Secret(password)

    def _keys(self, name: bytes, mechanism: bytes) -> sasl.ScramKeys | None:
        password = self._users.get(name)
        return None if password is None else stored_keys(mechanism, password)


@lru_cache(maxsize=64)
def stored_keys(mechanism: bytes, password: bytes) -> sasl.ScramKeys:
    """Return the keys that SCRAM stores for a password."""
    return sasl.scram_keys(mechanism, Secret(password), SALT, ITERATIONS)
