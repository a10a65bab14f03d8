"""What is known of Google and Microsoft 365: endpoints, scopes, and how they differ from the RFCs.

Google: "OAuth 2.0 for iOS & Desktop Apps", "IMAP, POP, and SMTP" (Gmail). Microsoft: "Authenticate
an IMAP, POP or SMTP connection using OAuth" (Exchange). Any other issuer is found by discovery.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from ..errors import LocalProtocolError
from ..record import Record
from .discovery import GUID, TENANT_ID, AuthorizationServer

GMAIL: Final = "gmail"
MICROSOFT: Final = "microsoft"

CODE: Final = "code"
DEVICE: Final = "device"
CLIENT: Final = "client"
SERVICE: Final = "service"
GRANTS: Final = (CODE, DEVICE, CLIENT, SERVICE)
"""Values of ``oauthgrant``: authorization code, device, client credentials, service account."""

IMAP: Final = "imap"
POP3: Final = "pop3"
SMTP: Final = "smtp"
GMAIL_INSERT: Final = "gmail-insert"
GMAIL_LABELS: Final = "gmail-labels"
"""What a token is for."""
GMAIL_HOST: Final = "gmail.googleapis.com"
"""Where the tokens for imports are sent."""

TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}")
DEFAULT_TENANT: Final = "common"
OUTLOOK: Final = "https://outlook.office.com"

_SCOPES: Final = {
    GMAIL: {
        **dict.fromkeys((IMAP, POP3, SMTP), "https://mail.google.com/"),
        GMAIL_INSERT: "https://www.googleapis.com/auth/gmail.insert",
        GMAIL_LABELS: "https://www.googleapis.com/auth/gmail.labels",
    },
    MICROSOFT: {
        IMAP: f"{OUTLOOK}/IMAP.AccessAsUser.All",
        POP3: f"{OUTLOOK}/POP.AccessAsUser.All",
        SMTP: f"{OUTLOOK}/SMTP.Send",
    },
}
OFFLINE: Final = "offline_access"
"""The scope by which Microsoft and OpenID issuers give a refresh token."""
NOT_GRANTED_BY_NAME: Final = frozenset({OFFLINE, "openid", "profile", "email"})
"""Scopes that an answer need not repeat."""


class Provider(Record):
    """How an issuer differs from others. ``name`` is "" for one found by discovery.

    ``loopback`` is the host of the redirect: Microsoft ignores the port only for ``localhost``.
    ``pop3_in_two_lines`` is true if POP3 AUTH must not have an initial response.
    """

    name: str = ""
    loopback: str = "127.0.0.1"
    pop3_in_two_lines: bool = False
    no_grants: frozenset[str] = frozenset({SERVICE})


PROVIDERS: Final = {
    GMAIL: Provider(GMAIL, no_grants=frozenset({CLIENT, DEVICE})),
    MICROSOFT: Provider(MICROSOFT, "localhost", True, frozenset({SERVICE})),
}
OTHER: Final = Provider()


def provider_of(issuer: str) -> Provider:
    """Return the provider for a value of ``oauthissuer``."""
    return PROVIDERS.get(issuer, OTHER)


def preset(issuer: str, tenant: str = DEFAULT_TENANT) -> AuthorizationServer | None:
    """Return the server of a preset; None if the issuer is found by discovery.

    Raises LocalProtocolError for a tenant that cannot be one.
    """
    if issuer == GMAIL:
        return AuthorizationServer(
            issuer="https://accounts.google.com",
            authorization="https://accounts.google.com/o/oauth2/v2/auth",
            token="https://oauth2.googleapis.com/token",  # noqa: S106
            device="https://oauth2.googleapis.com/device/code",
            revocation="https://oauth2.googleapis.com/revoke",
            client_methods=("client_secret_post",),
            # Without these Google gives a refresh token only at the first consent.
            authorization_extra=(("access_type", "offline"), ("prompt", "consent")),
        )
    if issuer == MICROSOFT:
        if not TENANT.fullmatch(tenant):
            raise LocalProtocolError("a tenant is a domain, a GUID, or a word such as common")
        base = f"https://login.microsoftonline.com/{tenant}"
        # A tenant may have several names, and "common" is any; the issuer is called by its GUID.
        known = tenant.lower() if GUID.fullmatch(tenant) else TENANT_ID
        return AuthorizationServer(
            issuer=f"https://login.microsoftonline.com/{known}/v2.0",
            authorization=f"{base}/oauth2/v2.0/authorize",
            token=f"{base}/oauth2/v2.0/token",
            device=f"{base}/oauth2/v2.0/devicecode",
            client_methods=("client_secret_post",),
        )
    return None


def scope_for(issuer: str, grant: str, uses: Collection[str]) -> tuple[str, ...]:
    """Return the scope to ask for. ``uses`` are what the token is for.

    For an issuer without a preset it is empty: the issuer's default, or what the user names.
    """
    if issuer == MICROSOFT and grant == CLIENT:
        return ("https://outlook.office365.com/.default",)
    known = _SCOPES.get(issuer, {})
    found = dict.fromkeys(
        known[use]
        for use in (IMAP, POP3, SMTP, GMAIL_INSERT, GMAIL_LABELS)
        if use in uses & known.keys()
    )
    extra = (OFFLINE,) if issuer == MICROSOFT else ()
    return (*found, *extra)


def missing_scope(asked: Collection[str], granted: Collection[str]) -> list[str]:
    """Return what was requested and not granted: a user may leave out single permissions."""
    if not granted:
        return []
    have = {scope.lower().rstrip("/") for scope in granted}
    return [
        scope
        for scope in asked
        if scope not in NOT_GRANTED_BY_NAME
        and not scope.endswith("/.default")
        and scope.lower().rstrip("/") not in have
    ]
