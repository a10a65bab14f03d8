"""Check where the ledger is: ``set store`` and ``set lease``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from ..postgres.urls import is_url
from .errors import ConfigError
from .settings import GlobalSettings

SQLITE = "sqlite"
LEAST_LEASE = 5
"""Seconds. A busy machine may need one of them to renew its lease."""


def ledger_faults(settings: GlobalSettings) -> Iterator[ConfigError]:
    """Yield what is wrong with the options ``store`` and ``lease``. The store is not shown."""
    store = settings.store.reveal().decode("utf-8", "surrogateescape") if settings.store else SQLITE
    if settings.oauthstore.lower() == "store":
        yield from token_faults(settings, is_shared=store.lower() != SQLITE)
    if store.lower() == SQLITE:
        return
    place = settings.place("store")
    if not is_url(store):
        hint = 'write "sqlite", or "postgresql://USER@HOST/DATABASE"'
        yield ConfigError(place, "the store is not a URL of PostgreSQL", hint=hint)
    elif find_spec("psycopg") is None:
        problem = "a store in PostgreSQL needs psycopg"
        yield ConfigError(place, problem, hint='install it with "pip install mailhaul[postgres]"')
    if settings.lease < LEAST_LEASE:
        problem = f"the lease must be at least {LEAST_LEASE} seconds"
        yield ConfigError(settings.place("lease"), problem)


def token_faults(settings: GlobalSettings, *, is_shared: bool) -> Iterator[ConfigError]:
    """Yield what is missing for tokens in the store."""
    place = settings.place("oauthstore")
    if not is_shared:
        hint = 'add "set store" with the URL of PostgreSQL'
        yield ConfigError(place, "tokens can be in the store only if machines share it", hint=hint)
    elif settings.storekeyfile is None:
        hint = 'add "set storekeyfile" with the file that has the key'
        yield ConfigError(place, "tokens in the store are encrypted: there is no key", hint=hint)
    elif find_spec("cryptography") is None:
        hint = 'install it with "pip install mailhaul[oauth]"'
        yield ConfigError(place, "tokens in the store need cryptography", hint=hint)
