"""How to reach an account, and the user's rules about what may be said to its server."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ...flows.requests import Address, Trust
from ...protocols.machine import Trace
from ...protocols.record import Record
from ...protocols.secret import Secret

if TYPE_CHECKING:
    from ...protocols.sasl.credentials import Credentials

COMMAND = b""
"""Stands among mechanisms for the protocol's own command: LOGIN in IMAP, USER and PASS in POP3."""


class TlsMode(Enum):
    """How fetchmail's options ``ssl``, ``sslproto`` and ``sslcertck`` add up."""

    WRAPPED = "wrapped"
    """TLS from the first byte (``ssl``)."""
    REQUIRED = "required"
    """STARTTLS or nothing."""
    OFFERED = "offered"
    """STARTTLS where the server offers it."""
    NEVER = "never"
    """In the clear, as ``sslproto ''`` asks."""


class Access(Record):
    """How to reach one account. ``peer`` names the server for people.

    ``preauth`` says that the user expects no login (``auth ssh``); ``tls_asked`` that TLS
    stands in the user's own words and not only in a default; ``auth`` is the word behind that
    option. ``hint`` tells the user how to ask for TLS from the first byte, or for none.
    """

    peer: str
    address: Address
    user: str
    password: Secret | None
    tls: TlsMode
    trust: Trust
    preauth: bool = False
    tls_asked: bool = False
    timeout: float = 300.0
    trace: Trace | None = None
    auth: str = "any"
    hint: str = 'use "ssl", or "sslproto \'\'"'

    @property
    def credentials(self) -> Credentials:
        """What there is to log in with."""
        from ...protocols.sasl.credentials import Credentials

        token = self.password if self.auth in {"oauthbearer", "xoauth2"} else None
        return Credentials(
            self.user.encode("utf-8", "surrogateescape"),
            None if token else self.password,
            token,
            certificate=self.trust.certificate is not None,
        )

    @property
    def may_show_password(self) -> bool:
        """Whether the user's rules let a password go out without TLS."""
        return self.tls in {TlsMode.NEVER, TlsMode.OFFERED}


def shown(text: bytes) -> str:
    """Return a server's words as text, cut to a length that fits a line."""
    return text[:200].decode("utf-8", "replace")
