"""The address, TLS rules and credentials of an account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from ...flows.requests import Address, Trust
from ...protocols.machine import Tap
from ...protocols.record import Record, replace
from ...protocols.secret import Secret
from ..config.secret_table import TOKEN_AUTHS

if TYPE_CHECKING:
    from ...protocols.sasl.credentials import Credentials
    from .throttled import RestWanted

COMMAND = b""
"""The entry in a list of mechanisms for LOGIN in IMAP, and for USER and PASS in POP3."""


class TlsMode(Enum):
    """The result of fetchmail's options ``ssl``, ``sslproto`` and ``sslcertck``."""

    WRAPPED = "wrapped"
    """TLS from the first byte (``ssl``)."""
    REQUIRED = "required"
    """STARTTLS; without it the poll fails."""
    OFFERED = "offered"
    """STARTTLS if the server offers it."""
    NEVER = "never"
    """No TLS (``sslproto ''``)."""


class TokenSource(Protocol):
    """Where access tokens come from. Its methods are flows; they raise PollFailed."""

    @property
    def pop3_in_two_lines(self) -> bool:
        """Whether POP3 AUTH must not have an initial response."""
        ...

    async def token(self) -> Secret:
        """Return an access token."""
        ...

    async def replacement(self, refused: Secret) -> Secret | None:
        """Return another token after the server has refused this one; None if it is new."""
        ...

    async def accepted(self) -> None:
        """Note that the server has accepted a token."""
        ...

    async def refused(self, words: str) -> str:
        """Note that the server refuses the token; return what helps, or ""."""
        ...


NoteRest = Callable[["RestWanted"], None]
"""Takes the rest that a server wants."""


class Access(Record):
    """What is needed to log in to one account.

    ``peer`` is the server's name in messages for the user. ``preauth`` is true if no login is
    needed (``auth ssh``). ``tls_asked`` is true if the user has requested TLS, so that it is not
    only the default. ``auth`` is the value of that option. ``timeout`` is in seconds. ``hint`` says
    how to configure TLS from the first byte, or no TLS. ``read_password`` reads the password
    if the rc file does not have it; see ``with_password``. ``tokens`` gives the tokens of
    ``auth oauth``, which take the place of the password. ``note_rest`` is called when the server
    wants a rest. With ``read_only`` the machines refuse commands that may change something at the
    server.
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
    tap: Tap | None = None
    auth: str = "any"
    hint: str = 'use "ssl", or "sslproto \'\'"'
    read_password: Callable[[], Awaitable[Secret | None]] | None = None
    tokens: TokenSource | None = None
    read_only: bool = False
    note_rest: NoteRest | None = None

    @property
    def credentials(self) -> Credentials:
        """The credentials to log in with."""
        from ...protocols.sasl.credentials import Credentials

        token = self.password if self.auth in TOKEN_AUTHS else None
        return Credentials(
            self.user.encode("utf-8", "surrogateescape"),
            None if token else self.password,
            token,
            certificate=self.trust.certificate is not None,
        )

    async def with_password(self) -> Access:
        """Return the same with a password or token, which is read now. Raises PollFailed."""
        if self.tokens is not None:
            return replace(self, password=await self.tokens.token())
        if self.password is not None or self.read_password is None:
            return self
        return replace(self, password=await self.read_password())

    @property
    def may_show_password(self) -> bool:
        """Whether the user's options allow a password to be sent without TLS."""
        return self.tls in {TlsMode.NEVER, TlsMode.OFFERED}


def offer_of_oauth(announced: Collection[bytes], auth: str) -> str:
    """Return what to do if a server that offers OAuth refuses a password; "" in all other cases."""
    if auth in TOKEN_AUTHS or not {b"XOAUTH2", b"OAUTHBEARER"} & {*announced}:
        return ""
    return '; the server offers OAuth, and may take no passwords: write "auth oauth"'


def mailbox_advice(text: bytes) -> str:
    """Return what to do if a mailbox cannot be opened although the login was good; "" if unknown.

    Exchange answers every command like that, with NO or BAD.
    """
    if b"not connected" not in text.lower():
        return ""
    from ...protocols.oauth.advice import advice_for_mailbox

    advice = advice_for_mailbox(text.decode("utf-8", "replace"))
    return f"; {advice}" if advice else ""


def excerpt(text: bytes) -> str:
    """Return a server's text decoded as UTF-8, truncated to 200 octets."""
    return text[:200].decode("utf-8", "replace")
