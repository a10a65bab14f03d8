"""What is not fetched from one mailbox: messages that rules leave out, copies, renumbered mail.

See ``mailhaul.flows.sift``, ``copies`` and ``renumbered``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...flows.account import Action
from ...flows.ledger import Acceptance
from ...flows.row_states import Life, accepted, after
from ...flows.source import Listed, Uid
from .page import MAX_SIZE, NOT_DELIVERED, in_parts, is_same_size, marks
from .schema import new_names

if TYPE_CHECKING:
    from .store import SqliteLedger

COPY_SECONDS = 30 * 86400
"""Seconds for which a delivery makes the same content in another folder a copy."""
COPY = "copy accepted"
"""The recipients of a message that another folder had: they have it from there."""
FORMER = """
SELECT size, fingerprint FROM seen WHERE mailbox = ?1 AND fingerprint <> x'' UNION ALL
SELECT size, fingerprint FROM message
    WHERE mailbox = ?1 AND fingerprint <> x'' AND state = ?2 AND action = ?3
"""
PREVIOUS = """
SELECT other.id FROM mailbox JOIN mailbox AS other
    ON other.account = mailbox.account AND other.name = mailbox.name AND other.id <> mailbox.id
    WHERE mailbox.id = ? AND EXISTS (SELECT 1 FROM seen WHERE mailbox = other.id)
    ORDER BY other.id DESC LIMIT 1
"""
"""The last earlier generation of a mailbox that has records."""
GONE = """
SELECT size, fingerprint FROM seen
    WHERE mailbox = ? AND fingerprint <> x'' AND uid NOT IN (SELECT uid FROM listed)
"""


class ReadingRecords:
    """The records of one mailbox; ``sink`` is the key of the sink. All raise LedgerFault."""

    def __init__(self, ledger: SqliteLedger, mailbox: int, sink: int) -> None:
        self._ledger = ledger
        self._mailbox = mailbox
        self._sink = sink

    # Left out by rules

    def left_out(self, listed: Sequence[Listed], marks_of: tuple[bytes, bytes]) -> Collection[Uid]:
        """Return the UIDs of those messages that rules with marks in this range have left out."""
        sizes = {one.uid: one.size for one in listed}
        found: set[Uid] = set()

        def look(db: sqlite3.Connection) -> None:
            for some in in_parts([*sizes]):
                rows = db.execute(
                    f"SELECT uid, size FROM left_out WHERE mailbox = ?"  # noqa: S608
                    f" AND rules BETWEEN ? AND ? AND uid IN ({marks(some)})",
                    (self._mailbox, *marks_of, *some),
                )
                found.update(uid for uid, size in rows if is_same_size(size, sizes[uid]))

        self._ledger.write(look)
        return found

    def leave_out(self, messages: Sequence[Listed], mark: bytes) -> None:
        """Record that rules with this mark leave out these messages."""
        rows = [(self._mailbox, one.uid, min(one.size, MAX_SIZE), mark) for one in messages]
        self._ledger.write(
            lambda db: db.executemany("INSERT OR REPLACE INTO left_out VALUES (?, ?, ?, ?)", rows)
        )

    def keep_left_out(self, uids: Collection[Uid]) -> None:
        """Forget all messages that were left out except these."""

        def work(db: sqlite3.Connection) -> None:
            rows = db.execute("SELECT uid FROM left_out WHERE mailbox = ?", (self._mailbox,))
            gone = [row[0] for row in rows if row[0] not in uids]
            for some in in_parts(gone):
                db.execute(
                    f"DELETE FROM left_out WHERE mailbox = ? AND uid IN ({marks(some)})",  # noqa: S608
                    (self._mailbox, *some),
                )

        self._ledger.write(work)

    # The same message in several folders

    def known_contents(self, contents: Collection[bytes]) -> Mapping[bytes, int]:
        """Return which of these contents were delivered from other folders, with their sizes.

        Only deliveries by this sink in the last ``COPY_SECONDS`` count: what is moved back or
        marked as new later is meant to be fetched again.
        """
        found: dict[bytes, int] = {}
        since = int(self._ledger.clock()) - COPY_SECONDS

        def look(db: sqlite3.Connection) -> None:
            db.execute(
                "DELETE FROM content WHERE accepted < ?"
                " AND account = (SELECT account FROM mailbox WHERE id = ?)",
                (since, self._mailbox),
            )
            for some in in_parts([*contents]):
                rows = db.execute(
                    "SELECT id, size FROM content"  # noqa: S608
                    " WHERE account = (SELECT account FROM mailbox WHERE id = ?)"
                    f" AND sink = ? AND mailbox <> ? AND id IN ({marks(some)})",
                    (self._mailbox, self._sink, self._mailbox, *some),
                )
                found.update(dict(rows.fetchall()))

        self._ledger.write(look)
        return found

    def add_contents(
        self,
        db: sqlite3.Connection,
        several: Sequence[Acceptance],
        contents: Mapping[Uid, bytes],
    ) -> None:
        """Record the contents of messages that a sink has accepted for a recipient."""
        db.executemany(
            "INSERT OR REPLACE INTO content SELECT account, ?1, ?2, ?3, ?4, ?5 FROM mailbox"
            " WHERE id = ?4",
            [
                (
                    *(self._sink, contents[one.uid], min(one.size, MAX_SIZE), self._mailbox),
                    int(self._ledger.clock()),
                )
                for one in several
                if one.uid in contents and one.outcome.served
            ],
        )

    def accept_copies(self, copies: Sequence[Listed], action: Action) -> None:
        """Record that these messages were delivered from other folders, and their action."""
        names = new_names(self._ledger.clock(), len(copies))
        state = after(None, Life.accept)
        self._ledger.write(
            lambda db: db.executemany(
                "INSERT OR REPLACE INTO message (mailbox, sink, uid, size, state, action,"
                " recipients, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(self._mailbox, self._sink, one.uid, min(one.size, MAX_SIZE)),
                        *(state, action.value, COPY, name),
                    )
                    for one, name in zip(copies, names, strict=True)
                ],
            )
        )

    # New UIDs for the same messages

    def former(self) -> Sequence[tuple[int, bytes]]:
        """Return size and fingerprint of the messages that the mailbox had under its last
        UIDVALIDITY.
        """

        def look(db: sqlite3.Connection) -> Sequence[tuple[int, bytes]]:
            found = db.execute(PREVIOUS, (self._mailbox,)).fetchone()
            if not found:
                return ()
            return db.execute(FORMER, (found[0], accepted, Action.MARK.value)).fetchall()

        return self._ledger.write(look)

    def gone(self, listing: Iterable[Sequence[Uid]]) -> Sequence[tuple[int, bytes]]:
        """Return size and fingerprint of the seen messages that are not in this listing."""

        def look(db: sqlite3.Connection) -> Sequence[tuple[int, bytes]]:
            db.execute("CREATE TEMP TABLE IF NOT EXISTS listed (uid PRIMARY KEY) WITHOUT ROWID")
            db.execute("DELETE FROM listed")
            for some in listing:
                db.executemany("INSERT OR IGNORE INTO listed VALUES (?)", [(uid,) for uid in some])
            rows = db.execute(GONE, (self._mailbox,)).fetchall()
            db.execute("DELETE FROM listed")
            return rows

        return self._ledger.write(look)

    def add_seen(self, messages: Sequence[tuple[Listed, bytes]]) -> None:
        """Record messages as seen, with their fingerprints. They do not count as delivered."""
        self._ledger.write(
            lambda db: db.executemany(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)",
                [
                    (self._mailbox, one.uid, min(one.size, MAX_SIZE), fingerprint, NOT_DELIVERED)
                    for one, fingerprint in messages
                ],
            )
        )
