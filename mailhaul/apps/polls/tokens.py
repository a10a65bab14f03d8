"""From an account's settings to the tokens of ``auth oauth``, ``esmtpauth`` and ``appendauth``."""

from __future__ import annotations

import time
from functools import partial

from ...adapters.config.secret_table import way_of
from ...adapters.config.settings import AccountSettings
from ...adapters.login.access import TokenSource
from ...adapters.oauth.accounts import OAuthAccount, owner_of
from ...adapters.oauth.grants import Issuer
from ...adapters.oauth.keeper import TokenKeeper
from ...adapters.oauth.store import TokenStore
from ...flows.outcome import PollFailed
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


def has_new_token(settings: AccountSettings, context: PollContext) -> bool:
    """Whether there is a token for the server of an account that has not failed yet."""
    account = oauth_account(settings, context, settings.kind.family, settings.remote_user)
    try:
        saved = TokenStore(context.tokens, account.owner).load()
    except PollFailed:
        # The next poll reports it.
        return False
    return not saved.failures and (saved.access or saved.refresh) is not None


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
