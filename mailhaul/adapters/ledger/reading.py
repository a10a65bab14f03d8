"""What is not fetched from one mailbox: messages that rules leave out, copies, renumbered mail.

See ``mailhaul.flows.sift``, ``copies`` and ``renumbered``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...flows.account import Action
from ...flows.ledger import Acceptance
from ...flows.row_states import Life, accepted, after
from ...flows.source import Listed, Uid
from .page import MAX_SIZE, NOT_DELIVERED, PUT_ACCEPTED, PUT_SEEN, in_parts, is_same_size
from .schema import new_names

if TYPE_CHECKING:
    from .statements import Statements
    from .store import SqlLedger

COPY_SECONDS = 30 * 86400
"""Seconds for which a delivery makes the same content in another folder a copy."""
COPY = "copy accepted"
"""The recipients of a message that another folder had: they have it from there."""
FORMER = """
SELECT size, fingerprint FROM seen WHERE mailbox = ?1 AND length(fingerprint) > 0 UNION ALL
SELECT size, fingerprint FROM message
    WHERE mailbox = ?1 AND length(fingerprint) > 0 AND state = ?2 AND action = ?3
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
    WHERE mailbox = ? AND length(fingerprint) > 0
        AND NOT EXISTS (SELECT 1 FROM listed WHERE listed.uid = seen.uid)
"""


class ReadingRecords:
    """The records of one mailbox; ``sink`` is the key of the sink. All raise LedgerFault."""

    def __init__(self, ledger: SqlLedger, mailbox: int, sink: int) -> None:
        self._ledger = ledger
        self._mailbox = mailbox
        self._sink = sink

    # Left out by rules

    def left_out(self, listed: Sequence[Listed], marks_of: tuple[bytes, bytes]) -> Collection[Uid]:
        """Return the UIDs of those messages that rules with marks in this range have left out."""
        sizes = {one.uid: one.size for one in listed}
        found: set[Uid] = set()

        def look(db: Statements) -> None:
            for some in in_parts([*sizes]):
                those, values = self._ledger.among("uid", some)
                rows = db.execute(
                    f"SELECT uid, size FROM left_out WHERE mailbox = ?"  # noqa: S608
                    f" AND rules BETWEEN ? AND ? AND {those}",
                    (self._mailbox, *marks_of, *values),
                )
                found.update(uid for uid, size in rows if is_same_size(size, sizes[uid]))

        self._ledger.write(look)
        return found

    def leave_out(self, messages: Sequence[Listed], mark: bytes) -> None:
        """Record that rules with this mark leave out these messages."""
        rows = [(self._mailbox, one.uid, min(one.size, MAX_SIZE), mark) for one in messages]
        self._ledger.write(
            lambda db: db.executemany(
                "INSERT INTO left_out VALUES (?, ?, ?, ?) ON CONFLICT (mailbox, uid) DO UPDATE SET"
                " size = excluded.size, rules = excluded.rules",
                rows,
            )
        )

    def keep_left_out(self, uids: Collection[Uid]) -> None:
        """Forget all messages that were left out except these."""

        def work(db: Statements) -> None:
            rows = db.execute("SELECT uid FROM left_out WHERE mailbox = ?", (self._mailbox,))
            gone = [row[0] for row in rows if row[0] not in uids]
            for some in in_parts(gone):
                those, values = self._ledger.among("uid", some)
                db.execute(
                    f"DELETE FROM left_out WHERE mailbox = ? AND {those}",  # noqa: S608
                    (self._mailbox, *values),
                )

        self._ledger.write(work)

    # The same message in several folders

    def known_contents(self, contents: Collection[bytes]) -> Mapping[bytes, int]:
        """Return which of these contents were delivered from other folders, with their sizes.

        Only deliveries by this sink in the last ``COPY_SECONDS`` count: what is moved back or
        marked as new later is meant to be fetched again.
        """
        found: dict[bytes, int] = {}
        now = int(self._ledger.clock())
        since = now - COPY_SECONDS

        def look(db: Statements) -> None:
            db.execute(
                "DELETE FROM content WHERE accepted < ?"
                " AND account = (SELECT account FROM mailbox WHERE id = ?)",
                (since, self._mailbox),
            )
            for some in in_parts([*contents]):
                those, values = self._ledger.among("id", some)
                rows = db.execute(
                    "SELECT id, size FROM content"  # noqa: S608
                    " WHERE account = (SELECT account FROM mailbox WHERE id = ?)"
                    # What was delivered later than now was recorded when the clock was wrong.
                    f" AND sink = ? AND mailbox <> ? AND accepted <= ? AND {those}",
                    (self._mailbox, self._sink, self._mailbox, now, *values),
                )
                found.update(dict(rows.fetchall()))

        self._ledger.write(look)
        return found

    def add_contents(
        self,
        db: Statements,
        several: Sequence[Acceptance],
        contents: Mapping[Uid, bytes],
    ) -> None:
        """Record the contents of messages that a sink has accepted for a recipient."""
        db.executemany(
            "INSERT INTO content SELECT account, ?1, ?2, ?3, ?4, ?5 FROM mailbox"
            " WHERE id = ?4 ON CONFLICT (account, sink, id) DO UPDATE SET size = excluded.size,"
            " mailbox = excluded.mailbox, accepted = excluded.accepted",
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
                PUT_ACCEPTED,
                [
                    (
                        *(self._mailbox, self._sink, one.uid, min(one.size, MAX_SIZE)),
                        *(state, action.value, COPY, name, b""),
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

        def look(db: Statements) -> Sequence[tuple[int, bytes]]:
            found = db.execute(PREVIOUS, (self._mailbox,)).fetchone()
            if not found:
                return ()
            return db.execute(FORMER, (found[0], accepted, Action.MARK.value)).fetchall()

        return self._ledger.write(look)

    def gone(self, listing: Iterable[Sequence[Uid]]) -> Sequence[tuple[int, bytes]]:
        """Return size and fingerprint of the seen messages that are not in this listing."""

        def look(db: Statements) -> Sequence[tuple[int, bytes]]:
            self._ledger.list_uids(db, listing)
            rows = db.execute(GONE, (self._mailbox,)).fetchall()
            db.execute("DELETE FROM listed")
            return rows

        return self._ledger.write(look)

    def add_seen(self, messages: Sequence[tuple[Listed, bytes]]) -> None:
        """Record messages as seen, with their fingerprints. They do not count as delivered."""
        self._ledger.write(
            lambda db: db.executemany(
                PUT_SEEN,
                [
                    (self._mailbox, one.uid, min(one.size, MAX_SIZE), fingerprint, NOT_DELIVERED)
                    for one, fingerprint in messages
                ],
            )
        )
