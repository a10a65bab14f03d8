"""Takes a ledger of SQLite over into a store, when a user moves from one to the other.

Without it all mail that is kept on servers would be fetched again. The file is only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...protocols.record import Record
from ..ledger.copy import LedgerCopy
from ..ledger.names import Stored, as_text
from ..ledger.results import COLUMNS
from ..ledger.schema import find_or_make
from ..ledger.store import MAILBOX
from .copy import OF_MAILBOXES
from .store import PostgresLedger
from .uids import to_column

if TYPE_CHECKING:
    from ..ledger.statements import Statements

ROWS = 2000
"""Rows that are read and written at a time."""
NUMBERS = {
    *("mailbox", "sink", "size", "accepted", "tries", "since", "tried", "until", "daylimit"),
    *("hour", "octets", "time", "code", "period", "announced", "checked", "confirmed"),
}
OCTETS = {"uid", "fingerprint", "rules", "id"}
"""The columns that are numbers and octets; all others are text."""
OF_NAMES = {
    "rest": "account, until, reason, daylimit",
    "traffic": "account, hour, octets",
    "alert": "topic, kind, entry, time, code",
    "result": COLUMNS,
}
"""The columns of tables without mailboxes: what is there already stays."""


class Imported(Record):
    """How many mailboxes and rows were taken over, and the accounts that the store knew already."""

    mailboxes: int
    rows: int
    known: Sequence[str]


def import_ledger(path: str, ledger: PostgresLedger) -> Imported:
    """Copy the records of a file into a store; return what was copied.

    Each account is copied in one transaction, and an account that the store knows is left out: it
    may have changed since. So after a kill the same is done again. Raises LedgerFault.
    """
    source = LedgerCopy(path)
    ledger.pin()
    try:
        accounts = source.write(
            lambda db: db.execute("SELECT DISTINCT account FROM mailbox ORDER BY 1").fetchall()
        )
        mailboxes, rows, known = 0, 0, list[str]()
        for (account,) in accounts:
            name = as_text(account)
            if ledger.knows(name):
                known.append(name)
                continue
            count, more = source.write(lambda db, one=account: copy_account(db, one, ledger))  # type: ignore[misc]
            mailboxes += count
            rows += more
        source.write(lambda db: copy_names(db, ledger))
        ledger.make_durable()
    finally:
        source.close()
    return Imported(mailboxes, rows, known)


def copy_account(source: Statements, account: Stored, ledger: PostgresLedger) -> tuple[int, int]:
    """Copy one account; return how many mailboxes and rows that were."""
    query = "SELECT id, name, uidvalidity, compared FROM mailbox WHERE account = ? ORDER BY id"
    mailboxes = source.execute(query, (account,)).fetchall()
    name_of = dict(source.execute("SELECT id, name FROM sink").fetchall())

    def work(db: Statements) -> int:
        sinks: dict[int, int] = {}

        def sink_of(number: int) -> int:
            if number not in sinks:
                sinks[number] = find_or_make(db, "sink", ("name",), (as_text(name_of[number]),))
            return sinks[number]

        count = 0
        keys: dict[int, int] = {}
        for number, name, uidvalidity, compared in mailboxes:
            key = (as_text(account), as_text(name), uidvalidity)
            keys[number] = find_or_make(db, "mailbox", MAILBOX, key)
            change = "UPDATE mailbox SET compared = ? WHERE id = ?"
            db.execute(change, (compared, keys[number]))
            for table, columns in OF_MAILBOXES.items():
                where = "mailbox = ?"
                for rows in in_batches(source, table, columns, where, (number,)):
                    put(db, table, columns, [one_row(columns, row, keys, sink_of) for row in rows])
                    count += len(rows)
        columns = "account, sink, id, size, mailbox, accepted"
        for rows in in_batches(source, "content", columns, "account = ?", (account,)):
            put(db, "content", columns, [one_row(columns, row, keys, sink_of) for row in rows])
            count += len(rows)
        return count

    return len(mailboxes), ledger.write(work)


def copy_names(source: Statements, ledger: PostgresLedger) -> None:
    """Copy what has names in place of mailboxes: rests, traffic, alerts, results of polls."""

    def work(db: Statements) -> None:
        for table, columns in OF_NAMES.items():
            marks = ", ".join("?" * len(columns.split(", ")))
            rows = source.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608
            db.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
                [[as_text(v) if isinstance(v, bytes) else v for v in row] for row in rows],
            )

    ledger.write(work)


def in_batches(
    source: Statements, table: str, columns: str, where: str, values: Sequence[object]
) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield the rows of a table, some at a time."""
    found = iter(source.execute(f"SELECT {columns} FROM {table} WHERE {where}", values))  # noqa: S608
    while rows := list(islice(found, ROWS)):
        yield rows


def one_row(
    columns: str, row: Sequence[Any], keys: dict[int, int], sink_of: Any
) -> Sequence[object]:
    """Return a row with the keys and the forms of the store."""
    made: list[object] = []
    for name, value in zip(columns.split(", "), row, strict=True):
        if name == "mailbox":
            # Contents outlive their mailbox.
            made.append(keys.get(value, 0))
        elif name == "sink":
            made.append(sink_of(value))
        elif name == "uid":
            made.append(to_column(value))
        elif name in OCTETS or name in NUMBERS or value is None:
            made.append(value)
        else:
            made.append(as_text(value))
    return made


def put(db: Statements, table: str, columns: str, rows: Sequence[Sequence[object]]) -> None:
    """Write many rows with one statement: an array for each column."""
    names = columns.split(", ")
    arrays = [
        "CAST(? AS {}[])".format(
            "bytea" if name in OCTETS else "bigint" if name in NUMBERS else "text"
        )
        for name in names
    ]
    db.execute(
        f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({', '.join(arrays)})",  # noqa: S608
        [list(column) for column in zip(*rows, strict=True)],
    )
