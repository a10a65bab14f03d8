"""What a transaction is done with: statements as for SQLite, in few round trips.

The connection is in pipeline mode: a statement is sent without waiting for the one before, and a
transaction waits once for all whose results it has not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import pq

Row = tuple[Any, ...]

PLACE = re.compile(r"'[^']*'|\?(\d*)")
BEGIN, COMMIT, ROLLBACK = "BEGIN", "COMMIT", "ROLLBACK"


class Fence:
    """The right to write for an account: its name, and the epoch in which it was claimed."""

    __slots__ = ("entry", "epoch")

    def __init__(self, entry: str, epoch: int) -> None:
        self.entry = entry
        self.epoch = epoch


class Result:
    """The rows of one statement. They are waited for when they are first asked for."""

    __slots__ = ("_cursor", "_session")

    def __init__(self, cursor: psycopg.Cursor[Row], session: Session) -> None:
        self._cursor = cursor
        self._session = session

    def fetchone(self) -> Row | None:
        """Return the next row, or None."""
        self._session.wait()
        return self._cursor.fetchone()

    def fetchall(self) -> list[Row]:
        """Return the rows that are left."""
        self._session.wait()
        return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchall())

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        self._session.wait()
        return self._cursor.rowcount


class Session:
    """What a transaction is done with: statements with ``?`` for values, as for SQLite.

    Statements that only read, before the first that writes, need no transaction: each sees what is
    committed at its time, as in one. The transaction is begun before the first that writes.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Row],
        pipeline: psycopg.Pipeline,
        fence: Fence | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self._connection = connection
        self._pipeline = pipeline
        self._fence = fence
        self._alone = alone
        self._begun = False
        self._waiting = False

    def execute(self, statement: str, values: Sequence[object] = ()) -> Result:
        """Send one statement."""
        self._begin(statement)
        return self._send(statement, values)

    def executemany(self, statement: str, several: Iterable[Sequence[object]]) -> Result:
        """Send one statement for each of several sequences of values."""
        self._begin(statement)
        cursor = self._connection.cursor()
        self._waiting = True
        cursor.executemany(translated(statement), several)  # pyright: ignore[reportArgumentType]
        return Result(cursor, self)

    def wait(self) -> None:
        """Wait for the results of everything that was sent."""
        if self._waiting:
            self._waiting = False
            self._pipeline.sync()

    def commit(self) -> None:
        """Commit, and wait for everything."""
        if self._begun:
            self._send(COMMIT)
        self.wait()

    def rollback(self) -> bool:
        """End the transaction without its changes; return whether the connection is usable."""
        info = self._connection.info
        # What was sent after a statement that failed fails too.
        for _ in range(2):
            with suppress(psycopg.Error):
                self._pipeline.sync()
        with suppress(psycopg.Error):
            if info.transaction_status != pq.TransactionStatus.IDLE:
                self._send(ROLLBACK)
                self.wait()
        return info.transaction_status == pq.TransactionStatus.IDLE

    def _begin(self, statement: str) -> None:
        if not (self._begun or self._alone or is_reading(statement)):
            self.begin()

    def begin(self) -> None:
        """Begin the transaction; all statements until its end are in it."""
        self._begun = True
        self._send(BEGIN)
        if self._fence:
            self._send("SELECT fence(?, ?)", (self._fence.entry, self._fence.epoch))

    def _send(self, statement: str, values: Sequence[object] = ()) -> Result:
        cursor = self._connection.cursor()
        self._waiting = True
        # RawCursor takes $1 where other cursors take %s.
        cursor.execute(translated(statement), values or None)  # pyright: ignore[reportArgumentType]
        return Result(cursor, self)


@lru_cache(512)
def translated(statement: str) -> bytes:
    """Return a statement with PostgreSQL's ``$1`` for SQLite's ``?`` and ``?1``."""
    count = 0

    def number(found: re.Match[str]) -> str:
        nonlocal count
        given = found.group(1)
        if given is None:
            return found.group()
        at = int(given) if given else count + 1
        count = max(count, at)
        return f"${at}"

    return PLACE.sub(number, statement).encode()


@lru_cache(512)
def is_reading(statement: str) -> bool:
    """Whether a statement changes nothing and locks nothing."""
    words = statement.upper().split()
    return words[0] == "SELECT" and "FOR" not in words[1:]
