"""Whose token it is: issuer, client, user and grant. All entries with the same four share it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256

from ...protocols.oauth.providers import DEFAULT_TENANT, MICROSOFT, Provider, provider_of
from ...protocols.record import Record
from ...protocols.secret import Secret

ReadSecret = Callable[[str], Awaitable[Secret | None]]
"""Takes ``oauthsecret`` or ``oauthrefresh``; returns that secret, or None. Raises PollFailed."""


class TokenOwner(Record):
    """What identifies a token. ``issuer`` is a preset or the address of an issuer."""

    issuer: str
    tenant: str
    client: str
    user: str
    grant: str

    @property
    def file_name(self) -> str:
        """The name of the file of its token, which is the same on every machine."""
        parts = (self.issuer, self.tenant, self.client, self.user, self.grant)
        text = "\0".join(parts).encode("utf-8", "surrogateescape")
        return f"{sha256(text).hexdigest()[:32]}.json"

    @property
    def provider(self) -> Provider:
        """How the issuer differs from others."""
        return provider_of(self.issuer)


class OAuthAccount(Record):
    """An owner, and what is needed to get a token for it.

    ``label`` is what the user gives to ``mailhaul login``, ``place`` where the rc file has the
    issuer. ``uses`` are what the token is for; ``scope`` is what the user has chosen, or ().
    ``key`` is the file of a service account or of a certificate.
    """

    owner: TokenOwner
    label: str
    place: str
    uses: frozenset[str]
    scope: tuple[str, ...]
    key: str | None
    read_secret: ReadSecret


def owner_of(issuer: str, tenant: str | None, client: str, user: str, grant: str) -> TokenOwner:
    """Return an owner; the tenant matters only at Microsoft."""
    found = (tenant or DEFAULT_TENANT) if issuer == MICROSOFT else ""
    return TokenOwner(issuer, found, client, user, grant)
