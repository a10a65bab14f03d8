"""Accounts in the ledger whose names change, and accounts that are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flows.row_states import accepted
from .names import stored
from .store import SqlLedger, forget_mailbox

if TYPE_CHECKING:
    from .statements import Statements


def rename_account(ledger: SqlLedger, old: str, new: str) -> int:
    """Move all records of an account to another; return the number of mailboxes.

    Raises LedgerFault.
    """

    def work(db: Statements) -> int:
        rows = db.execute("SELECT id FROM mailbox WHERE account = ?", (stored(old),)).fetchall()
        for (mailbox_id,) in rows:
            rename(db, mailbox_id, new)
        return len(rows)

    moved = ledger.write(work)
    ledger.make_durable()
    return moved


def forget_account(ledger: SqlLedger, account: str) -> int:
    """Delete all records of an account; return the number of mailboxes. Raises LedgerFault."""

    def work(db: Statements) -> int:
        query = "SELECT id FROM mailbox WHERE account = ?"
        rows = db.execute(query, (stored(account),)).fetchall()
        for (mailbox_id,) in rows:
            forget_mailbox(db, mailbox_id)
        db.execute("DELETE FROM content WHERE account = ?", (stored(account),))
        return len(rows)

    return ledger.write(work)


def rename(db: Statements, mailbox_id: int, account: str) -> None:
    """Move a mailbox to another account; merge it with that account's records of the mailbox."""
    name, uidvalidity = db.execute(
        "SELECT name, uidvalidity FROM mailbox WHERE id = ?", (mailbox_id,)
    ).fetchone()
    there = db.execute(
        "SELECT id FROM mailbox WHERE account = ? AND name = ? AND uidvalidity = ? AND id <> ?",
        (stored(account), name, uidvalidity, mailbox_id),
    ).fetchone()
    db.execute(
        "INSERT INTO content SELECT ?, sink, id, size, mailbox, accepted FROM content"
        " WHERE account = (SELECT account FROM mailbox WHERE id = ?) ON CONFLICT DO NOTHING",
        (stored(account), mailbox_id),
    )
    if there:
        drop_overtaken(db, mailbox_id, there[0])
        drop_overtaken(db, there[0], mailbox_id)
        for table, key in (("seen", "uid"), ("message", "uid, sink")):
            # The rows of the other mailbox replace those of this one.
            db.execute(
                f"DELETE FROM {table} WHERE mailbox = ? AND ({key}) IN"  # noqa: S608
                f" (SELECT {key} FROM {table} WHERE mailbox = ?)",
                (mailbox_id, there[0]),
            )
            db.execute(
                f"UPDATE {table} SET mailbox = ? WHERE mailbox = ?",  # noqa: S608
                (mailbox_id, there[0]),
            )
        forget_mailbox(db, there[0])
    db.execute("UPDATE mailbox SET account = ? WHERE id = ?", (stored(account), mailbox_id))


def drop_overtaken(db: Statements, mailbox_id: int, other: int) -> None:
    """Delete rows of messages under way that the other mailbox has as seen or accepted.

    An unfinished offer must not hide that the message was delivered before.
    """
    db.execute(
        "DELETE FROM message WHERE mailbox = ?1 AND state <> ?3 AND uid IN ("
        "SELECT uid FROM seen WHERE mailbox = ?2 UNION ALL"
        " SELECT uid FROM message WHERE mailbox = ?2 AND state = ?3)",
        (mailbox_id, other, accepted),
    )
