"""Each store of the ledger, for tests that hold for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger, SqlLedger

STORES = ("sqlite", pytest.param("postgres", marks=pytest.mark.real))


class Stores:
    """Opens the store of one test, each time as another program would."""

    def __init__(self, place: str, kind: Callable[[str, Callable[[], float]], SqlLedger]) -> None:
        self.place = place
        self._kind = kind
        self._opened: list[SqlLedger] = []

    def __call__(self, clock: Callable[[], float] = time.time) -> SqlLedger:
        """Return a ledger in the store."""
        ledger = self._kind(self.place, clock)
        self._opened.append(ledger)
        return ledger

    def close(self) -> None:
        """Close all that were opened."""
        for ledger in self._opened:
            ledger.close()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """What opens the store of this test."""
    if request.param == "sqlite":
        stores = Stores(str(tmp_path / "state" / "mailhaul" / "ledger.db"), SqliteLedger)
    else:
        from mailhaul.adapters.postgres.store import PostgresLedger

        stores = Stores(request.getfixturevalue("store_url"), PostgresLedger)
    yield stores
    stores.close()
