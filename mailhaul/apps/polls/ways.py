"""The passwords of proxies, read before a poll."""

from __future__ import annotations

from ...adapters.config.secret_table import way_of
from ...adapters.config.settings import AccountSettings
from ...adapters.login.reach import proxy_of
from .context import PollContext
from .sinks import read_secret_of


async def with_proxy_passwords(settings: AccountSettings, context: PollContext) -> AccountSettings:
    """Return the settings with the passwords of their proxies. Raises PollFailed (IOERR, SYNTAX).

    A proxy whose URL names no user needs none.
    """
    for option in ("proxy", "proxyout"):
        name = f"{option}password"
        if getattr(settings, option) is None or getattr(settings, name) is not None:
            continue
        if proxy_of(settings, option).user or way_of(settings, name):
            secret = await read_secret_of(settings, context, name)
            if secret is not None:
                settings = settings.with_secret(name, secret)
    return settings
