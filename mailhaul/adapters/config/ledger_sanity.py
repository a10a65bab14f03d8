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
    if settings.store is None:
        return
    store = settings.store.reveal().decode("utf-8", "surrogateescape")
    place = settings.place("store")
    if store.lower() == SQLITE:
        return
    if not is_url(store):
        hint = 'write "sqlite", or "postgresql://USER@HOST/DATABASE"'
        yield ConfigError(place, "the store is not a URL of PostgreSQL", hint=hint)
    elif find_spec("psycopg") is None:
        problem = "a store in PostgreSQL needs psycopg"
        yield ConfigError(place, problem, hint='install it with "pip install mailhaul[postgres]"')
    if settings.lease < LEAST_LEASE:
        problem = f"the lease must be at least {LEAST_LEASE} seconds"
        yield ConfigError(settings.place("lease"), problem)
