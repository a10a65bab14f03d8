"""What users were told about entries that fail, and what was said once in the log.

A row *told* is an alert that has not ended. A row *said* is what was done once and is not done
again in the same trouble: a command that was run, or the log line about one that fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...flows.alerts import Alert
from .names import as_text, stored
from .results import code_of
from .store import SqlLedger

if TYPE_CHECKING:
    from .statements import Statements

TOLD, SAID = "told", "said"
PUT = (
    "INSERT INTO alert VALUES (?, ?, ?, ?, ?) ON CONFLICT (topic, kind) DO UPDATE SET"
    " entry = excluded.entry, time = excluded.time, code = excluded.code"
)


class AlertBook:
    """The alerts in a ledger. Every method may block, and raises LedgerFault."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def told(self) -> Sequence[Alert]:
        """Return the alerts that have not ended."""
        query = "SELECT topic, entry, time, code FROM alert WHERE kind = ?"
        rows = self._ledger.write(lambda db: db.execute(query, (TOLD,)).fetchall())
        return [
            Alert(as_text(topic), as_text(entry), time, code_of(code))
            for topic, entry, time, code in rows
        ]

    def tell(self, alert: Alert) -> None:
        """Record an alert. It is durable: after a power failure the user is not told again."""
        code = None if alert.code is None else int(alert.code)
        row = (stored(alert.topic), TOLD, stored(alert.entry), alert.time, code)
        self._ledger.write(lambda db: db.execute(PUT, row))
        self._ledger.make_durable()

    def end(self, alerts: Sequence[Alert]) -> None:
        """Forget alerts that have ended."""
        rows = [(stored(alert.topic), TOLD) for alert in alerts]
        query = "DELETE FROM alert WHERE topic = ? AND kind = ?"
        self._ledger.write(lambda db: db.executemany(query, rows))

    def say_once(self, entry: str, what: str, since: int = 0) -> bool:
        """Record that something about an entry is said or done now; return False if it was before.

        With another ``since`` (the time at which its trouble began) it is another trouble.
        """
        topic = stored(f"{what} {entry}")

        def work(db: Statements) -> bool:
            query = "SELECT time FROM alert WHERE topic = ? AND kind = ?"
            before = db.execute(query, (topic, SAID)).fetchone()
            if before and before[0] == since:
                return False
            db.execute(PUT, (topic, SAID, stored(entry), since, None))
            return True

        return self._ledger.write(work)

    def over(self, entry: str, what: str) -> None:
        """Record that a problem of an entry is over."""
        row = (stored(f"{what} {entry}"), SAID)
        query = "DELETE FROM alert WHERE topic = ? AND kind = ?"
        self._ledger.write(lambda db: db.execute(query, row))
