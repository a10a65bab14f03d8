"""The states of an HTTP client that asks a proxy for a tunnel (RFC 9110, section 9.3.6)."""

from __future__ import annotations

from typing import Protocol

from ..transitions import Table


class Dialogue(Protocol):
    """The inputs of such a client."""

    def interim(self) -> None:
        """The proxy sent an interim response (1xx)."""

    def connected(self) -> None:
        """The proxy answered with 2xx: everything after this is the tunnel."""

    def not_connected(self) -> None:
        """The proxy answered with another status."""

    def tls_started(self) -> None:
        """The TLS handshake succeeded. It is with the target, so this never happens here."""


table = Table(Dialogue)

asked = table.state("asked")
tunnel = table.state("tunnel")
refused = table.state("refused")

table.move(asked, Dialogue.interim, asked)
table.move(asked, Dialogue.connected, tunnel)
table.move(asked, Dialogue.not_connected, refused)
