"""From an account's settings to the tokens of ``auth oauth``, ``esmtpauth`` and ``appendauth``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial

from ...adapters.config.secret_table import way_of
from ...adapters.config.secrets import Stamp, stamp_of
from ...adapters.config.settings import AccountSettings
from ...adapters.login.access import TokenSource
from ...adapters.oauth.accounts import OAuthAccount, owner_of
from ...adapters.oauth.grants import Issuer
from ...adapters.oauth.keeper import TokenKeeper
from ...adapters.oauth.store import TokenStore
from ...protocols.secret import Secret
from .accounts import user_at_server
from .context import PollContext


def tokens_for(settings: AccountSettings, context: PollContext, use: str, user: str) -> TokenSource:
    """Return the source of the tokens of a user; ``use`` is what they are for."""
    account = oauth_account(settings, context, use, user)
    store = TokenStore(context.tokens, account.owner)
    issuer = Issuer(account, time.time)
    return TokenKeeper(account, store, issuer, time.time, context.hide, context.hold)


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


def token_stamps(settings: AccountSettings, context: PollContext) -> Mapping[str, Stamp]:
    """Return the file with the token for the server of an account, and its state now."""
    account = oauth_account(settings, context, settings.kind.family, settings.remote_user)
    path = TokenStore(context.tokens, account.owner).path
    try:
        return {path: stamp_of(os.stat(path))}
    except OSError:
        return {path: None}


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
