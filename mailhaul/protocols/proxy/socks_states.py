"""The states of a SOCKS5 client that asks for one connection (RFC 1928, sections 3 to 6).

The method of the login is agreed on first. Then user and password follow if the proxy wants them
(RFC 1929), and then the request.
"""

from __future__ import annotations

from typing import Protocol

from ..transitions import Table


class Dialogue(Protocol):
    """The inputs of a SOCKS5 client."""

    def no_login_wanted(self) -> None:
        """The proxy chose the method without a login."""

    def password_wanted(self) -> None:
        """The proxy chose the method with user and password."""

    def no_method_accepted(self) -> None:
        """The proxy accepts none of the methods."""

    def login_granted(self) -> None:
        """The proxy accepted user and password."""

    def login_refused(self) -> None:
        """The proxy refused user and password."""

    def connected(self) -> None:
        """The proxy has connected to the target."""

    def not_connected(self) -> None:
        """The proxy refused the request, or could not connect."""

    def tls_started(self) -> None:
        """The TLS handshake succeeded. It is with the target, so this never happens here."""


table = Table(Dialogue)

methods = table.state("methods")
login = table.state("login")
request = table.state("request")
tunnel = table.state("tunnel")
refused = table.state("refused")

table.move(methods, Dialogue.no_login_wanted, request)
table.move(methods, Dialogue.password_wanted, login)
table.move(methods, Dialogue.no_method_accepted, refused)
table.move(login, Dialogue.login_granted, request)
table.move(login, Dialogue.login_refused, refused)
table.move(request, Dialogue.connected, tunnel)
table.move(request, Dialogue.not_connected, refused)
