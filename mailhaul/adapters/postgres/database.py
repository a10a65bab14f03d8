"""One connection to PostgreSQL: transactions in few round trips, and faults in words for users.

The connection is made when it is first used.

*Durable.* Transactions are committed with ``synchronous_commit = off``: like a row in the page
cache of a file, a committed row then survives the end of this process, but a crash of the database
server may take the last moments. ``make_durable`` is a commit that waits. The server's log is
sequential, and a commit waits until the log is flushed up to its own record, so everything that was
committed before is flushed as well (and is at the synchronous standby servers, if there are any).

*Lost.* Rows that were not durable may be missing after a crash. So nobody who goes on after the
connection was lost may rely on them: ``generation`` counts the connections, and a poll that
began with another one fails.
"""

from __future__ import annotations

import logging
import select
import time
from _thread import allocate_lock
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8Dumper

from ...flows.outcome import ExitCode, PollFailed
from ..ledger.names import OddName
from ..ledger.store import LedgerFault
from .faults import problem_text
from .session import Fence, Row, Session
from .text import OddNameDumper, TextDumper, TextLoader
from .urls import shown_url

T = TypeVar("T")

DEFAULTS = {
    "fallback_application_name": "mailhaul",
    "connect_timeout": "10",
    # A network that is cut is noticed after half a minute.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
"""Parameters of libpq that a URL, a service or the environment may replace."""
SETTINGS = {
    "search_path": "mailhaul",
    "synchronous_commit": "off",
    # What is read depends on none of the user's.
    "datestyle": "ISO",
    "timezone": "UTC",
    "bytea_output": "hex",
    # A process that is stopped in the middle of a transaction must not keep others waiting.
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "10s",
}
RETRY_SECONDS = 2.0
"""Seconds for which a failed connection is not tried again: many polls would wait for it."""
FENCED = "MH001"
"""The state of SQL that the function ``fence`` raises; see ``schema``."""

# What psycopg logs about a connection that was lost is raised as well.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)


class StoreFault(LedgerFault):
    """The store cannot be used. ``lost`` means that it may be there again later."""

    def __init__(self, url: str, problem: str, *, lost: bool = False) -> None:
        super(LedgerFault, self).__init__(ExitCode.IOERR, f"store {shown_url(url)}: {problem}")
        self.lost = lost


class Fenced(PollFailed):
    """Another worker has taken over the account. Nothing more may be written for it."""

    def __init__(self, entry: str) -> None:
        super().__init__(
            ExitCode.EXCLUDE,
            f"{entry}: another machine has taken over this account while this one was paused or "
            "cut off; nothing is lost, that one goes on",
        )


class Database:
    """A connection to the store. All methods raise StoreFault, or Fenced; several threads may call.

    ``generation`` is the number of the connection that is open, 0 if there was none yet.
    ``prepare`` is called with each new connection, before it is used.
    """

    def __init__(
        self, url: str, prepare: Callable[[Session, str], None] = lambda session, url: None
    ) -> None:
        self.url = url
        self.generation = 0
        self._prepare = prepare
        self._durable = "on"
        self._connection: psycopg.Connection[Row] | None = None
        self._pipeline: psycopg.Pipeline
        self._open_things = ExitStack()
        self._mutex = allocate_lock()
        self._failed: tuple[float, StoreFault] | None = None

    def write(
        self,
        work: Callable[[Session], T],
        *,
        fence: Fence | None = None,
        generation: int | None = None,
        alone: bool = False,
    ) -> T:
        """Run ``work`` in one transaction, which is committed on return.

        Work that is one statement ``alone`` needs no transaction around it.

        With a ``fence`` nothing is written if another worker has taken over the account; Fenced is
        raised. With a ``generation``, StoreFault is raised if another connection is open by now.
        """
        with self._mutex:
            connection = self._opened(generation)
            session = Session(connection, self._pipeline, fence, alone=alone)
            try:
                try:
                    result = work(session)
                    session.commit()
                    return result
                except Exception:
                    if not session.rollback():
                        self._drop()
                    raise
            except psycopg.Error as error:
                raise self._fault(error, fence) from None
            except Exception:
                raise
            except BaseException:
                # A signal: an answer may be outstanding.
                self._drop()
                raise

    def commit_durably(self, generation: int | None = None) -> None:
        """Wait until everything that was committed is on the disk of the database server.

        One statement is enough: a message in the log that nobody reads, since a transaction
        that writes nothing to the log would not wait.
        """

        def work(session: Session) -> None:
            session.execute(
                "SELECT set_config('synchronous_commit', ?, true),"
                " pg_logical_emit_message(true, 'mailhaul', '')",
                (self._durable,),
            )
            session.wait()

        self.write(work, generation=generation, alone=True)

    def close(self) -> None:
        """Close the connection."""
        with self._mutex:
            self._drop()

    def _opened(self, generation: int | None) -> psycopg.Connection[Row]:
        """Return the connection; open it if there is none, or if it was lost."""
        if self._connection is not None and self._was_closed(self._connection):
            self._drop()
        if generation is not None and (generation != self.generation or not self._connection):
            raise StoreFault(
                self.url,
                "the connection was lost meanwhile; nothing more is deleted, and the next poll or "
                "run goes on",
                lost=True,
            )
        return self._connection or self._open()

    @staticmethod
    def _was_closed(connection: psycopg.Connection[Row]) -> bool:
        """Whether the server has closed the connection: between transactions it says nothing."""
        if connection.closed:
            return True
        try:
            waiter = select.poll()
            waiter.register(connection.fileno(), select.POLLIN)
            while waiter.poll(0):
                # The reason comes before the end.
                connection.pgconn.consume_input()
                if connection.pgconn.status == pq.ConnStatus.BAD:
                    return True
        except (psycopg.Error, OSError):
            return True
        return False

    def _open(self) -> psycopg.Connection[Row]:
        if self._failed is not None and time.monotonic() < self._failed[0]:
            raise self._failed[1]
        try:
            connection = connect(self.url)
        except psycopg.Error as error:
            fault = StoreFault(self.url, problem_text(error, self.url), lost=is_lost(error))
            self._failed = (time.monotonic() + RETRY_SECONDS, fault)
            raise fault from None
        self._failed = None
        self._connection = connection
        self.generation += 1
        try:
            self._pipeline = self._open_things.enter_context(connection.pipeline())
            session = Session(connection, self._pipeline, None)
            self._durable = set_up(session)
            self._prepare(session, self.url)
            session.commit()
        except BaseException as error:
            self._drop()
            if isinstance(error, psycopg.Error):
                raise self._fault(error, None) from None
            raise
        return connection

    def _fault(self, error: psycopg.Error, fence: Fence | None) -> PollFailed:
        """Return what a transaction failed with."""
        if fence and error.sqlstate == FENCED:
            return Fenced(fence.entry)
        lost = is_lost(error)
        if lost:
            self._drop()
        return StoreFault(self.url, problem_text(error, self.url), lost=lost)

    def _drop(self) -> None:
        """Close the connection, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
        with suppress(psycopg.Error):
            self._open_things.close()


def connect(url: str) -> psycopg.Connection[Row]:
    """Return a new connection to a store. Raises psycopg.Error."""
    given = conninfo_to_dict(url)
    parameters: dict[str, Any] = {
        name: value for name, value in DEFAULTS.items() if name not in given
    }
    connection = psycopg.Connection[Row].connect(
        url, client_encoding="UTF8", autocommit=True, cursor_factory=psycopg.RawCursor, **parameters
    )
    adapters = connection.adapters
    # Every number has the same type, whatever its size: a statement is prepared once.
    adapters.register_dumper(int, Int8Dumper)
    adapters.register_dumper(str, TextDumper)
    adapters.register_dumper(OddName, OddNameDumper)
    for kind in ("text", "varchar", "name"):
        adapters.register_loader(kind, TextLoader)
    return connection


def set_up(session: Session) -> str:
    """Set what all transactions of a connection need; return how ``make_durable`` commits.

    That is ``on`` at least, unless the administrator has chosen another setting that waits for the
    disk of this server: ``remote_apply``, or ``local`` without the standby servers.
    """
    configs = ", ".join("set_config(?, ?, false)" for _ in SETTINGS)
    values = [part for setting in SETTINGS.items() for part in setting]
    before = session.execute("SELECT current_setting('synchronous_commit')")
    session.execute(f"SELECT {configs}", values)
    found = before.fetchone()
    return str(found[0]) if found and found[0] in {"remote_apply", "local"} else "on"


def is_lost(error: psycopg.Error) -> bool:
    """Whether the store may be there again later: it is down, restarts, or cannot be reached."""
    state = error.sqlstate or ""
    return isinstance(error, psycopg.OperationalError) and state[:2] in {"", "08", "57", "53"}
