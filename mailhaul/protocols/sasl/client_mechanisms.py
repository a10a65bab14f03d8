"""What a client says to prove who it is: the frame of all mechanisms, and the short ones.

SCRAM, OAuth and Kerberos have files of their own; choose.py says which to try, and makes them.
Here nothing is encoded: base64, the empty first challenge and the ``*`` that cancels belong to
the machine that carries the exchange (exchange.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..secret import Secret
from .credentials import check_identity, check_password, check_user
from .errors import SaslError, SaslLimitExceeded


class ClientMechanism(Protocol):
    """One authentication, seen from the client. It is good for one exchange only."""

    @property
    def name(self) -> bytes:
        """The name as servers announce it."""
        ...

    @property
    def exposes_secret(self) -> bool:
        """Whether the server, and whoever reads along, learns the password or token."""
        ...

    def initial_response(self) -> Secret | None:
        """Begin: return what goes with the first command, None if the server speaks first."""
        ...

    def respond(self, challenge: bytes) -> Secret:
        """Answer a challenge. Raises SaslError if the server breaks the exchange: cancel then."""
        ...

    def finish(self, data: bytes | None = None) -> None:
        """Take the server's success, and what it said along with it, if anything.

        Raises SaslError if it came too early, or if the server has yet to prove who *it* is.
        """
        ...


Step = Callable[[bytes], bytes]
"""Makes the response to one challenge."""


class ClientExchange(ABC):
    """The frame of a mechanism: bounds, and the order of its steps.

    ``_next`` is the step for the next challenge. It is taken away before it runs, so after a
    fault, and after the last step, any challenge is one too many. ``_complete`` says that a
    success may come now; every step has to say so anew.
    """

    name: bytes
    exposes_secret: bool = False

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._most = most_plain(limits)
        self._rounds = 0
        self._next: Step | None = None
        self._complete = False

    def initial_response(self) -> Secret | None:
        """Begin: return what goes with the first command, None if the server speaks first."""
        response = self._begin()
        return None if response is None else self._bounded(response)

    def respond(self, challenge: bytes) -> Secret:
        """Answer a challenge. Raises SaslError if the server breaks the exchange: cancel then."""
        step, self._next = self._next, None
        self._complete = False
        self._rounds += 1
        if self._rounds > self._limits.sasl_rounds:
            raise SaslLimitExceeded("rounds of an authentication", self._limits.sasl_rounds)
        if len(challenge) > self._most:
            raise SaslLimitExceeded("challenge", self._most)
        if step is None:
            raise self._broken("the server asks for more than there is to say")
        return self._bounded(step(challenge))

    def finish(self, data: bytes | None = None) -> None:
        """Take the server's success. Raises SaslError if it cannot be one."""
        if data:
            raise self._broken("success comes with data, where none belongs")
        if not self._complete:
            raise self._broken("success comes before the exchange is complete")

    @abstractmethod
    def _begin(self) -> bytes | None:
        """Return the initial response, None if the server speaks first."""

    def _bounded(self, response: bytes) -> Secret:
        if len(response) > self._most:
            raise LocalProtocolError(f"a response exceeds the limit of {self._most}")
        return Secret(response)

    def _broken(self, problem: str) -> SaslError:
        return SaslError(f"{self.name.decode()}: {problem}")


def most_plain(limits: Limits) -> int:
    """Return how long a challenge or response may be before base64 makes it a third longer."""
    return limits.sasl // 4 * 3


class Plain(ClientExchange):
    """PLAIN: the password as it is (RFC 4616). The server prepares it, so nothing is changed."""

    name = b"PLAIN"
    exposes_secret = True

    def __init__(
        self, user: bytes, password: Secret, act_as: bytes = b"", limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(limits)
        self._message = Secret(
            b"%b\0%b\0%b" % (check_identity(act_as), check_user(user), check_password(password))
        )

    def _begin(self) -> bytes:
        self._complete = True
        return self._message.reveal()


class Login(ClientExchange):
    """LOGIN: the user name, then the password (draft-murchison-sasl-login).

    What the server asks is not looked at: ``Username:`` and ``Password:`` come in any spelling
    and language, and from some servers not at all.
    """

    name = b"LOGIN"
    exposes_secret = True

    def __init__(self, user: bytes, password: Secret, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._user = check_user(user)
        self._password = Secret(check_password(password))

    def _begin(self) -> None:
        self._next = self._say_user

    def _say_user(self, challenge: bytes) -> bytes:
        self._next = self._say_password
        return self._user

    def _say_password(self, challenge: bytes) -> bytes:
        self._complete = True
        return self._password.reveal()


class External(ClientExchange):
    """EXTERNAL: the server knows already who we are (RFC 4422, appendix A)."""

    name = b"EXTERNAL"

    def __init__(self, act_as: bytes = b"", limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._act_as = check_identity(act_as)

    def _begin(self) -> bytes:
        self._complete = True
        return self._act_as


class CramMd5(ClientExchange):
    """CRAM-MD5: a digest of the password and the server's challenge (RFC 2195)."""

    name = b"CRAM-MD5"

    def __init__(self, user: bytes, password: Secret, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._user = check_user(user)
        self._password = Secret(check_password(password))

    def _begin(self) -> None:
        self._next = self._digest

    def _digest(self, challenge: bytes) -> bytes:
        # Any text will do for a challenge, but with none there is nothing that makes it fresh.
        if not challenge:
            raise self._broken("the challenge is empty")
        self._complete = True
        return b"%b %b" % (self._user, cram_md5(self._password, challenge))


def cram_md5(password: Secret, challenge: bytes) -> bytes:
    """Return the digest of RFC 2195, section 2, in hexadecimal."""
    import hmac
    from functools import partial
    from hashlib import md5

    # Where the system forbids MD5 for signatures, it still allows it by these words.
    digest = hmac.new(password.reveal(), challenge, partial(md5, usedforsecurity=False))
    return digest.hexdigest().encode()
