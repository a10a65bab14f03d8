"""A copy of a store in memory, for a dry run: it reads as the store, and nothing is written there.

It is a ledger of SQLite. The records of an account are copied when the account is first asked for,
so that a store with a million accounts is no problem, and no transaction stays open meanwhile.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...flows.ledger import Page, Relative
from ..ledger.names import stored
from ..ledger.schema import find_or_make
from ..ledger.statements import Statements
from ..ledger.store import MAILBOX, Rest, SqliteLedger
from .database import Database
from .schema import check_version, version_of
from .session import Session
from .uids import from_column

MAILBOXES = "SELECT id, account, name, uidvalidity, compared FROM mailbox WHERE account = ?"
SINKS = """
SELECT id, name, rest_until, rest_reason FROM sink
    WHERE id IN (SELECT sink FROM message WHERE mailbox = ANY (?1))
    OR id IN (SELECT sink FROM content WHERE account = ?2)
"""
OF_MAILBOXES = {
    "seen": "mailbox, uid, size, fingerprint, accepted",
    "message": "mailbox, sink, uid, size, state, action, recipients, name, tries, since, tried,"
    " reason, fingerprint, upload",
    "retention": "mailbox, period, announced, checked, confirmed, held",
    "left_out": "mailbox, uid, size, rules",
}
OF_ACCOUNT = {
    "content": "account, sink, id, size, mailbox, accepted",
    "rest": "account, until, reason, daylimit",
    "traffic": "account, hour, octets",
}
"""The columns of the tables that are copied, by mailbox and by account."""
Rows = Sequence[Sequence[Any]]


class StoreCopy(SqliteLedger):
    """The records of a store as they are when each account is first asked for.

    What is recorded here is lost at the end. Not even the tables are created in the store.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(":memory:", clock)
        self._version = 0
        self._database = Database(url, self._look)
        self._copied: set[str] = set()

    def page(self, account: str, sink: str, mailbox: str, uidvalidity: int) -> Page:
        """Return the page for one mailbox."""
        self._copy(account)
        return super().page(account, sink, mailbox, uidvalidity)

    def knows(self, account: str) -> bool:
        """Whether the store has any record of an account."""
        self._copy(account)
        return super().knows(account)

    def rest_of(self, account: str) -> Rest | None:
        """Return the rest of an account, if it has not ended."""
        self._copy(account)
        return super().rest_of(account)

    def relatives(
        self, account: str, same_user: str, mailbox: str, uidvalidity: int
    ) -> Sequence[Relative]:
        """Return the mailboxes of other accounts whose names begin with ``same_user``."""
        query = "SELECT DISTINCT account FROM mailbox WHERE account >= ? AND account < ?"
        ends = (same_user, f"{same_user[:-1]}A")
        for (other,) in self._read(lambda db: db.execute(query, ends).fetchall()):
            self._copy(str(other))
        return super().relatives(account, same_user, mailbox, uidvalidity)

    def close(self) -> None:
        """Forget everything."""
        self._database.close()
        super().close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False)
        self._connection = self._prepared(connection)
        return self._connection

    def _look(self, session: Session, url: str) -> None:
        self._version = version_of(session)
        check_version(self._version, url)

    def _read(self, work: Callable[[Session], Rows]) -> Rows:
        """Return rows of the store, none if it has no tables yet. Raises StoreFault."""
        return self._database.write(lambda session: work(session) if self._version else ())

    def _copy(self, account: str) -> None:
        """Copy the records of an account, once."""
        if account in self._copied:
            return
        self._copied.add(account)
        mailboxes = self._read(lambda db: db.execute(MAILBOXES, (account,)).fetchall())
        ids = [row[0] for row in mailboxes]
        sinks = self._read(lambda db: db.execute(SINKS, (ids, account)).fetchall())
        tables: dict[str, Rows] = {}
        for tables_of, key, value in (
            (OF_MAILBOXES, "mailbox = ANY (?)", ids),
            (OF_ACCOUNT, "account = ?", account),
        ):
            for table, columns in tables_of.items():
                query = f"SELECT {columns} FROM {table} WHERE {key}"  # noqa: S608
                tables[table] = self._read(
                    lambda db, query=query, value=value: db.execute(query, (value,)).fetchall()  # type: ignore[misc]
                )
        self.write(lambda db: put(db, mailboxes, sinks, tables))


def put(db: Statements, mailboxes: Rows, sinks: Rows, tables: Mapping[str, Rows]) -> None:
    """Write rows of a store into SQLite; mailboxes and sinks get other keys there."""
    keys: dict[str, dict[int, int]] = {"mailbox": {}, "sink": {}}
    for number, account, name, uidvalidity, compared in mailboxes:
        key = (stored(account), stored(name), uidvalidity)
        new = keys["mailbox"][number] = find_or_make(db, "mailbox", MAILBOX, key)
        db.execute("UPDATE mailbox SET compared = ? WHERE id = ?", (compared, new))
    for number, name, rest_until, rest_reason in sinks:
        new = keys["sink"][number] = find_or_make(db, "sink", ("name",), (stored(name),))
        change = "UPDATE sink SET rest_until = ?, rest_reason = ? WHERE id = ?"
        db.execute(change, (rest_until, rest_reason, new))
    for table, rows in tables.items():
        columns = (OF_MAILBOXES | OF_ACCOUNT)[table].split(", ")
        marks = ", ".join("?" * len(columns))
        db.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
            [
                [converted(name, value, keys) for name, value in zip(columns, row, strict=True)]
                for row in rows
            ],
        )


def converted(name: str, value: Any, keys: Mapping[str, Mapping[int, int]]) -> Any:
    """Return a value of a column as SQLite has it."""
    if name in keys:
        return keys[name].get(value, -1)
    if name == "uid":
        return from_column(value)
    return stored(value) if isinstance(value, str) else value
