"""What comes into the ledger from other programs, and goes back to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ...flows.row_states import accepted
from ...flows.source import Uid
from .names import mailbox_name, stored
from .page import COMPARED, NOT_DELIVERED, in_parts
from .schema import find_or_make
from .store import MAILBOX, SqlLedger

if TYPE_CHECKING:
    from .statements import Statements


def record_fetched(
    ledger: SqlLedger,
    account: str,
    mailbox: str,
    uidvalidity: int,
    uids: Sequence[Uid],
    *,
    is_complete: bool = False,
) -> int:
    """Record that another program fetched these messages; return how many were not known.

    A message that is under way keeps its row: it was refused, or its deletion is pending. With
    ``is_complete`` all other messages of the mailbox are new, also those that the server calls
    read. Hold the lock of the mailbox. Raises LedgerFault.
    """
    if not uids:
        return 0
    key = (stored(account), stored(mailbox_name(account, mailbox)), uidvalidity)

    def work(db: Statements) -> int:
        mailbox_id = find_or_make(db, "mailbox", MAILBOX, key)
        count = 0
        for some in in_parts(list(dict.fromkeys(uids))):
            changed = db.executemany(
                "INSERT INTO seen (mailbox, uid, size, accepted) SELECT ?1, ?2, 0, ?3"
                " WHERE NOT EXISTS (SELECT 1 FROM message WHERE mailbox = ?1 AND uid = ?2)"
                " ON CONFLICT DO NOTHING",
                [(mailbox_id, ledger.to_column(uid), NOT_DELIVERED) for uid in some],
            )
            count += changed.rowcount
        if is_complete:
            db.execute("UPDATE mailbox SET compared = ? WHERE id = ?", (COMPARED, mailbox_id))
        return count

    return ledger.write(work)


def count_known(
    ledger: SqlLedger, account: str, mailbox: str, uidvalidity: int, uids: Sequence[Uid]
) -> int:
    """Return how many of these messages the ledger knows. Raises LedgerFault."""
    key = (stored(account), stored(mailbox_name(account, mailbox)), uidvalidity)

    def look(db: Statements) -> int:
        found = (
            db.execute(
                "SELECT 1 FROM mailbox, seen WHERE account = ? AND name = ? AND uidvalidity = ?"
                " AND mailbox = id AND uid = ?",
                (*key, ledger.to_column(uid)),
            ).fetchone()
            for uid in dict.fromkeys(uids)
        )
        return sum(row is not None for row in found)

    return ledger.write(look)


def fetched_uids(ledger: SqlLedger, account: str) -> Iterator[bytes]:
    """Yield the unique ids of all messages of a POP3 account that were delivered.

    Those that no other program can know are left out: they contain a blank, because the server
    gave the same id to several messages, or none (``adapters.sources.pop3_listing``). Raises
    LedgerFault.
    """
    rows: Iterable[tuple[Uid]] = ledger.write(
        lambda db: db.execute(
            "SELECT uid FROM mailbox, seen WHERE account = ?1 AND mailbox = id"
            " UNION SELECT uid FROM mailbox, message WHERE account = ?1 AND mailbox = id"
            " AND state = ?2 ORDER BY 1",
            (stored(account), accepted),
        ).fetchall()
    )
    for (column,) in rows:
        uid = ledger.from_column(column)
        if isinstance(uid, bytes) and b" " not in uid:
            yield uid
