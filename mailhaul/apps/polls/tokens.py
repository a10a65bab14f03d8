"""From an account's settings to the tokens of ``auth oauth``, ``esmtpauth`` and ``appendauth``."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from functools import partial

from ...adapters.config.imap_url import read_url
from ...adapters.config.secret_table import way_of
from ...adapters.config.settings import AccountSettings
from ...adapters.login.access import TokenSource
from ...adapters.oauth.accounts import OAuthAccount, TokenOwner, owner_of
from ...adapters.oauth.grants import Issuer
from ...adapters.oauth.keeper import TokenKeeper
from ...adapters.oauth.store import TokenStore
from ...flows.outcome import PollFailed
from ...protocols.gmail.requests import names_in
from ...protocols.oauth.providers import (
    GMAIL_HOST,
    GMAIL_INSERT,
    GMAIL_LABELS,
    IMAP,
    POP3,
    SMTP,
)
from ...protocols.record import Record
from ...protocols.secret import Secret
from .accounts import user_at_server
from .context import PollContext

PROTOCOLS = {
    IMAP: "IMAP",
    POP3: "POP3",
    SMTP: "SMTP",
    GMAIL_INSERT: "the API",
    GMAIL_LABELS: "the API",
}
"""What a token is for, in words."""
LISTENER = "localhost"
"""Where mail goes if the rc file does not say."""


class Use(Record):
    """What an account uses tokens for: ``kind`` is one of ``protocols.oauth.providers``.

    ``user`` is whose tokens they are, ``names`` are those of the account, and ``server`` is where
    the tokens are sent.
    """

    kind: str
    user: str
    names: frozenset[str]
    server: str


def tokens_for(
    settings: AccountSettings, context: PollContext, kind: str, user: str, host: str
) -> TokenSource:
    """Return the source of the tokens of a user; ``kind`` and ``host`` are what they are for."""
    account = oauth_account(settings, context, user)
    return TokenKeeper(
        account,
        store_for(context, account.owner),
        Issuer(account, time.time),
        time.time,
        context.hide,
        context.hold,
        partial(context.note_token, account.label),
        server_name(kind, host),
    )


def store_for(context: PollContext, owner: TokenOwner) -> TokenStore:
    """Return where the tokens of an owner are kept."""
    place = context.globals.oauthstore.lower()
    if place == "store":
        from .shared_store import token_store  # few users have one

        return token_store(context, owner)
    if place != "keyring":
        return TokenStore(context.tokens, owner)
    from ...adapters.oauth.vault import KeyringStore  # few users have one

    return KeyringStore(context.tokens, owner, context.warn)


def server_name(kind: str, host: str) -> str:
    """Return the name of a mail server, with what it is used for."""
    return f"{PROTOCOLS[kind]} at {host.lower()}"


def source_host(settings: AccountSettings) -> str:
    """Return the host of the server of an account, and the port if it is an unusual one."""
    return settings.host if settings.service is None else f"{settings.host}:{settings.service}"


def uses_of(settings: AccountSettings) -> Iterator[Use]:
    """Yield what an account uses tokens for."""

    def use(kind: str, user: str, host: str, *names: str) -> Use:
        return Use(kind, user, frozenset({user, *names}), server_name(kind, host))

    if settings.auth == "oauth":
        names = (settings.pollname, user_at_server(settings))
        yield use(settings.kind.family, settings.remote_user, source_host(settings), *names)
    if settings.esmtpauth == "oauth":
        for host in settings.smtphosts or (LISTENER,):
            yield use(SMTP, settings.esmtpname, host)
    if settings.appendauth == "oauth" and settings.append is not None:
        url = read_url(settings.append)
        yield use(IMAP, url.user, url.host, f"{url.user}@{url.host}")
    if settings.gmail is not None:
        yield use(GMAIL_INSERT, settings.gmail, GMAIL_HOST)
        if names_in(settings.gmaillabels):
            yield use(GMAIL_LABELS, settings.gmail, GMAIL_HOST)


def has_new_tokens(
    settings: AccountSettings, context: PollContext, missing: Collection[str]
) -> bool:
    """Whether the tokens that were missing are there, and have not failed yet.

    ``missing`` are labels.
    """
    found = {
        (account.owner, use.server)
        for use in uses_of(settings)
        if (account := oauth_account(settings, context, use.user)).label in missing
    }
    return bool(found) and all(has_new_token(owner, server, context) for owner, server in found)


def has_new_token(owner: TokenOwner, server: str, context: PollContext) -> bool:
    """Whether there is a token that has not failed yet, nor been refused by this mail server."""
    try:
        saved = store_for(context, owner).peek()
    except PollFailed:
        # The next poll reports it.
        return False
    if saved.failures or saved.refusal(server).failures:
        return False
    return saved.access is not None or saved.refresh is not None


def expiry_of(settings: AccountSettings, context: PollContext) -> float:
    """Return when the access token for the server of an account expires; 0 if there is none."""
    user = next(uses_of(settings)).user
    owner = oauth_account(settings, context, user).owner
    try:
        saved = store_for(context, owner).peek()
    except PollFailed:
        return 0.0
    return saved.expires if saved.access is not None else 0.0


def oauth_account(settings: AccountSettings, context: PollContext, user: str) -> OAuthAccount:
    """Return whose tokens they are, and what is needed to get them.

    One token is for all that this user does in the entry: reading by IMAP and sending by SMTP, or
    imports and the names of labels.
    """
    return OAuthAccount(
        owner_of(
            settings.oauthissuer or "",
            settings.oauthtenant,
            settings.oauthclient or "",
            user,
            settings.oauthgrant,
        ),
        label_of(settings, user),
        str(settings.place("oauthissuer")),
        frozenset(use.kind for use in uses_of(settings) if use.user == user),
        # Several in one pair of quotes are several too.
        tuple(" ".join(settings.oauthscope).split()),
        settings.oauthkey,
        partial(read_oauth_secret, settings, context),
    )


def label_of(settings: AccountSettings, user: str) -> str:
    """Return what the user gives to ``mailhaul login``."""
    if "@" in user:
        return user
    return user_at_server(settings) if user == settings.remote_user else user


async def read_oauth_secret(
    settings: AccountSettings, context: PollContext, name: str
) -> Secret | None:
    """Read the client secret or a refresh token, and hide it. Raises PollFailed (IOERR)."""
    secret: Secret | None = getattr(settings, name)
    if secret is None and way_of(settings, name) is not None:
        from ...adapters.config.secrets import SecretReader, read_in_flow

        reader = SecretReader(settings, name, context.caller.home)
        try:
            secret = await read_in_flow(reader)
        finally:
            context.tell_all(reader.warnings)
    if secret is not None:
        context.hide(secret)
    return secret
