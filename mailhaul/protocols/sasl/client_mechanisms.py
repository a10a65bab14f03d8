"""The client side of authentication: the base class of all mechanisms, and the short ones.

SCRAM, OAuth and Kerberos have their own modules; choose.py selects and creates mechanisms.
Messages here are not encoded: base64, the empty first challenge and the cancelling ``*`` are
handled by the machine that carries the exchange (exchange.py).
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
    """The client side of one authentication exchange. An object is used for one exchange only."""

    @property
    def name(self) -> bytes:
        """The name of the mechanism, as servers announce it."""
        ...

    @property
    def exposes_secret(self) -> bool:
        """Whether the server, and anyone who intercepts the connection, learns the secret."""
        ...

    def initial_response(self) -> Secret | None:
        """Begin: return the initial response, or None if the server sends the first message."""
        ...

    def respond(self, challenge: bytes) -> Secret:
        """Return the response to a challenge.

        Raises SaslError if the server violates the mechanism; the caller then cancels.
        """
        ...

    def finish(self, data: bytes | None = None) -> None:
        """Process the server's success reply; ``data`` is additional data in it, or None.

        Raises SaslError if the success is premature, or if the server has not proved its own
        identity yet.
        """
        ...


Step = Callable[[bytes], bytes]
"""Returns the response to one challenge."""


class ClientExchange(ABC):
    """Base class of a client mechanism: it enforces the limits and the order of the steps.

    ``_next`` is the step for the next challenge. It is cleared before it runs, so after an error,
    and after the last step, any challenge is unexpected. ``_complete`` is true if a success reply
    is valid now; every step resets it.
    """

    name: bytes
    exposes_secret: bool = False

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._max_size = max_message_size(limits)
        self._rounds = 0
        self._next: Step | None = None
        self._complete = False

    def initial_response(self) -> Secret | None:
        """Begin: return the initial response, or None if the server sends the first message."""
        response = self._begin()
        return None if response is None else self._bounded(response)

    def respond(self, challenge: bytes) -> Secret:
        """Return the response to a challenge.

        Raises SaslError if the server violates the mechanism; the caller then cancels.
        """
        step, self._next = self._next, None
        self._complete = False
        self._rounds += 1
        if self._rounds > self._limits.sasl_rounds:
            raise SaslLimitExceeded("rounds of an authentication", self._limits.sasl_rounds)
        if len(challenge) > self._max_size:
            raise SaslLimitExceeded("challenge", self._max_size)
        if step is None:
            raise self._error("the server sent a challenge after the last response")
        return self._bounded(step(challenge))

    def finish(self, data: bytes | None = None) -> None:
        """Process the server's success reply. Raises SaslError if it is not valid now."""
        if data:
            raise self._error("the server's success has unexpected data")
        if not self._complete:
            raise self._error("the server reported success before the exchange was complete")

    @abstractmethod
    def _begin(self) -> bytes | None:
        """Return the initial response, or None if the server sends the first message."""

    def _bounded(self, response: bytes) -> Secret:
        if len(response) > self._max_size:
            raise LocalProtocolError(f"a response exceeds the limit of {self._max_size}")
        return Secret(response)

    def _error(self, problem: str) -> SaslError:
        return SaslError(f"{self.name.decode()}: {problem}")


def max_message_size(limits: Limits) -> int:
    """Return the maximum size of a message in octets, before base64 adds a third."""
    return limits.sasl // 4 * 3


class Plain(ClientExchange):
    """PLAIN: the unchanged password (RFC 4616). The server applies SASLprep, not the client."""

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

    The prompts are ignored: servers send ``Username:`` and ``Password:`` in any spelling and
    language, and some send empty prompts.
    """

    name = b"LOGIN"
    exposes_secret = True

    def __init__(self, user: bytes, password: Secret, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._user = check_user(user)
        self._password = Secret(check_password(password))

    def _begin(self) -> None:
        self._next = self._send_user

    def _send_user(self, challenge: bytes) -> bytes:
        self._next = self._send_password
        return self._user

    def _send_password(self, challenge: bytes) -> bytes:
        self._complete = True
        return self._password.reveal()


class External(ClientExchange):
    """EXTERNAL: the server already knows the client's identity (RFC 4422, appendix A)."""

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
        # Any challenge text is accepted, but an empty one cannot be fresh.
        if not challenge:
            raise self._error("the challenge is empty")
        self._complete = True
        return b"%b %b" % (self._user, cram_md5(self._password, challenge))


def cram_md5(password: Secret, challenge: bytes) -> bytes:
    """Return the digest of RFC 2195, section 2, as hexadecimal ASCII."""
    import hmac
    from functools import partial
    from hashlib import md5

    # Systems that forbid MD5 for security still allow it with this argument.
    digest = hmac.new(password.reveal(), challenge, partial(md5, usedforsecurity=False))
    return digest.hexdigest().encode()
