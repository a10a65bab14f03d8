"""GSSAPI: login with Kerberos, without a security layer (RFC 4752).

This module does not use the Kerberos library itself. An adapter creates a ``SecurityContext`` for
the service ``imap``, ``pop`` or ``smtp`` on the host, with mutual authentication.
"""

from __future__ import annotations

from typing import Final, Protocol

from ..limits import DEFAULT_LIMITS, Limits
from .client_mechanisms import ClientExchange
from .credentials import check_identity

NO_LAYER: Final = 1
"""The layer bit for no security layer: data after the login is not wrapped (section 3.3)."""


class ContextFailed(Exception):
    """The Kerberos library refused the server's token, or has no ticket for the service."""


class SecurityContext(Protocol):
    """The part of a GSS security context that a login needs. Every method raises ContextFailed."""

    @property
    def complete(self) -> bool:
        """Whether the context is established: both sides are authenticated."""
        ...

    def step(self, token: bytes | None) -> bytes | None:
        """Process the server's token (None at first) and return ours, or None if there is none."""
        ...

    def unwrap(self, message: bytes) -> bytes:
        """Verify a signed message from the server and return its content."""
        ...

    def wrap(self, message: bytes) -> bytes:
        """Return a message with a signature, without encryption."""
        ...


class Gssapi(ClientExchange):
    """The client side: tokens until the context is established, then the choice of no layer."""

    name = b"GSSAPI"

    def __init__(
        self, context: SecurityContext, act_as: bytes = b"", limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(limits)
        self._context = context
        self._act_as = check_identity(act_as)

    def _begin(self) -> bytes:
        return self._step(None)

    def _step(self, token: bytes | None) -> bytes:
        try:
            ours = self._context.step(token)
            complete = self._context.complete
        except ContextFailed as failure:
            raise self._error(f"Kerberos: {failure}") from failure
        self._next = self._choose_layer if complete else self._step
        # The server may send the last token; an empty response then requests its offer (3.1).
        return ours or b""

    def _choose_layer(self, wrapped: bytes) -> bytes:
        """Choose no security layer from the server's offer of layers and buffer size (3.1)."""
        try:
            offer = self._context.unwrap(wrapped)
            if len(offer) != 4:
                raise self._error("the server's offer of security layers is not four bytes long")
            layers, size = offer[0], int.from_bytes(offer[1:], "big")
            if not layers & NO_LAYER:
                raise self._error("the server demands a security layer, which is not supported")
            if layers == NO_LAYER and size:
                raise self._error("the server offers no security layer, but gives a message size")
            answer = self._context.wrap(bytes((NO_LAYER, 0, 0, 0)) + self._act_as)
        except ContextFailed as failure:
            raise self._error(f"Kerberos: {failure}") from failure
        self._complete = True
        return answer
