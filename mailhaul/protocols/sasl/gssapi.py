"""GSSAPI: Kerberos logs in, without a security layer (RFC 4752).

The Kerberos library is not known here: a ``SecurityContext`` is passed in, and an adapter makes
it, for the service ``imap``, ``pop`` or ``smtp`` at the host, with mutual authentication.
"""

from __future__ import annotations

from typing import Final, Protocol

from ..limits import DEFAULT_LIMITS, Limits
from .client_mechanisms import ClientExchange
from .credentials import check_identity

NO_LAYER: Final = 1
"""The bit of the layers that says: nothing is wrapped after the login (section 3.3)."""


class ContextFailed(Exception):
    """The Kerberos library refuses what the server sent, or has no ticket for it."""


class SecurityContext(Protocol):
    """The part of a GSS security context that a login needs. All of it raises ContextFailed."""

    @property
    def complete(self) -> bool:
        """Whether both sides know each other."""
        ...

    def step(self, token: bytes | None) -> bytes | None:
        """Take the server's token, return ours; None if there is none."""
        ...

    def unwrap(self, message: bytes) -> bytes:
        """Return what the server signed."""
        ...

    def wrap(self, message: bytes) -> bytes:
        """Return a message signed, not encrypted."""
        ...


class Gssapi(ClientExchange):
    """The client's side: tokens until the context stands, then the choice of no layer."""

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
            raise self._broken(f"Kerberos: {failure}") from failure
        self._next = self._choose_layer if complete else self._step
        # The last token may be the server's: an empty response asks for what follows (3.1).
        return ours or b""

    def _choose_layer(self, wrapped: bytes) -> bytes:
        """Answer which layers the server has, and how much it takes, with: none (3.1)."""
        try:
            offer = self._context.unwrap(wrapped)
            if len(offer) != 4:
                raise self._broken("the server's offer of layers is not four bytes long")
            layers, size = offer[0], int.from_bytes(offer[1:], "big")
            if not layers & NO_LAYER:
                raise self._broken("the server demands a security layer, which we do not have")
            if layers == NO_LAYER and size:
                raise self._broken("the server has no layer, but a size for its messages")
            answer = self._context.wrap(bytes((NO_LAYER, 0, 0, 0)) + self._act_as)
        except ContextFailed as failure:
            raise self._broken(f"Kerberos: {failure}") from failure
        self._complete = True
        return answer
