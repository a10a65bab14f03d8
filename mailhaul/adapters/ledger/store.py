"""The ledger: one row for each message that is under way or was seen, in one small file of SQLite.

A row is committed before the step that follows it, so a kill loses nothing: data written by a
process survives its end. Only ``make_durable`` waits for the disk (SQLite syncs its write-ahead
log with a commit made under synchronous=FULL). It is called once for each batch, before anything
is deleted from a server.

What is recorded, and how, is the same in every store: ``SqlLedger``. ``SqliteLedger`` is the usual
store, and ``mailhaul.adapters.postgres`` has one for several machines.

This file is long because all that concerns whole accounts and entries is in one class.
"""

from __future__ import annotations

import os
import sqlite3
import time
from _thread import allocate_lock
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from ...flows.ledger import Relative, Resemblance
from ...flows.outcome import GOOD, NEUTRAL, ExitCode, PollCounts, PollFailed, PollResult
from ...flows.source import Listed, Uid
from ...protocols.record import Record
from ..folders import make_private_folder, sync_folder
from .names import as_text, stored
from .page import COMPARED, PUT_OFF, SqlPage, in_parts, is_same_size, marks
from .schema import VERSION, TooNew, find_or_make, prepare

if TYPE_CHECKING:
    from ...flows.ledger import Lock, Page
    from .statements import Statements

T = TypeVar("T")

BUSY_MILLISECONDS = 30_000
LONGEST_REST = 26 * 3600
"""The most seconds that an account rests."""
GENERATIONS = 4
"""How many values of UIDVALIDITY have their rows kept."""
MAILBOX = ("account", "name", "uidvalidity")
PAGE = """
SELECT CASE WHEN max(compared) = 1 THEN 1 ELSE min(compared) END,
    max(CASE WHEN uidvalidity = ?1 THEN id END),
    max(CASE WHEN uidvalidity = ?1 THEN compared ELSE 0 END),
    (SELECT id FROM sink WHERE name = ?4)
    FROM mailbox WHERE account = ?2 AND name = ?3
"""
RELATIVES = """
SELECT * FROM (
    SELECT id, account, (SELECT count(*) FROM seen WHERE mailbox = id)
        + (SELECT count(DISTINCT uid) FROM message WHERE mailbox = id) AS known,
        (SELECT count(DISTINCT uid) FROM message WHERE mailbox = id AND action = 'delete')
    FROM mailbox WHERE name = ?1 AND uidvalidity = ?2 AND account <> ?3
        AND account >= ?4 AND account < ?5
) AS relative WHERE known > 0 ORDER BY known DESC
"""
ACCOUNTS = """
SELECT account, name, CAST(sum((SELECT count(*) FROM seen WHERE mailbox = id)) AS bigint),
    CAST(sum((SELECT count(*) FROM message WHERE mailbox = id)) AS bigint)
    FROM mailbox GROUP BY account, name ORDER BY account, name
"""
RESULT = """
INSERT INTO result (entry, time, code, words, failures, since, success, error_time, error_code,
    error_words, polls, codes, seconds, fetched, delivered, octets, refused, postponed, spam)
VALUES (?1, ?2, ?3, ?4, ?5, ?2 * ?5, ?2 * ?6, ?2 * ?5, CASE ?5 WHEN 1 THEN ?3 END,
    CASE ?5 WHEN 1 THEN ?4 ELSE '' END, 1, {first_code}, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT (entry) DO UPDATE SET
    time = ?2, code = ?3, words = ?4,
    failures = CASE ?6 WHEN 1 THEN 0 ELSE result.failures + ?5 END,
    since = CASE WHEN ?6 = 1 THEN 0 WHEN result.since > 0 THEN result.since ELSE ?2 * ?5 END,
    success = CASE ?6 WHEN 1 THEN ?2 ELSE result.success END,
    error_time = CASE ?5 WHEN 1 THEN ?2 ELSE result.error_time END,
    error_code = CASE ?5 WHEN 1 THEN ?3 ELSE result.error_code END,
    error_words = CASE ?5 WHEN 1 THEN ?4 ELSE result.error_words END,
    polls = result.polls + 1, codes = {more_codes},
    seconds = result.seconds + ?8, fetched = result.fetched + ?9,
    delivered = result.delivered + ?10, octets = result.octets + ?11,
    refused = result.refused + ?12, postponed = result.postponed + ?13, spam = result.spam + ?14
"""
"""Notes the result of a poll: entry, time, code, words, whether it is a failure, whether it is a
success (1 or 0), the name of the code, the seconds, and the counts. JSON differs in each SQL."""


class LedgerFault(PollFailed):
    """The ledger cannot be used. Nothing is deleted from a server after this."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(ExitCode.IOERR, f"ledger {path}: {problem}")


class Rest(Record):
    """An account is not polled until this Unix time, for a ``reason``.

    ``daylimit`` is the limit in octets that it has reached, 0 if the server wants the rest.
    """

    until: float
    reason: str
    daylimit: int = 0


class SqlLedger:
    """The ledger of one user; see ``mailhaul.flows.ledger.Ledger``. Stores are subclasses.

    All methods raise LedgerFault if the store cannot be used.
    """

    record: ClassVar[str]
    """The statement RESULT."""
    is_shared: ClassVar[bool] = False
    """Whether several machines use the store: then entries are claimed before they are polled."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock

    # The store

    def fenced(self, entry: str, epoch: int) -> SqlLedger:
        """Return the ledger for the polls of an entry that was claimed in this epoch."""
        del entry, epoch
        # What only one machine uses needs no claims.
        return self

    def write(self, work: Callable[[Statements], T]) -> T:
        """Run ``work`` in one transaction, which is committed on return."""
        raise NotImplementedError

    def write_one(self, statement: str, values: Sequence[object]) -> int:
        """Run one statement that is a transaction by itself; return how many rows it changed."""
        raise NotImplementedError

    def make_durable(self) -> None:
        """Sync everything committed to disk."""
        raise NotImplementedError

    def durable_call(self) -> Callable[[], None]:
        """Return what makes everything durable. Equal calls of several polls can be combined."""
        return self.make_durable

    def pin(self) -> None:
        """Let every later call fail if the store was lost after the first one.

        This is for a command that records something in several steps: what was recorded before
        may be missing then.
        """

    def close(self) -> None:
        """Close the store. The next call opens it again."""
        raise NotImplementedError

    def lock(self, folder: str, account: str, mailbox: str) -> Lock:
        """Return the lock of a mailbox. Locks that are files are in this folder."""
        raise NotImplementedError

    def octets(self) -> int:
        """Return the size of the store on disk, 0 if there is none."""
        raise NotImplementedError

    def exists(self) -> bool:
        """Whether there is a store yet. Nothing is created."""
        raise NotImplementedError

    # Where stores differ

    def among(self, column: str, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        """Return the condition that a column has one of these values, and what stands for ``?``."""
        return f"{column} IN ({marks(values)})", values

    def list_uids(self, db: Statements, listing: Iterable[Sequence[Uid]]) -> None:
        """Fill the temporary table ``listed`` with these UIDs, which are passed in parts."""
        raise NotImplementedError

    def to_column(self, uid: Uid) -> Uid:
        """Return a UID as it is stored."""
        return uid

    def from_column(self, uid: Uid) -> Uid:
        """Return the UID that is stored in this form."""
        return uid

    # Mailboxes

    def page(self, account: str, sink: str, mailbox: str, uidvalidity: int) -> Page:
        """Return the page for one mailbox. The first call opens the file."""
        key = (stored(account), stored(mailbox), uidvalidity)

        def open_page(db: Statements) -> SqlPage:
            compared, mailbox_id, this_compared, sink_id = db.execute(
                PAGE, (uidvalidity, *key[:2], stored(sink))
            ).fetchone()
            if mailbox_id is None:
                mailbox_id = find_or_make(db, "mailbox", MAILBOX, key)
                forget_generations(db, key[:2])
            if sink_id is None:
                sink_id = find_or_make(db, "sink", ("name",), (stored(sink),))
            return SqlPage(
                self,
                mailbox_id,
                uidvalidity,
                sink_id,
                is_new=compared != COMPARED,
                was_put_off=compared == PUT_OFF,
                is_renumbered=compared == COMPARED and this_compared != COMPARED,
            )

        return self.with_uids(self.write(open_page))

    def with_uids(self, page: SqlPage) -> Page:
        """Return a page that takes UIDs as they are, from one for those that are stored."""
        return page

    def knows(self, account: str) -> bool:
        """Whether the ledger has any record of an account."""
        key = (stored(account),)
        return self.write(
            lambda db: bool(db.execute("SELECT 1 FROM mailbox WHERE account = ?", key).fetchone())
        )

    # Accounts whose name has changed

    def relatives(
        self, account: str, same_user: str, mailbox: str, uidvalidity: int
    ) -> Sequence[Relative]:
        """Return the mailboxes of other accounts whose names begin with ``same_user``.

        That ends with "@". Only mailboxes with records are returned.
        """
        # Names that begin so are next to each other in the index: up to one with another "@".
        names = (stored(account), stored(same_user), stored(f"{same_user[:-1]}A"))
        values = (stored(mailbox), uidvalidity, *names)
        rows = self.write(lambda db: db.execute(RELATIVES, values).fetchall())
        found = [
            Relative(key, as_text(name), known, known - leaving)
            for key, name, known, leaving in rows
        ]
        # "joe" and "joe@example.org" are different users, although the names begin the same way.
        return [r for r in found if "@" not in r.account[len(same_user) :].partition(" ")[0]]

    def resemblance(self, relative: Relative, listed: Sequence[Listed]) -> Resemblance:
        """Compare a part of a listing with the records of such a mailbox."""
        known: dict[Uid, tuple[int, bytes]] = {}

        def look(db: Statements) -> None:
            for some in in_parts([one.uid for one in listed]):
                those, values = self.among("uid", some)
                for table in ("message", "seen"):
                    rows = db.execute(
                        f"SELECT uid, size, fingerprint FROM {table}"  # noqa: S608
                        f" WHERE mailbox = ? AND {those}",
                        (relative.key, *values),
                    )
                    known.update({uid: (size, mark) for uid, size, mark in rows})

        self.write(look)
        common = [one for one in listed if one.uid in known]
        same = [one.uid for one in common if is_same_size(known[one.uid][0], one.size)]
        fingerprints = {uid: known[uid][1] for uid in same if known[uid][1]}
        return Resemblance(len(common), len(common) - len(same), fingerprints)

    def take_over(self, relative: Relative, account: str) -> None:
        """Move all records of such a mailbox to this account, and what belongs to the account."""
        from .renames import take_over  # names seldom change

        take_over(self, relative, account)

    def accounts(self) -> Sequence[tuple[str, str, int, int]]:
        """Return for each mailbox: account, name, messages seen, messages under way."""
        rows = self.write(lambda db: db.execute(ACCOUNTS).fetchall())
        return [(as_text(account), as_text(name), *counts) for account, name, *counts in rows]

    # Results of polls; ``results.py`` reads them

    def record_result(
        self,
        entry: str,
        when: float,
        code: ExitCode,
        words: str = "",
        counts: PollCounts | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Record how a poll of an entry ended, in one statement; see ``PollResult``."""
        result = PollResult(entry, when, code, words, counts or PollCounts(), seconds)
        self.write_one(self.record, result_row(result))

    def record_results(self, results: Sequence[PollResult]) -> None:
        """Record how polls ended, in this order and in one transaction."""
        rows = [result_row(result) for result in results]
        if len(rows) == 1:
            self.write_one(self.record, rows[0])
        elif rows:
            self.write(lambda db: db.executemany(self.record, rows))

    def last_success(self) -> Mapping[str, int]:
        """Return the Unix time of the last successful poll, for each entry that ever had one."""
        query = "SELECT entry, success FROM result WHERE success > 0"
        rows = self.write(lambda db: db.execute(query).fetchall())
        return {as_text(entry): when for entry, when in rows}

    # Rests; ``rests.py`` writes them

    def rest_of(self, account: str) -> Rest | None:
        """Return the rest of an account, if it has not ended."""
        row = self.write(
            lambda db: db.execute(
                # A longer rest was written when the clock was wrong.
                "SELECT until, reason, daylimit FROM rest WHERE account = ?1"
                " AND until > ?2 AND until <= ?2 + ?3",
                (stored(account), int(self.clock()), LONGEST_REST),
            ).fetchone()
        )
        return Rest(float(row[0]), str(row[1]), int(row[2])) if row else None

    # Alerts; ``alerts.py`` has more

    def has_alerts(self) -> bool:
        """Whether a user has an alert that has not ended; see ``alerts.py``."""
        query = "SELECT EXISTS (SELECT 1 FROM alert WHERE kind = 'told')"
        return bool(self.write(lambda db: db.execute(query).fetchone())[0])


class SqliteLedger(SqlLedger):
    """The ledger in one file."""

    record = RESULT.format(
        first_code="json_object(?7, 1)",
        more_codes="json_set(result.codes, '$.' || ?7,"
        " coalesce(json_extract(result.codes, '$.' || ?7), 0) + 1)",
    )

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self.path = path
        self._connection: sqlite3.Connection | None = None
        # A daemon's polls call from several threads at once.
        self._mutex = allocate_lock()

    def write(self, work: Callable[[Statements], T]) -> T:
        """Run ``work`` in one transaction, which is committed on return."""
        try:
            with self._mutex:
                connection = self._connection or self._open()
                with connection:
                    return work(connection)
        except sqlite3.Error as error:
            raise LedgerFault(self.path, problem_text(error)) from None

    def write_one(self, statement: str, values: Sequence[object]) -> int:
        """Run one statement that is a transaction by itself; return how many rows it changed.

        This is ``write`` without BEGIN and COMMIT, which take longer than such a statement.
        """
        try:
            with self._mutex:
                connection = self._connection or self._open()
                # Without this the module sqlite3 begins a transaction before the statement.
                connection.isolation_level = None
                try:
                    return connection.execute(statement, tuple(values)).rowcount
                finally:
                    connection.isolation_level = "DEFERRED"
        except sqlite3.Error as error:
            raise LedgerFault(self.path, problem_text(error)) from None

    def make_durable(self) -> None:
        """Sync everything committed to disk."""
        try:
            with self._mutex:
                connection = self._connection or self._open()
                connection.execute("PRAGMA synchronous = FULL")
                try:
                    with connection:
                        connection.execute("UPDATE sync SET batches = batches + 1")
                finally:
                    connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error as error:
            raise LedgerFault(self.path, problem_text(error)) from None

    def close(self) -> None:
        """Close the file."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def lock(self, folder: str, account: str, mailbox: str) -> Lock:
        """Return the lock of a mailbox, a file in this folder."""
        from .lock import MailboxLock

        return MailboxLock(folder, account, mailbox)

    def exists(self) -> bool:
        """Whether there is a file."""
        return os.path.exists(self.path)

    def octets(self) -> int:
        """Return the size of the file, with the log of SQLite."""
        size = 0
        for file in (self.path, f"{self.path}-wal"):
            try:
                size += os.stat(file).st_size
            except OSError:
                continue
        return size

    def list_uids(self, db: Statements, listing: Iterable[Sequence[Uid]]) -> None:
        """Fill the temporary table ``listed`` with these UIDs."""
        db.execute("CREATE TEMP TABLE IF NOT EXISTS listed (uid PRIMARY KEY) WITHOUT ROWID")
        db.execute("DELETE FROM listed")
        for some in listing:
            db.executemany("INSERT OR IGNORE INTO listed VALUES (?)", [(uid,) for uid in some])

    def _open(self) -> sqlite3.Connection:
        try:
            make_private(self.path)
        except OSError as error:
            raise LedgerFault(self.path, error.strerror or str(error)) from None
        self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        # A runtime may call from any thread; write() allows only one at a time.
        connection = sqlite3.connect(
            self.path, timeout=BUSY_MILLISECONDS / 1000, check_same_thread=False
        )
        return self._prepared(connection)

    def _prepared(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Return the connection with the tables of this version; close it if that fails."""
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            prepare(connection)
        except TooNew as found:
            connection.close()
            raise LedgerFault(
                self.path,
                f"written by a newer mailhaul (version {found}, this one reads {VERSION}); "
                "use that one, or move the file away: mail that was kept is then fetched again",
            ) from None
        except BaseException:
            connection.close()
            raise
        return connection


def result_row(result: PollResult) -> Sequence[object]:
    """Return the values for ``RESULT``."""
    code = result.code
    is_good = code in GOOD
    is_bad = not is_good and code not in NEUTRAL
    words = words_of(result)
    return (
        *(stored(result.entry), int(result.when), int(code), words),
        *(int(is_bad), int(is_good), code.name),
        *(round(result.seconds, 3), *result.counts.values()),
    )


def words_of(result: PollResult) -> str:
    """Return the error of a poll that failed. Octets that are not UTF-8 are escaped."""
    if result.code in GOOD:
        return ""
    return result.words.encode("utf-8", "backslashreplace").decode()


def forget_generations(db: Statements, mailbox: tuple[object, object]) -> None:
    """Delete the records of a mailbox except for its last values of UIDVALIDITY.

    Several values are kept for servers that return to an earlier one.
    """
    old = db.execute(
        "SELECT id FROM mailbox WHERE account = ? AND name = ? ORDER BY id DESC"
        " LIMIT 1000000 OFFSET ?",
        (*mailbox, GENERATIONS),
    ).fetchall()
    for (mailbox_id,) in old:
        forget_mailbox(db, mailbox_id)


def forget_mailbox(db: Statements, mailbox_id: int) -> None:
    """Delete all records of a mailbox."""
    for table in ("seen", "message", "left_out", "retention"):
        db.execute(f"DELETE FROM {table} WHERE mailbox = ?", (mailbox_id,))  # noqa: S608
    db.execute("DELETE FROM mailbox WHERE id = ?", (mailbox_id,))


def make_private(path: str) -> None:
    """Create the folder and an empty file, readable by the user only. Raises OSError."""
    folder = os.path.dirname(path)
    make_private_folder(folder)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    # Without this a power failure could remove the file's name, and with it all its contents.
    sync_folder(folder)


def problem_text(error: sqlite3.Error) -> str:
    """Describe an SQLite error for the user, and say what to do."""
    problem = str(error)
    if "not a database" in problem or "malformed" in problem:
        return (
            f"damaged ({problem}); it is left as it is. Move it away to start again: mail that "
            "was delivered but not yet deleted at the server may then be delivered once more"
        )
    if "full" in problem:
        return f"{problem}; make room and run again"
    return problem
