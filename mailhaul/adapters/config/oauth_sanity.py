"""Check the options of OAuth of one account: what is missing, and what cannot work together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from ...protocols.errors import LocalProtocolError
from ...protocols.http import is_loopback
from ...protocols.oauth.advice import DEVICE_AT_GOOGLE
from ...protocols.oauth.discovery import discovery_requests
from ...protocols.oauth.providers import (
    CLIENT,
    DEVICE,
    GMAIL,
    MICROSOFT,
    PROVIDERS,
    SERVICE,
    TENANT,
    provider_of,
)
from .errors import ConfigError, ConfigWarning, Place, quoted
from .grammar import ONE_ISSUER
from .imap_url import read_url
from .secret_table import TOKEN_AUTHS, way_of
from .settings import AccountSettings

GMAIL_DOMAINS: Final = ("gmail.com", "googlemail.com")
USERS: Final = ("auth", "esmtpauth", "appendauth")
"""The options whose value may be ``oauth``."""
SERVERS: Final = {
    **dict.fromkeys(
        (f"{kind}.{domain}" for kind in ("imap", "pop", "smtp") for domain in GMAIL_DOMAINS), GMAIL
    ),
    **dict.fromkeys(
        (
            *("outlook.office365.com", "outlook.office.com", "smtp.office365.com"),
            *("imap-mail.outlook.com", "pop-mail.outlook.com", "smtp-mail.outlook.com"),
        ),
        MICROSOFT,
    ),
}
"""Hosts whose tokens come from one issuer alone."""
SHARED_TENANTS: Final = frozenset({"common", "organizations", "consumers"})
ISSUER_HINT: Final = (
    'write "oauthissuer gmail", "oauthissuer microsoft", or the https URL of another issuer in '
    "quotes"
)
CHECK_HINT: Final = (
    'remove "no sslcertck", and name a private authority by "sslcertfile"; for the server of the '
    'entry "sslfingerprint" will do'
)
CLIENT_HINT: Final = "docs/oauth.md says step by step how to get a client ID"


def uses_oauth(account: AccountSettings) -> str:
    """Return the first option by which an account uses OAuth, or "". The API of Gmail needs it."""
    found = next((name for name in USERS if getattr(account, name) == "oauth"), "")
    return found or ("gmail" if account.gmail else "")


def oauth_faults(account: AccountSettings) -> Iterator[ConfigError]:
    """Yield what is missing or cannot work. ``uses_oauth`` must be true."""
    used = uses_oauth(account)
    issuer = account.oauthissuer
    if issuer is None:
        problem = f'"{used}{"" if used == "gmail" else " oauth"}" needs "oauthissuer"'
        yield ConfigError(account.place(used), problem, hint=ISSUER_HINT)
        return
    if issuer not in PROVIDERS:
        try:
            discovery_requests(issuer)
        except LocalProtocolError as error:
            place = account.place("oauthissuer")
            yield ConfigError(place, f"oauthissuer {quoted(issuer)}: {error}", hint=ISSUER_HINT)
    yield from _grant_faults(account, issuer)
    yield from _foreign_servers(account, issuer)
    if account.auth == "oauth" and account.kind.family not in {"imap", "pop3"}:
        problem = f'"auth oauth" is not for {account.protocol}'
        yield ConfigError(account.place("auth"), problem, hint='use "imap" or "pop3"')
    if account.auth == "oauth" and account.protocol == "apop":
        problem = '"auth oauth" together with "protocol apop"'
        yield ConfigError(account.place("auth"), problem, hint='use "protocol pop3"')
    if account.esmtpauth == "oauth" and not account.chose("esmtpname"):
        problem = '"esmtpauth oauth" needs "esmtpname"'
        hint = "give the login at the listener, usually an address"
        yield ConfigError(account.place("esmtpauth"), problem, hint=hint)


def _token_hosts(account: AccountSettings) -> Iterator[tuple[str, str]]:
    """Yield the options that send a token, and the hosts that it goes to."""
    if account.auth == "oauth":
        yield "auth", account.host
    if account.esmtpauth == "oauth":
        for listener in account.smtphosts:
            yield "esmtpauth", listener.partition("/")[0]
    if account.appendauth == "oauth" and account.append is not None:
        with suppress(ValueError):
            yield "appendauth", read_url(account.append).host


def _foreign_servers(account: AccountSettings, issuer: str) -> Iterator[ConfigError]:
    """Yield the servers that cannot accept a token of this issuer."""
    for option, host in _token_hosts(account):
        wanted = SERVERS.get(host.lower().rstrip("."))
        if wanted is not None and issuer in PROVIDERS and wanted != issuer:
            problem = f'"{option} oauth" at {host} needs a token of {wanted}, not of {issuer}'
            yield ConfigError(account.place(option), problem, hint=ONE_ISSUER)


def _grant_faults(account: AccountSettings, issuer: str) -> Iterator[ConfigError]:
    """Yield what is wrong with the grant, and what it needs."""
    grant = account.oauthgrant
    place = account.place("oauthgrant" if account.chose("oauthgrant") else "oauthissuer")
    if grant in provider_of(issuer).no_grants:
        hint = "use one of the other grants"
        if issuer == GMAIL:
            hint = DEVICE_AT_GOOGLE if grant == DEVICE else 'use "oauthgrant service"'
        yield ConfigError(
            place, f'{quoted(issuer)} has no "oauthgrant {grant}" for mail', hint=hint
        )
        return
    if grant == SERVICE:
        if account.oauthkey is None:
            problem = '"oauthgrant service" needs "oauthkey"'
            hint = "give the JSON file with the key of the service account"
            yield ConfigError(place, problem, hint=hint)
        return
    if account.oauthclient is None:
        problem = f'"oauthissuer {issuer}" needs "oauthclient"'
        yield ConfigError(account.place("oauthissuer"), problem, hint=CLIENT_HINT)
    tenant = account.oauthtenant
    if issuer == MICROSOFT and tenant is not None and not TENANT.fullmatch(tenant):
        problem = f"oauthtenant {quoted(tenant)} is not a tenant"
        hint = "give a domain, a GUID, or common"
        yield ConfigError(account.place("oauthtenant"), problem, hint=hint)
    if grant != CLIENT:
        return
    if account.oauthkey is None and not _has_secret(account):
        problem = '"oauthgrant client" needs "oauthsecret" or "oauthkey"'
        yield ConfigError(place, problem, hint=CLIENT_HINT)
    if issuer == MICROSOFT and (tenant or "common").lower() in SHARED_TENANTS:
        problem = '"oauthgrant client" needs the "oauthtenant" of your organization'
        yield ConfigError(place, problem, hint='such as "contoso.example", or its GUID')


def _has_secret(account: AccountSettings) -> bool:
    return account.oauthsecret is not None or way_of(account, "oauthsecret") is not None


def oauth_warnings(account: AccountSettings) -> Iterator[ConfigWarning]:
    """Yield options of OAuth that have no effect."""
    if not uses_oauth(account):
        if account.oauthissuer is not None:
            problem = '"oauthissuer" has no effect without "auth oauth"'
            yield ConfigWarning(account.place("oauthissuer"), problem)
        return
    if account.oauthtenant is not None and account.oauthissuer != MICROSOFT:
        problem = '"oauthtenant" has an effect only with "oauthissuer microsoft"'
        yield ConfigWarning(account.place("oauthtenant"), problem)


def token_warnings(account: AccountSettings) -> Iterator[ConfigWarning]:
    """Yield where a token would go without TLS, or over TLS that anybody can take part in.

    Anyone who gets it may use it as the user, until it expires. A connection on this machine, or by
    a command of the user, is protected in another way.
    """
    if account.auth in TOKEN_AUTHS and account.plugin is None and not is_loopback(account.host):
        yield from _unprotected_source(account)
    if account.appendauth == "oauth" and account.append is not None and account.plugout is None:
        with suppress(ValueError):
            url = read_url(account.append)
            if not (account.sslcertck or url.loopback):
                problem = f"the token for {url.host} goes over TLS whose certificate is not checked"
                yield ConfigWarning(_place_of(account, "sslcertck"), problem, hint=CHECK_HINT)


def _unprotected_source(account: AccountSettings) -> Iterator[ConfigWarning]:
    from ..login.access import TlsMode
    from ..login.reach import tls_mode

    mode = tls_mode(account)
    if mode is TlsMode.NEVER or mode is TlsMode.OFFERED:
        name = "sslmode" if account.sslmode is not None else "sslproto"
        when = "" if mode is TlsMode.NEVER else " if the server offers no TLS"
        problem = f"the token for {account.host} goes over the network in the clear{when}"
        hint = 'write "ssl", without "sslproto \'\'"'
        yield ConfigWarning(_place_of(account, name, "sslcertck"), problem, hint=hint)
    elif not (account.sslcertck or account.sslfingerprint):
        problem = f"the token for {account.host} goes over TLS whose certificate is not checked"
        yield ConfigWarning(_place_of(account, "sslcertck"), problem, hint=CHECK_HINT)


def _place_of(account: AccountSettings, *names: str) -> Place:
    """Return the place of the first of these options that the user has chosen."""
    return account.place(next((name for name in names if account.chose(name)), "auth"))
