"""The ledger in SQLite: one small file, one row for each message in flight.

A row is committed before the step that follows it, so a kill loses nothing: what a process
wrote stays in the system's memory when it dies. Only ``make_durable`` waits for the disk
(SQLite syncs its write-ahead log with the one commit made under synchronous=FULL), once for
each batch, before anything is deleted at a server.
"""

from __future__ import annotations

import os
import sqlite3
import time
from _thread import allocate_lock
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ...flows.account import Action
from ...flows.memory import Held, Offer, Owed
from ...flows.outcome import ExitCode, Failures, Outcome, PollFailed, Verdict
from ...flows.source import Listed, Uid
from ..folders import make_private_folder, sync_folder

T = TypeVar("T")

VERSION = 5

MESSAGE = """
CREATE TABLE message (
    page INTEGER NOT NULL REFERENCES page (id),
    uid NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN
            ('offered', 'accepted', 'refused', 'postponed', 'seen', 'quarantined')),
    action TEXT,
    recipients TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0,
    since INTEGER NOT NULL DEFAULT 0,
    tried INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (page, uid)
) WITHOUT ROWID;
"""

PAGE = """
CREATE TABLE page (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL, sink TEXT NOT NULL, mailbox TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    UNIQUE (account, sink, mailbox, uidvalidity)
);
"""
SYNC = """
CREATE TABLE sync (id INTEGER PRIMARY KEY CHECK (id = 1), batches INTEGER NOT NULL);
INSERT INTO sync VALUES (1, 0);
"""
SUCCESS = """
CREATE TABLE IF NOT EXISTS success (post TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID;
"""
MAKE_ROOM = "ALTER TABLE message RENAME TO old_message;"
TAKE_BACK = """
INSERT INTO message (page, uid, size, state, action, recipients)
    SELECT page, uid, size, state, action, recipients FROM old_message;
DROP TABLE old_message;
"""
TAKE_BACK_NAMED = """
INSERT INTO message (page, uid, size, state, action, recipients, name)
    SELECT page, uid, size, state, action, recipients, name FROM old_message;
DROP TABLE old_message;
"""

STEPS = {
    0: PAGE + MESSAGE + SYNC + SUCCESS,
    # UIDs of POP3 are words, and messages that it keeps are remembered as seen.
    1: MAKE_ROOM + MESSAGE + TAKE_BACK + SUCCESS,
    # An offer has a name, by which a sink can find a message that it took just before a kill.
    2: MAKE_ROOM + MESSAGE + TAKE_BACK + SUCCESS,
    # What is refused over and over is counted, and set aside.
    3: MAKE_ROOM + MESSAGE + TAKE_BACK_NAMED + SUCCESS,
    # A daemon that starts knows since when an account has been in trouble.
    4: SUCCESS,
}
"""What brings a file of this version to the current one."""

BUSY_MILLISECONDS = 30_000
MOST = 2**63 - 1
"""What SQLite can hold. A size beyond is kept as this: it matches none, and permits no delete."""
GENERATIONS = 4
"""Of how many values of UIDVALIDITY the rows are kept."""
LONGEST = 500
"""Characters of a reason that are kept."""


class LedgerFault(PollFailed):
    """The ledger cannot be used. Nothing is deleted at any server after this."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(ExitCode.IOERR, f"ledger {path}: {problem}")


class SqliteLedger:
    """The ledger of one user, in one file. Raises LedgerFault when it cannot be used."""

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self.clock = clock
        self._connection: sqlite3.Connection | None = None
        # A daemon's polls call from several threads at once.
        self._turn = allocate_lock()

    def page(self, account: str, sink: str, mailbox: str, uidvalidity: int) -> SqlitePage:
        """Return the page for one mailbox; opens the file when it is first needed."""
        key = (account, sink, mailbox, uidvalidity)
        return SqlitePage(self, self.write(lambda db: find_page(db, key)))

    def knows(self, account: str) -> bool:
        """Whether anything was ever noted for an account."""
        found = self.write(
            lambda db: db.execute("SELECT 1 FROM page WHERE account = ?", (account,)).fetchone()
        )
        return found is not None

    def went_well(self, times: Mapping[str, float]) -> None:
        """Note when polls of these went well last (Unix time)."""
        rows = [(post, int(when)) for post, when in times.items()]
        self.write(lambda db: db.executemany("INSERT OR REPLACE INTO success VALUES (?, ?)", rows))

    def last_success(self) -> Mapping[str, int]:
        """Return when a poll went well last (Unix time), for each that ever did."""
        return dict(self.write(lambda db: db.execute("SELECT post, time FROM success").fetchall()))

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in one transaction, committed on return."""
        try:
            with self._turn:
                connection = self._connection or self._open()
                with connection:
                    return work(connection)
        except sqlite3.Error as error:
            raise LedgerFault(self._path, explain(error)) from None

    def make_durable(self) -> None:
        """Return when all that was committed is on the disk."""
        try:
            with self._turn:
                connection = self._connection or self._open()
                connection.execute("PRAGMA synchronous = FULL")
                try:
                    with connection:
                        connection.execute("UPDATE sync SET batches = batches + 1")
                finally:
                    connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error as error:
            raise LedgerFault(self._path, explain(error)) from None

    def close(self) -> None:
        """Close the file."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        try:
            make_private(self._path)
        except OSError as error:
            raise LedgerFault(self._path, error.strerror or str(error)) from None
        # A runtime may call from any thread; write() takes care that they take turns.
        connection = sqlite3.connect(
            self._path, timeout=BUSY_MILLISECONDS / 1000, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            prepare(connection, self._path)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


class SqlitePage:
    """The rows of one mailbox, for one account and sink. ``make_durable`` is that of the ledger:
    what several flows wait for is done once.
    """

    def __init__(self, ledger: SqliteLedger, number: int) -> None:
        self._ledger = ledger
        self._number = number
        self.make_durable = ledger.make_durable

    def owed(self) -> Sequence[Owed]:
        """Return what was accepted but not settled."""
        rows = self._ledger.write(
            lambda db: db.execute(
                "SELECT uid, size, action FROM message"
                " WHERE page = ? AND state = 'accepted' ORDER BY uid",
                (self._number,),
            ).fetchall()
        )
        return [Owed(uid, size, Action(action)) for uid, size, action in rows]

    def offered(self, uid: Uid, size: int) -> Offer:
        """Note that this message is about to be handed to the sink, and under which name.

        A name is given once: a message that comes later under a UID that was used before has
        another one.
        """
        size = min(size, MOST)

        def note(db: sqlite3.Connection) -> Offer:
            key = (self._number, uid, size)
            before = db.execute(
                "SELECT state, name, recipients, tries, since FROM message"
                " WHERE page = ? AND uid = ? AND size = ?",
                key,
            ).fetchone()
            state, name, recipients, tries, since = before or ("", "", "", 0, 0)
            if state == "offered" and name:
                return Offer(name, True, served(recipients))
            name = f"{int(self._ledger.clock())}.R{os.urandom(8).hex()}"
            db.execute(
                "INSERT OR REPLACE INTO message"
                " (page, uid, size, state, name, recipients, tries, since)"
                " VALUES (?, ?, ?, 'offered', ?, ?, ?, ?)",
                (*key, name, recipients, tries, since),
            )
            return Offer(name, False, served(recipients))

        return self._ledger.write(note)

    def accepted(self, uid: Uid, size: int, action: Action, outcome: Outcome) -> None:
        """Note that the sink took it, the server's word for its octets, and what is owed."""
        size = min(size, MOST)
        self._ledger.write(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO message (page, uid, size, state, action, recipients)"
                " VALUES (?, ?, ?, 'accepted', ?, ?)",
                (
                    self._number,
                    uid,
                    size,
                    action.value,
                    fates(self._before(db, uid, size)[0], outcome),
                ),
            )
        )

    def to_be_deleted(self, messages: Sequence[Listed]) -> None:
        """Note that the user wants these deleted, though nobody gets them."""
        delete = Action.DELETE.value
        rows = [(self._number, one.uid, min(one.size, MOST), delete) for one in messages]
        self._ledger.write(
            lambda db: db.executemany(
                "INSERT OR REPLACE INTO message (page, uid, size, state, action)"
                " VALUES (?, ?, ?, 'accepted', ?)",
                rows,
            )
        )

    def rejected(self, uid: Uid, size: int, outcome: Outcome) -> Failures:
        """Note that the sink did not take it, or not for everybody, and who got it.

        What is put off is not counted: that may be nothing about the message. A size of 0 is one
        that the server did not tell: then it is the message that had this UID before.
        """
        size = min(size, MOST)

        def note(db: sqlite3.Connection) -> Failures:
            octets = size or self._size_before(db, uid)
            recipients, name, tries, since = self._before(db, uid, octets)
            now = int(self._ledger.clock())
            tries += outcome.verdict is Verdict.REFUSED
            since = since or now
            db.execute(
                "INSERT OR REPLACE INTO message"
                " (page, uid, size, state, recipients, name, tries, since, tried, reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(self._number, uid, octets, outcome.verdict.value),
                    *(fates(recipients, outcome), name, tries, since, now),
                    in_utf8(outcome.reason[:LONGEST]).decode(),
                ),
            )
            return Failures(tries, now - since)

        return self._ledger.write(note)

    def unreadable(self, uid: Uid, size: int, why: str) -> Failures:
        """Note that the server did not give it; what an earlier offer came to stays as it was.

        It may have been accepted by a sink that could not say so, and has to be known again.
        """

        def note(db: sqlite3.Connection) -> Failures:
            octets = min(size, MOST) or self._size_before(db, uid)
            now = int(self._ledger.clock())
            key = (self._number, uid, octets)
            db.execute(
                "INSERT OR IGNORE INTO message (page, uid, size, state)"
                " VALUES (?, ?, ?, 'refused')",
                key,
            )
            db.execute(
                "UPDATE message SET tries = tries + 1, tried = ?, reason = ?,"
                " since = CASE since WHEN 0 THEN ? ELSE since END"
                " WHERE page = ? AND uid = ? AND size = ?",
                (now, in_utf8(why[:LONGEST]).decode(), now, *key),
            )
            _, _, tries, since = self._before(db, uid, octets)
            return Failures(tries, now - since)

        return self._ledger.write(note)

    def set_aside(self, uid: Uid) -> None:
        """Note that this message is not to be offered again before the user says so."""
        self._ledger.write(
            lambda db: db.execute(
                "UPDATE message SET state = 'quarantined' WHERE page = ? AND uid = ?",
                (self._number, uid),
            )
        )

    def held(self) -> Sequence[Held]:
        """Return what no sink took in earlier polls."""
        rows = self._ledger.write(
            lambda db: db.execute(
                "SELECT uid, size, CASE WHEN tried > since THEN tried ELSE 0 END,"
                " state = 'quarantined' FROM message WHERE page = ?"
                " AND state IN ('refused', 'postponed', 'quarantined')",
                (self._number,),
            ).fetchall()
        )
        return [Held(uid, size, tried, bool(aside)) for uid, size, tried, aside in rows]

    def settled(self, uids: Sequence[Uid]) -> None:
        """Forget these messages: the server has done what was owed, or no longer has them."""
        self._ledger.write(
            lambda db: db.executemany(
                "DELETE FROM message WHERE page = ? AND uid = ?",
                [(self._number, uid) for uid in uids],
            )
        )

    def seen(self, uids: Sequence[Uid]) -> None:
        """Note that nothing is owed for these messages, and that they are not to be read again."""

        def note(db: sqlite3.Connection) -> None:
            db.executemany(
                "INSERT OR REPLACE INTO message (page, uid, size, state) VALUES (?, ?, ?, 'seen')",
                [(self._number, uid, self._size_before(db, uid)) for uid in uids],
            )

        self._ledger.write(note)

    def known(self) -> Mapping[Uid, int | None]:
        """Return all messages that are noted: their octets (0 if nobody knows) if they are not to
        be read again, else None."""
        rows = self._ledger.write(
            lambda db: db.execute(
                "SELECT uid, CASE state WHEN 'seen' THEN size END FROM message WHERE page = ?",
                (self._number,),
            ).fetchall()
        )
        return dict(rows)

    def _size_before(self, db: sqlite3.Connection, uid: Uid) -> int:
        """Return the octets that were noted for a UID, 0 if none were."""
        found = db.execute(
            "SELECT size FROM message WHERE page = ? AND uid = ?", (self._number, uid)
        ).fetchone()
        return found[0] if found else 0

    def _before(self, db: sqlite3.Connection, uid: Uid, size: int) -> tuple[str, str, int, int]:
        """Return what earlier offers of this very message left: who was served, and failures."""
        found = db.execute(
            "SELECT recipients, name, tries, since FROM message"
            " WHERE page = ? AND uid = ? AND size = ?",
            (self._number, uid, size),
        ).fetchone()
        return found or ("", "", 0, 0)


def fates(before: str, outcome: Outcome) -> str:
    """Return one line for each recipient; who was served by an earlier offer stays served."""
    known = dict.fromkeys(served(before), Verdict.ACCEPTED)
    known |= {in_utf8(who): verdict for who, verdict in outcome.recipients}
    return "\n".join(f"{who.decode()} {verdict.value}" for who, verdict in known.items())


def served(recipients: str) -> frozenset[bytes]:
    """Return who got a message, from the fates that the ledger holds."""
    fates = (line.rpartition(" ") for line in recipients.splitlines())
    return frozenset(who.encode() for who, _, fate in fates if fate == Verdict.ACCEPTED.value)


def in_utf8(text: str) -> bytes:
    """Return text as SQLite takes it: octets that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace")


def find_page(db: sqlite3.Connection, key: tuple[str, str, str, int]) -> int:
    """Return the number of the page with this key; make it if it is new."""
    found = db.execute(
        "SELECT id FROM page WHERE account = ? AND sink = ? AND mailbox = ? AND uidvalidity = ?",
        key,
    ).fetchone()
    if found:
        return int(found[0])
    made = db.execute(
        "INSERT INTO page (account, sink, mailbox, uidvalidity) VALUES (?, ?, ?, ?)", key
    )
    forget_generations(db, key[:3])
    return int(made.lastrowid or 0)


def forget_generations(db: sqlite3.Connection, mailbox: tuple[str, str, str]) -> None:
    """Forget all but the last pages of a mailbox: UIDs of those before mean nothing any more.

    Some are left, for a server that goes back to a generation that it had before.
    """
    old = db.execute(
        "SELECT id FROM page WHERE account = ? AND sink = ? AND mailbox = ?"
        " ORDER BY id DESC LIMIT -1 OFFSET ?",
        (*mailbox, GENERATIONS),
    ).fetchall()
    db.executemany("DELETE FROM message WHERE page = ?", old)
    db.executemany("DELETE FROM page WHERE id = ?", old)


def make_private(path: str) -> None:
    """Make the folder and an empty file that only the user can read. Raises OSError."""
    folder = os.path.dirname(path)
    make_private_folder(folder)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    # Without this a loss of power could take the file's name away with all that is in it.
    sync_folder(folder)


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Bring a new or older file to the current version. Raises LedgerFault for a newer one."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == VERSION:
        return
    if version > VERSION:
        raise LedgerFault(
            path, f"written by a newer mailhaul (version {version}, this one reads {VERSION})"
        )
    with connection:
        connection.executescript(
            f"BEGIN IMMEDIATE; {STEPS[version]} PRAGMA user_version = {VERSION}; COMMIT;"
        )


def explain(error: sqlite3.Error) -> str:
    """Say in plain words what is wrong and what to do."""
    problem = str(error)
    if "not a database" in problem or "malformed" in problem:
        return (
            f"damaged ({problem}); it is left as it is. Move it away to start afresh: mail that "
            "was delivered but not yet deleted at the server may then be delivered once more"
        )
    if "full" in problem:
        return f"{problem}; make room and run again"
    return problem
