"""When the messages of one mailbox were delivered, and what ``delete-after`` has done about them.

See ``mailhaul.flows.retention``, which decides. Times are Unix time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...flows.retention import Delivered, Found, Standing
from ...protocols.record import Record
from .names import as_text, stored
from .page import NOT_DELIVERED, UNDATED

if TYPE_CHECKING:
    from ...flows.source import Uid
    from .statements import Statements
    from .store import SqlLedger

OF_MAILBOX = """
SELECT count(*), count(*) FILTER (WHERE accepted <= ?2),
    count(*) FILTER (WHERE accepted <= ?2 AND accepted > ?3), min(accepted)
    FROM seen WHERE mailbox = ?1 AND accepted > 0
"""
DUE = """
SELECT uid, size, fingerprint, accepted FROM seen
    WHERE mailbox = ? AND accepted > 0 AND accepted <= ? ORDER BY accepted, uid LIMIT ?
"""
OF_ACCOUNT = f"""
SELECT mailbox.id, mailbox.name,
    (SELECT count(*) FROM seen WHERE mailbox = mailbox.id AND accepted = {UNDATED}
        AND length(fingerprint) > 0)
    FROM mailbox WHERE account = ? ORDER BY mailbox.name, mailbox.id
"""  # noqa: S608


class RetentionRecords:
    """The deliveries of one mailbox. All methods raise LedgerFault."""

    def __init__(self, ledger: SqlLedger, mailbox: int) -> None:
        self._ledger = ledger
        self._mailbox = mailbox

    def look(self, period: int) -> Found:
        """Return how many messages were delivered, and how many at least ``period`` seconds ago."""
        now = int(self._ledger.clock())

        def work(db: Statements) -> Found:
            row = db.execute(
                "SELECT period, announced, checked, confirmed, held FROM retention"
                " WHERE mailbox = ?",
                (self._mailbox,),
            ).fetchone()
            standing = Standing(*row) if row else None
            confirmed = standing.confirmed if standing else 0
            counts = db.execute(OF_MAILBOX, (self._mailbox, now - period, confirmed)).fetchone()
            delivered, due, unconfirmed, oldest = (int(count or 0) for count in counts)
            return Found(now, standing, delivered, due, unconfirmed, oldest)

        return self._ledger.write(work)

    def note(self, standing: Standing) -> None:
        """Record what the last look has decided."""
        values = (standing.period, standing.announced, standing.checked)
        self._ledger.write(
            lambda db: db.execute(
                "INSERT INTO retention VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (mailbox) DO UPDATE"
                " SET period = excluded.period, announced = excluded.announced,"
                " checked = excluded.checked, confirmed = excluded.confirmed, held = excluded.held",
                (self._mailbox, *values, standing.confirmed, standing.held),
            )
        )

    def due(self, until: int, most: int) -> Sequence[Delivered]:
        """Return the messages that were delivered until this time, oldest first."""
        rows = self._ledger.write(
            lambda db: db.execute(DUE, (self._mailbox, until, most)).fetchall()
        )
        return [Delivered(*row) for row in rows]

    def disown(self, uids: Sequence[Uid]) -> None:
        """Record that these UIDs now belong to messages that were not delivered."""
        self._ledger.write(
            lambda db: db.executemany(
                "UPDATE seen SET accepted = ? WHERE mailbox = ? AND uid = ?",
                [(NOT_DELIVERED, self._mailbox, uid) for uid in uids],
            )
        )


class MailboxPlan(Record):
    """One mailbox for ``mailhaul retention``. ``undated`` counts messages without a time.

    These were seen by an earlier version, which recorded no times.
    """

    key: int
    name: str
    undated: int


def mailboxes_of(ledger: SqlLedger, account: str) -> Sequence[MailboxPlan]:
    """Return the mailboxes of an account."""
    rows = ledger.write(lambda db: db.execute(OF_ACCOUNT, (stored(account),)).fetchall())
    return [MailboxPlan(key, as_text(name), undated) for key, name, undated in rows]


def confirm(ledger: SqlLedger, until: Mapping[int, int]) -> None:
    """Record that the messages delivered until these times may be deleted, by mailbox.

    The clock counts as checked by the user.
    """
    now = int(ledger.clock())
    ledger.write(
        lambda db: db.executemany(
            "UPDATE retention SET confirmed = ?, announced = 0, checked = ?, held = ''"
            " WHERE mailbox = ?",
            [(when, now, key) for key, when in until.items()],
        )
    )
    ledger.make_durable()


def date_undated(ledger: SqlLedger, keys: Sequence[int]) -> int:
    """Let the messages of earlier versions in these mailboxes count as delivered now.

    Only those whose header is known, and of which nothing says that they were not delivered.
    Return their number.
    """
    now = int(ledger.clock())

    def work(db: Statements) -> int:
        return sum(
            db.execute(
                "UPDATE seen SET accepted = ?"
                " WHERE mailbox = ? AND accepted = ? AND length(fingerprint) > 0",
                (now, key, UNDATED),
            ).rowcount
            for key in keys
        )

    return ledger.write(work)
