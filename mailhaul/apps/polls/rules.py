"""From an account's settings to the rules for what is fetched."""

from __future__ import annotations

import time

from ...adapters.config.settings import AccountSettings
from ...adapters.config.values import period
from ...flows.rules import Rules, read_rule


def make_rules(settings: AccountSettings) -> Rules:
    """Return the rules of an account. A period before now is a day by this machine's clock."""
    since = None
    if settings.since:
        seconds = period(settings.since)
        text = settings.since
        if seconds is not None:
            text = time.strftime("%Y-%m-%d", time.localtime(time.time() - seconds))
        year, month, day = map(int, text.split("-"))
        since = (year, month, day)
    key = repr((settings.since, settings.only, settings.excepted)).encode("utf-8", "replace")
    only, excepted = (tuple(map(read_rule, some)) for some in (settings.only, settings.excepted))
    return Rules(key, since, only, excepted)
