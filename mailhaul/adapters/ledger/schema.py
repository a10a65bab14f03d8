"""The ledger's tables, and the upgrade of files of older versions.

A file is prepared in one transaction: a kill at any step leaves it unchanged, and if several
processes start at once, one does the work while the others wait.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .names import mailbox_name, name_of_paged, sink_name, stored

if TYPE_CHECKING:
    from .statements import Statements

VERSION = 10

TABLES = (
    """
    CREATE TABLE mailbox (
        id INTEGER PRIMARY KEY,
        account NOT NULL, name NOT NULL, uidvalidity INTEGER NOT NULL,
        compared INTEGER NOT NULL DEFAULT 0,
        UNIQUE (account, name, uidvalidity)
    )
    """,
    """
    CREATE TABLE sink (
        id INTEGER PRIMARY KEY, name NOT NULL UNIQUE,
        rest_until INTEGER NOT NULL DEFAULT 0, rest_reason TEXT NOT NULL DEFAULT ''
    )
    """,
    # ``accepted`` is the time of delivery, or 0 or -1: see ``page.UNDATED`` and ``NOT_DELIVERED``.
    """
    CREATE TABLE seen (
        mailbox INTEGER NOT NULL REFERENCES mailbox (id),
        uid NOT NULL,
        size INTEGER NOT NULL,
        fingerprint BLOB NOT NULL DEFAULT x'',
        accepted INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (mailbox, uid)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE message (
        mailbox INTEGER NOT NULL REFERENCES mailbox (id),
        sink INTEGER NOT NULL REFERENCES sink (id),
        uid NOT NULL,
        size INTEGER NOT NULL,
        state TEXT NOT NULL
            CHECK (state IN ('offered', 'accepted', 'refused', 'postponed', 'quarantined')),
        action TEXT,
        recipients TEXT NOT NULL DEFAULT '',
        name TEXT NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        since INTEGER NOT NULL DEFAULT 0,
        tried INTEGER NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT '',
        fingerprint BLOB NOT NULL DEFAULT x'',
        upload TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (mailbox, uid, sink)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE sync (id INTEGER PRIMARY KEY CHECK (id = 1), batches INTEGER NOT NULL)",
    "INSERT INTO sync VALUES (1, 0)",
    # How the polls of each entry ended. ``code`` is NULL where an older version noted no more than
    # the last success. ``failures`` are those in a row, ``since`` is the time of the first of them.
    """
    CREATE TABLE result (
        entry PRIMARY KEY NOT NULL,
        time INTEGER NOT NULL, code INTEGER, words TEXT NOT NULL DEFAULT '',
        failures INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL DEFAULT 0,
        success INTEGER NOT NULL DEFAULT 0,
        error_time INTEGER NOT NULL DEFAULT 0, error_code INTEGER,
        error_words TEXT NOT NULL DEFAULT '',
        polls INTEGER NOT NULL DEFAULT 0, codes TEXT NOT NULL DEFAULT '{}',
        seconds REAL NOT NULL DEFAULT 0,
        fetched INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0,
        octets INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
        postponed INTEGER NOT NULL DEFAULT 0, spam INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    # What users were told about entries that fail, and what was said once in the log.
    """
    CREATE TABLE alert (
        topic NOT NULL, kind TEXT NOT NULL, entry NOT NULL, time INTEGER NOT NULL, code INTEGER,
        PRIMARY KEY (topic, kind)
    ) WITHOUT ROWID
    """,
    # Until when an account rests: its server wants it, or its share of a day is used up.
    """
    CREATE TABLE rest (
        account PRIMARY KEY NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL,
        daylimit INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    # Octets that an account has fetched in each hour of the last day.
    """
    CREATE TABLE traffic (
        account NOT NULL, hour INTEGER NOT NULL, octets INTEGER NOT NULL,
        PRIMARY KEY (account, hour)
    ) WITHOUT ROWID
    """,
)

READING = (
    """
    CREATE TABLE retention (
        mailbox INTEGER PRIMARY KEY REFERENCES mailbox (id),
        period INTEGER NOT NULL,
        announced INTEGER NOT NULL,
        checked INTEGER NOT NULL,
        confirmed INTEGER NOT NULL DEFAULT 0,
        held TEXT NOT NULL DEFAULT ''
    )
    """,
    """
    CREATE TABLE left_out (
        mailbox INTEGER NOT NULL REFERENCES mailbox (id),
        uid NOT NULL,
        size INTEGER NOT NULL,
        rules BLOB NOT NULL,
        PRIMARY KEY (mailbox, uid)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE content (
        account NOT NULL, sink INTEGER NOT NULL REFERENCES sink (id), id BLOB NOT NULL,
        size INTEGER NOT NULL, mailbox INTEGER NOT NULL, accepted INTEGER NOT NULL,
        PRIMARY KEY (account, sink, id)
    ) WITHOUT ROWID
    """,
)
"""The deletions of ``delete-after``, the messages that rules leave out, and the server's names for
the contents that were delivered. Times are Unix time.
"""
FIRST_PAGED, LAST_PAGED = 1, 5
"""Versions with one table of pages, each for an account, a sink, a mailbox and a UIDVALIDITY."""
SUCCESSES = "INSERT INTO result (entry, time, success) SELECT post, time, time FROM {table}"
"""Takes over the last successes, which older versions have noted alone."""
UPLOADS = (
    "ALTER TABLE message ADD COLUMN upload TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE sink ADD COLUMN rest_until INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE sink ADD COLUMN rest_reason TEXT NOT NULL DEFAULT ''",
)


class TooNew(Exception):
    """The file was written by a newer version; ``args[0]`` is its number."""


def prepare(db: sqlite3.Connection) -> None:
    """Create the tables in a new file, or upgrade an older one. Raises TooNew and sqlite3.Error."""
    if db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        return
    isolation, db.isolation_level = db.isolation_level, None
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done it while this one waited.
            version = db.execute("PRAGMA user_version").fetchone()[0]
            step = steps_from(version)
            step(db)
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        except BaseException:
            # After a full disk SQLite has already rolled back.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    finally:
        db.isolation_level = isolation


def steps_from(version: int) -> Callable[[sqlite3.Connection], None]:
    """Return the function that upgrades a file of this version. Raises TooNew."""
    if version == 0:
        return make_tables
    if FIRST_PAGED <= version <= LAST_PAGED:
        return upgrade_pages
    if version > VERSION:
        raise TooNew(version)

    def upgrade(db: sqlite3.Connection) -> None:
        for number in range(version, VERSION):
            STEPS[number](db)

    return upgrade


def make_tables(db: sqlite3.Connection) -> None:
    """Create all tables."""
    for table in (*TABLES, *READING):
        db.execute(table)


def add_uploads(db: sqlite3.Connection) -> None:
    """Add the columns for unfinished uploads; all rows stay as they are."""
    for change in UPLOADS:
        db.execute(change)


def add_results(db: sqlite3.Connection) -> None:
    """Replace the table of last successes by that of results."""
    db.execute(next(table for table in TABLES if "TABLE result " in table))
    db.execute(SUCCESSES.format(table="success"))
    db.execute("DROP TABLE success")


def add_alerts_and_rests(db: sqlite3.Connection) -> None:
    """Add the tables of alerts, of rests and of what was fetched in a day."""
    for name in ("alert", "rest", "traffic"):
        db.execute(next(table for table in TABLES if f"TABLE {name} " in table))


def add_reading(db: sqlite3.Connection) -> None:
    """Add the times of deliveries, and the tables of READING."""
    for change in ("ALTER TABLE seen ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0", *READING):
        db.execute(change)


STEPS: Mapping[int, Callable[[sqlite3.Connection], None]] = {
    6: add_uploads,
    7: add_results,
    8: add_alerts_and_rests,
    9: add_reading,
}
"""What upgrades a file of a version to the next one."""


def upgrade_pages(db: sqlite3.Connection) -> None:
    """Convert the pages of an older version.

    A message seen through any sink counts as seen by the account. If two pages are of the same
    mailbox, because their names differ only in spelling, the rows of the younger one are used.
    """
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in ("page", "message", "sync", "success"):
        if table in tables:
            db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    make_tables(db)
    if "success" in tables:
        db.execute(SUCCESSES.format(table="old_success"))
    columns = {row[1] for row in db.execute("PRAGMA table_info(old_message)")}
    pages = db.execute(
        "SELECT id, account, sink, mailbox, uidvalidity FROM old_page ORDER BY id DESC"
    ).fetchall()
    for page, account, sink, mailbox, uidvalidity in pages:
        name = stored(mailbox_name(account, mailbox))
        key = (stored(name_of_paged(account)), name, uidvalidity)
        mailbox_id = find_or_make(db, "mailbox", ("account", "name", "uidvalidity"), key)
        sink_id = find_or_make(db, "sink", ("name",), (stored(sink_name(sink)),))
        upgrade_rows(db, page, mailbox_id, sink_id, columns)
    db.execute("UPDATE mailbox SET compared = 1")
    for table in ("message", "page", "sync", "success"):
        db.execute(f"DROP TABLE IF EXISTS old_{table}")


def upgrade_rows(
    db: sqlite3.Connection, page: int, mailbox: int, sink: int, columns: set[str]
) -> None:
    """Convert the rows of one page; ``columns`` are the columns of the old table."""
    db.execute(
        "INSERT OR IGNORE INTO seen (mailbox, uid, size)"
        " SELECT ?, uid, size FROM old_message WHERE page = ? AND state = 'seen'",
        (mailbox, page),
    )
    name = "name" if "name" in columns else "''"
    failures = "tries, since, tried, reason" if "tries" in columns else "0, 0, 0, ''"
    # An offer without a name was never passed to a sink by name; every other row needs a name.
    rows = db.execute(
        f"SELECT uid, size, state, action, recipients, {name}, {failures} FROM old_message"  # noqa: S608
        " WHERE page = ? AND state <> 'seen'",
        (page,),
    ).fetchall()
    db.executemany(
        "INSERT OR IGNORE INTO message (mailbox, sink, uid, size, state, action, recipients,"
        " name, tries, since, tried, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (mailbox, sink, *row[:5], row[5] or new_name(0), *row[6:])
            for row in rows
            if row[2] != "offered" or row[5]
        ],
    )


def find_or_make(
    db: Statements, table: str, columns: tuple[str, ...], key: tuple[object, ...]
) -> int:
    """Return the id of the row with this key; insert it if there is none."""
    wanted = " AND ".join(f"{column} = ?" for column in columns)
    query = f"SELECT id FROM {table} WHERE {wanted}"  # noqa: S608
    found = db.execute(query, key).fetchone()
    if found is None:
        marks = ", ".join("?" * len(columns))
        # Another process may insert it at the same time.
        names = ", ".join(columns)
        db.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
            key,
        )
        found = db.execute(query, key).fetchone()
    return int(found[0])


def new_name(moment: float) -> str:
    """Return a unique name for an offer, made of the Unix time and a random number."""
    return new_names(moment, 1)[0]


def new_names(moment: float, count: int) -> list[str]:
    """Return so many names as ``new_name`` makes. The system is asked for random numbers once."""
    digits = os.urandom(8 * count).hex()
    begin = f"{int(moment)}.R"
    return [begin + digits[at : at + 16] for at in range(0, len(digits), 16)]
