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
from ...protocols.oauth.providers import GMAIL_INSERT, GMAIL_LABELS
from ...protocols.secret import Secret
from .accounts import user_at_server
from .context import PollContext


def tokens_for(settings: AccountSettings, context: PollContext, use: str, user: str) -> TokenSource:
    """Return the source of the tokens of a user; ``use`` is what they are for."""
    account = oauth_account(settings, context, use, user)
    store = TokenStore(context.tokens, account.owner)
    return TokenKeeper(
        account,
        store,
        Issuer(account, time.time),
        time.time,
        context.hide,
        context.hold,
        partial(context.note_token, account.label),
    )


def uses_of(settings: AccountSettings) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield what an account uses tokens for, as which user, and the names of that account."""
    if settings.auth == "oauth":
        names = (settings.remote_user, settings.pollname, user_at_server(settings))
        yield settings.kind.family, settings.remote_user, frozenset(names)
    if settings.esmtpauth == "oauth":
        yield "smtp", settings.esmtpname, frozenset({settings.esmtpname})
    if settings.appendauth == "oauth" and settings.append is not None:
        url = read_url(settings.append)
        yield "imap", url.user, frozenset({url.user, f"{url.user}@{url.host}"})
    if settings.gmail is not None:
        yield GMAIL_INSERT, settings.gmail, frozenset({settings.gmail})
        if names_in(settings.gmaillabels):
            yield GMAIL_LABELS, settings.gmail, frozenset()


def has_new_tokens(
    settings: AccountSettings, context: PollContext, missing: Collection[str]
) -> bool:
    """Whether the tokens that were missing are there, and have not failed yet.

    ``missing`` are labels.
    """
    accounts = [oauth_account(settings, context, use, user) for use, user, _ in uses_of(settings)]
    owners = {account.owner for account in accounts if account.label in missing}
    return bool(owners) and all(has_new_token(owner, context) for owner in owners)


def has_new_token(owner: TokenOwner, context: PollContext) -> bool:
    """Whether there is a token that has not failed yet."""
    try:
        saved = TokenStore(context.tokens, owner).load()
    except PollFailed:
        # The next poll reports it.
        return False
    return not saved.failures and (saved.access or saved.refresh) is not None


def expiry_of(settings: AccountSettings, context: PollContext) -> float:
    """Return when the access token for the server of an account expires; 0 if there is none."""
    use, user, _ = next(uses_of(settings))
    owner = oauth_account(settings, context, use, user).owner
    try:
        saved = TokenStore(context.tokens, owner).load()
    except PollFailed:
        return 0.0
    return saved.expires if saved.access is not None else 0.0


def oauth_account(
    settings: AccountSettings, context: PollContext, use: str, user: str
) -> OAuthAccount:
    """Return whose tokens they are, and what is needed to get them."""
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
        frozenset({use}),
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
