"""The ledger in memory: a kill leaves it as it is, a power loss takes what was not synced."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from mailhaul.adapters.ledger.schema import prepare
from mailhaul.adapters.ledger.statements import Statements
from mailhaul.adapters.ledger.store import LedgerFault, SqliteLedger

from .faults import Fault, Kind

T = TypeVar("T")
HERE = ":memory:"


class MemoryLedger(SqliteLedger):
    """SQLite's own, without a file. ``images`` says whether a loss of power is to come."""

    def __init__(
        self, clock: Callable[[], float], due: Callable[[str], Fault | None], images: bool
    ) -> None:
        super().__init__(HERE, clock)
        self._due = due
        self._images = images
        self._durable = b""

    def write(self, work: Callable[[Statements], T]) -> T:
        """Do some work in one transaction, if there is room for it."""
        self._check("ledger write")
        return super().write(work)

    def make_durable(self) -> None:
        """Take a picture of what is on the disk now."""
        self._check("ledger sync")
        super().make_durable()
        if self._connection and self._images:
            self._durable = self._connection.serialize()

    def lose_power(self) -> None:
        """Go back to what was on the disk."""
        if self._connection and self._durable:
            self._connection.deserialize(self._durable)

    def _check(self, at: str) -> None:
        if self._due(at):
            raise LedgerFault(HERE, "database or disk is full; make room and run again")

    def _open(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(HERE)
        prepare(self._connection)
        if self._images:
            self._durable = self._connection.serialize()
        return self._connection


FAULTS = {
    "ledger full": Kind("no room for the ledger", ("ledger write", "ledger sync"), copies=1),
}
