"""A store in PostgreSQL for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailhaul.adapters.postgres.store import PostgresLedger


@pytest.fixture
def ledger(store_url: str) -> Iterator[PostgresLedger]:
    """A ledger in an empty store."""
    ledger = PostgresLedger(store_url, lambda: 1000.0)
    yield ledger
    ledger.close()


@pytest.fixture
def other(store_url: str) -> Iterator[PostgresLedger]:
    """The ledger of another machine in the same store."""
    ledger = PostgresLedger(store_url, lambda: 1000.0)
    yield ledger
    ledger.close()
