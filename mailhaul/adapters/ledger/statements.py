"""What the ledger's statements are executed with: a connection to SQLite, or one that looks so.

The statements are in the SQL that SQLite and PostgreSQL have in common, with ``?`` or ``?1`` for
values. The few that cannot be are attributes of the ledger (``store.SqlLedger``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol


class Rows(Protocol):
    """What a statement has found."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        ...


class Statements(Protocol):
    """Executes statements in one transaction."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Rows:
        """Execute a statement."""
        ...

    def executemany(self, statement: str, several: Iterable[Sequence[Any]], /) -> Rows:
        """Execute a statement for each of several sequences of values."""
        ...
