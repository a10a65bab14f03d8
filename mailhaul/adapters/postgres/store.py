"""The ledger in PostgreSQL, for several machines; see ``adapters.ledger.store.SqlLedger``.

Commits are as in SQLite: a row is committed before the step that follows it, and only
``make_durable`` waits for the disk, once for each batch, before anything is deleted from a server;
see ``database`` for what makes that enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from socket import gethostname
from typing import TYPE_CHECKING, TypeVar

from ...flows.ledger import Relative, Resemblance
from ...flows.source import Listed, Uid
from ..ledger.store import RESULT, SqlLedger
from .database import Database
from .locks import SharedLock
from .page import PostgresPage
from .schema import prepare
from .session import Fence, Result, Session
from .uids import by_uid, encoded, from_column, to_column
from .worker import Worker, worker_name

if TYPE_CHECKING:
    from ...flows.ledger import Lock
    from ..ledger.page import SqlPage
    from ..ledger.statements import Statements

T = TypeVar("T")

LEASE = 30.0
"""Seconds, for a command that joins the workers only for a lock."""


class Durable:
    """Makes durable what was committed with one connection.

    Polls that were begun with the same connection make equal calls, of which one is enough. The
    epoch is not asked for: what was accepted in the poll's own epoch is accepted, and any owner
    that finds the record may delete the message at its server.
    """

    __slots__ = ("_database", "_generation")

    def __init__(self, database: Database, generation: int | None) -> None:
        self._database = database
        self._generation = generation

    def __call__(self) -> None:
        self._database.commit_durably(self._generation)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Durable):
            return NotImplemented
        return (self._database, self._generation) == (other._database, other._generation)

    def __hash__(self) -> int:
        return hash((self._database, self._generation))


class PostgresLedger(SqlLedger):
    """The ledger of all machines. All methods raise StoreFault, a LedgerFault.

    What is written by this object itself is not fenced: commands that a user gives, and how polls
    ended. A poll uses what ``fenced`` returns.
    """

    is_shared = True
    record = RESULT.format(
        first_code="CAST(jsonb_build_object(?7, 1) AS text)",
        more_codes="CAST(CAST(result.codes AS jsonb) || jsonb_build_object(?7,"
        " coalesce(CAST(CAST(result.codes AS jsonb) ->> ?7 AS bigint), 0) + 1) AS text)",
    )

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.time,
        database: Database | None = None,
        fence: Fence | None = None,
    ) -> None:
        super().__init__(clock)
        self.url = url
        self.database = database or Database(url, prepare)
        self.worker: Worker | None = None
        """This process among those that use the store, once it has joined them."""
        self._fence = fence
        self._pinned = False
        self._generation: int | None = None
        """The connection that holds what is not durable yet; with a fence, the first one."""

    def fenced(self, entry: str, epoch: int) -> PostgresLedger:
        """Return a ledger for one poll of an entry that was claimed in this epoch.

        It shares the connection. Its methods raise Fenced, and write nothing, if another worker has
        claimed the entry since; and StoreFault if the connection was lost since it was first used:
        rows that were not durable yet may then be missing.
        """
        own = PostgresLedger(self.url, self.clock, self.database, Fence(entry, epoch))
        own.worker = self.worker
        return own

    def join(
        self, host: str, lease: float, say: Callable[[str], None] = lambda text: None
    ) -> Worker:
        """Become one of the workers of the store, until ``close``. Raises StoreFault.

        The lease is in seconds; ``say`` is called with sentences, from another thread.
        """
        if self.worker is None:
            worker = Worker(self.url, worker_name(host), lease, say)
            worker.start()
            self.worker = worker
        return self.worker

    def lock(self, folder: str, account: str, mailbox: str) -> Lock:
        """Return the lock of a mailbox, which is in the store."""
        worker = self.join(gethostname(), LEASE)
        return SharedLock(self.database, lambda: worker.id, account, mailbox, self._fence)

    def write(self, work: Callable[[Statements], T]) -> T:
        """Run ``work`` in one transaction, which is committed on return."""

        def run(session: Session) -> T:
            self._generation = self.database.generation
            return work(session)

        return self.database.write(run, fence=self._fence, generation=self._wanted)

    def write_one(self, statement: str, values: Sequence[object]) -> int:
        """Run one statement that is a transaction by itself; return how many rows it changed."""

        def run(session: Session) -> Result:
            self._generation = self.database.generation
            return session.execute(statement, values)

        result = self.database.write(
            run, fence=self._fence, generation=self._wanted, alone=self._fence is None
        )
        return result.rowcount

    @property
    def _wanted(self) -> int | None:
        return self._generation if self._fence or self._pinned else None

    def make_durable(self) -> None:
        """Wait until everything committed is on the disk of the database server."""
        self.durable_call()()

    def durable_call(self) -> Callable[[], None]:
        """Return what makes everything durable that was committed so far."""
        generation = self._generation
        if self._wanted is None:
            self._generation = None
        return Durable(self.database, generation)

    def pin(self) -> None:
        """Let every later call fail if another connection is open than at the first one."""
        self._pinned = True

    def close(self) -> None:
        """Close the connection, and end as a worker."""
        if self._fence is None:
            self._generation = None
            worker, self.worker = self.worker, None
            if worker is not None:
                worker.stop()
            self.database.close()

    def exists(self) -> bool:
        """Whether there is a store yet: its tables are made when it is first used."""
        return True

    def octets(self) -> int:
        """Return the size of the tables and indexes of the ledger."""
        query = (
            "SELECT CAST(coalesce(sum(pg_total_relation_size(oid)), 0) AS bigint) FROM pg_class"
            " WHERE relnamespace = CAST('mailhaul' AS regnamespace) AND relkind = 'r'"
        )
        row = self.write(lambda db: db.execute(query).fetchone())
        return int(row[0])

    # Where stores differ

    def among(self, column: str, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        """Return the condition that a column has one of these values, however many."""
        return f"{column} = ANY (?)", ([*values],)

    def list_uids(self, db: Statements, listing: Iterable[Sequence[Uid]]) -> None:
        """Fill the temporary table ``listed`` with these UIDs."""
        db.execute("CREATE TEMP TABLE IF NOT EXISTS listed (uid bytea PRIMARY KEY)")
        db.execute("DELETE FROM listed")
        for some in listing:
            db.execute(
                "INSERT INTO listed SELECT unnest(CAST(? AS bytea[])) ON CONFLICT DO NOTHING",
                ([*some],),
            )

    def to_column(self, uid: Uid) -> Uid:
        """Return a UID as it is stored."""
        return to_column(uid)

    def from_column(self, uid: Uid) -> Uid:
        """Return the UID that is stored in this form."""
        return from_column(uid)

    def with_uids(self, page: SqlPage) -> PostgresPage:
        """Return a page that takes UIDs as they are."""
        return PostgresPage(page)

    def resemblance(self, relative: Relative, listed: Sequence[Listed]) -> Resemblance:
        """Compare a part of a listing with the records of such a mailbox."""
        found = super().resemblance(relative, encoded(listed))
        return Resemblance(found.common, found.differing, by_uid(found.fingerprints))
