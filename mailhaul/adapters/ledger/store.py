"""The ledger in SQLite: one small file, one row for each message that is under way or was seen.

A row is committed before the step that follows it, so a kill loses nothing: data written by a
process survives its end. Only ``make_durable`` waits for the disk (SQLite syncs its write-ahead
log with a commit made under synchronous=FULL). It is called once for each batch, before anything
is deleted from a server.

This file is long because all that concerns whole accounts and entries is in one class.
"""

from __future__ import annotations

import os
import sqlite3
import time
from _thread import allocate_lock
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ...flows.ledger import Relative, Resemblance
from ...flows.outcome import GOOD, NEUTRAL, ExitCode, PollCounts, PollFailed, PollResult
from ...flows.row_states import accepted
from ...flows.source import Listed, Uid
from ...protocols.record import Record
from ..folders import make_private_folder, sync_folder
from .names import as_text, stored
from .page import COMPARED, PUT_OFF, SqlitePage, in_parts, is_same_size, marks
from .schema import VERSION, TooNew, find_or_make, prepare

T = TypeVar("T")

BUSY_MILLISECONDS = 30_000
LONGEST_REST = 26 * 3600
"""The most seconds that an account rests."""
GENERATIONS = 4
"""How many values of UIDVALIDITY have their rows kept."""
MAILBOX = ("account", "name", "uidvalidity")
SAME_KIND = """
SELECT other.id FROM sink JOIN sink AS other
    ON substr(other.name, 1, instr(other.name, ' ')) = substr(sink.name, 1, instr(sink.name, ' '))
    WHERE sink.id = ?
"""
"""The ids of sinks of the same kind: one of them may be the same sink under another name."""
RESULT = """
INSERT INTO result (entry, time, code, words, failures, since, success, error_time, error_code,
    error_words, polls, codes, seconds, fetched, delivered, octets, refused, postponed, spam)
VALUES (?1, ?2, ?3, ?4, ?5, iif(?5, ?2, 0), iif(?6, ?2, 0), iif(?5, ?2, 0), iif(?5, ?3, NULL),
    iif(?5, ?4, ''), 1, json_object(?7, 1), ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT (entry) DO UPDATE SET
    time = ?2, code = ?3, words = ?4,
    failures = iif(?6, 0, failures + ?5),
    since = iif(?6, 0, iif(since, since, iif(?5, ?2, 0))),
    success = iif(?6, ?2, success),
    error_time = iif(?5, ?2, error_time), error_code = iif(?5, ?3, error_code),
    error_words = iif(?5, ?4, error_words),
    polls = polls + 1,
    codes = json_set(codes, '$.' || ?7, coalesce(json_extract(codes, '$.' || ?7), 0) + 1),
    seconds = seconds + ?8, fetched = fetched + ?9, delivered = delivered + ?10,
    octets = octets + ?11, refused = refused + ?12, postponed = postponed + ?13, spam = spam + ?14
"""
"""Notes the result of a poll: entry, time, code, words, whether it is a failure, whether it is a
success, the name of the code, the seconds, and the counts."""


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


class SqliteLedger:
    """The ledger of one user, in one file; see ``mailhaul.flows.ledger.Ledger``.

    All methods raise LedgerFault if the file cannot be used.
    """

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.clock = clock
        self._connection: sqlite3.Connection | None = None
        # A daemon's polls call from several threads at once.
        self._mutex = allocate_lock()

    def page(self, account: str, sink: str, mailbox: str, uidvalidity: int) -> SqlitePage:
        """Return the page for one mailbox. The first call opens the file."""
        key = (stored(account), stored(mailbox), uidvalidity)

        def open_page(db: sqlite3.Connection) -> SqlitePage:
            generations = db.execute(
                "SELECT iif(max(compared) = 1, 1, min(compared)), max(uidvalidity = ?1),"
                " max(iif(uidvalidity = ?1, compared, 0)) FROM mailbox"
                " WHERE account = ?2 AND name = ?3",
                (uidvalidity, *key[:2]),
            ).fetchone()
            mailbox_id = find_or_make(db, "mailbox", MAILBOX, key)
            if not generations[1]:
                forget_generations(db, key[:2])
            sink_id = find_or_make(db, "sink", ("name",), (stored(sink),))
            same_kind = [row[0] for row in db.execute(SAME_KIND, (sink_id,))]
            compared = generations[0] or 0
            return SqlitePage(
                self,
                mailbox_id,
                uidvalidity,
                sink_id,
                same_kind,
                is_new=compared != COMPARED,
                was_put_off=compared == PUT_OFF,
                is_renumbered=compared == COMPARED and generations[2] != COMPARED,
            )

        return self.write(open_page)

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

        Only mailboxes with records are returned.
        """
        beginning = stored(same_user)
        rows = self.write(
            lambda db: db.execute(
                "SELECT id, account, (SELECT count(*) FROM seen WHERE mailbox = id)"
                " + (SELECT count(DISTINCT uid) FROM message WHERE mailbox = id) AS known,"
                " (SELECT count(DISTINCT uid) FROM message WHERE mailbox = id"
                " AND action = 'delete') AS leaving"
                " FROM mailbox WHERE name = ? AND uidvalidity = ? AND account <> ?"
                " AND substr(account, 1, ?) = ? AND known > 0 ORDER BY known DESC",
                (stored(mailbox), uidvalidity, stored(account), len(beginning), beginning),
            ).fetchall()
        )
        found = [
            Relative(key, as_text(name), known, known - leaving)
            for key, name, known, leaving in rows
        ]
        # "joe" and "joe@example.org" are different users, although the names begin the same way.
        return [r for r in found if "@" not in r.account[len(same_user) :].partition(" ")[0]]

    def resemblance(self, relative: Relative, listed: Sequence[Listed]) -> Resemblance:
        """Compare a part of a listing with the records of such a mailbox."""
        known: dict[Uid, tuple[int, bytes]] = {}

        def look(db: sqlite3.Connection) -> None:
            for some in in_parts([one.uid for one in listed]):
                for table in ("message", "seen"):
                    rows = db.execute(
                        f"SELECT uid, size, fingerprint FROM {table}"  # noqa: S608
                        f" WHERE mailbox = ? AND uid IN ({marks(some)})",
                        (relative.key, *some),
                    )
                    known.update({uid: (size, mark) for uid, size, mark in rows})

        self.write(look)
        common = [one for one in listed if one.uid in known]
        same = [one.uid for one in common if is_same_size(known[one.uid][0], one.size)]
        fingerprints = {uid: known[uid][1] for uid in same if known[uid][1]}
        return Resemblance(len(common), len(common) - len(same), fingerprints)

    def take_over(self, relative: Relative, account: str) -> None:
        """Move all records of such a mailbox to this account, and what belongs to the account."""
        from .renames import move_account  # names seldom change

        now = self.clock()

        def work(db: sqlite3.Connection) -> None:
            rename(db, relative.key, account)
            move_account(db, relative.account, account, now)

        self.write(work)

    def accounts(self) -> Sequence[tuple[str, str, int, int]]:
        """Return for each mailbox: account, name, messages seen, messages under way."""
        rows = self.write(
            lambda db: db.execute(
                "SELECT account, name, sum((SELECT count(*) FROM seen WHERE mailbox = id)),"
                " sum((SELECT count(*) FROM message WHERE mailbox = id))"
                " FROM mailbox GROUP BY account, name ORDER BY account, name"
            ).fetchall()
        )
        return [(as_text(account), as_text(name), *counts) for account, name, *counts in rows]

    def rename_account(self, old: str, new: str) -> int:
        """Move all records of an account to another, and what belongs to the account.

        Return the number of mailboxes.
        """
        from .renames import move_account  # names seldom change

        now = self.clock()

        def work(db: sqlite3.Connection) -> int:
            rows = db.execute("SELECT id FROM mailbox WHERE account = ?", (stored(old),)).fetchall()
            for (mailbox_id,) in rows:
                rename(db, mailbox_id, new)
            move_account(db, old, new, now)
            return len(rows)

        moved = self.write(work)
        self.make_durable()
        return moved

    def forget_account(self, account: str) -> int:
        """Delete all records of an account; return the number of mailboxes."""

        def work(db: sqlite3.Connection) -> int:
            query = "SELECT id FROM mailbox WHERE account = ?"
            rows = db.execute(query, (stored(account),)).fetchall()
            for (mailbox_id,) in rows:
                forget_mailbox(db, mailbox_id)
            db.execute("DELETE FROM content WHERE account = ?", (stored(account),))
            return len(rows)

        return self.write(work)

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
        self.write_one(RESULT, result_row(result))

    def record_results(self, results: Sequence[PollResult]) -> None:
        """Record how polls ended, in this order and in one transaction."""
        rows = [result_row(result) for result in results]
        if len(rows) == 1:
            self.write_one(RESULT, rows[0])
        elif rows:
            self.write(lambda db: db.executemany(RESULT, rows))

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

    # The file

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
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
        *(stored(result.entry), int(result.when), int(code), words, is_bad, is_good, code.name),
        *(round(result.seconds, 3), *result.counts.values()),
    )


def words_of(result: PollResult) -> str:
    """Return the error of a poll that failed. Octets that are not UTF-8 are escaped."""
    if result.code in GOOD:
        return ""
    return result.words.encode("utf-8", "backslashreplace").decode()


def rename(db: sqlite3.Connection, mailbox_id: int, account: str) -> None:
    """Move a mailbox to another account; merge it with that account's records of the mailbox."""
    name, uidvalidity = db.execute(
        "SELECT name, uidvalidity FROM mailbox WHERE id = ?", (mailbox_id,)
    ).fetchone()
    there = db.execute(
        "SELECT id FROM mailbox WHERE account = ? AND name = ? AND uidvalidity = ? AND id <> ?",
        (stored(account), name, uidvalidity, mailbox_id),
    ).fetchone()
    db.execute(
        "INSERT OR IGNORE INTO content SELECT ?, sink, id, size, mailbox, accepted FROM content"
        " WHERE account = (SELECT account FROM mailbox WHERE id = ?)",
        (stored(account), mailbox_id),
    )
    if there:
        drop_overtaken(db, mailbox_id, there[0])
        drop_overtaken(db, there[0], mailbox_id)
        for table in ("seen", "message"):
            db.execute(
                f"UPDATE OR REPLACE {table} SET mailbox = ? WHERE mailbox = ?",  # noqa: S608
                (mailbox_id, there[0]),
            )
        forget_mailbox(db, there[0])
        # What the user has permitted to delete of one of them does not extend to the other.
        db.execute("DELETE FROM retention WHERE mailbox = ?", (mailbox_id,))
    db.execute("UPDATE mailbox SET account = ? WHERE id = ?", (stored(account), mailbox_id))


def drop_overtaken(db: sqlite3.Connection, mailbox_id: int, other: int) -> None:
    """Delete rows of messages under way that the other mailbox has as seen or accepted.

    An unfinished offer must not hide that the message was delivered before.
    """
    db.execute(
        "DELETE FROM message WHERE mailbox = ?1 AND state <> ?3 AND uid IN ("
        "SELECT uid FROM seen WHERE mailbox = ?2 UNION ALL"
        " SELECT uid FROM message WHERE mailbox = ?2 AND state = ?3)",
        (mailbox_id, other, accepted),
    )


def forget_generations(db: sqlite3.Connection, mailbox: tuple[object, object]) -> None:
    """Delete the records of a mailbox except for its last values of UIDVALIDITY.

    Several values are kept for servers that return to an earlier one.
    """
    old = db.execute(
        "SELECT id FROM mailbox WHERE account = ? AND name = ? ORDER BY id DESC LIMIT -1 OFFSET ?",
        (*mailbox, GENERATIONS),
    ).fetchall()
    for (mailbox_id,) in old:
        forget_mailbox(db, mailbox_id)


def forget_mailbox(db: sqlite3.Connection, mailbox_id: int) -> None:
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
