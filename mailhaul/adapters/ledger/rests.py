"""Until when accounts rest, and how much each has fetched in the last day.

An account rests because its server wants it, or because it has fetched as much as ``daylimit``
allows. Both outlive the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .names import as_text, stored
from .store import LONGEST_REST, Rest, SqlLedger

if TYPE_CHECKING:
    from .statements import Statements

HOUR = 3600
HOURS = 24
REACHED = "the daylimit is reached"


def set_rest(ledger: SqlLedger, account: str, until: float, reason: str, daylimit: int = 0) -> None:
    """Record that an account rests. Raises LedgerFault."""
    ledger.write(lambda db: write_rest(db, account, until, reason, daylimit))


def write_rest(db: Statements, account: str, until: float, reason: str, daylimit: int) -> None:
    """Record that an account rests, for as long as the longest of its rests."""
    db.execute(
        "INSERT INTO rest VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account) DO UPDATE SET"
        " until = ?2, reason = ?3, daylimit = ?4 WHERE ?2 > rest.until OR rest.until > ?2 + ?5",
        (
            *(stored(account), int(until), reason.encode("utf-8", "replace").decode(), daylimit),
            LONGEST_REST,
        ),
    )


def end_rest(ledger: SqlLedger, account: str) -> None:
    """Forget the rest of an account. Raises LedgerFault."""
    ledger.write(lambda db: db.execute("DELETE FROM rest WHERE account = ?", (stored(account),)))


def rests(ledger: SqlLedger, now: float) -> Mapping[str, Rest]:
    """Return the rests that have not ended, by account. Raises LedgerFault."""
    rows = ledger.write(
        lambda db: db.execute(
            # A longer rest was written when the clock was wrong.
            "SELECT account, until, reason, daylimit FROM rest"
            " WHERE until > ?1 AND until <= ?1 + ?2",
            (int(now), LONGEST_REST),
        ).fetchall()
    )
    return {
        as_text(account): Rest(float(until), str(reason), int(daylimit))
        for account, until, reason, daylimit in rows
    }


class DayMeter:
    """Limits the octets of messages that an account fetches in any 24 hours; see ``ferry.Meter``.

    They are counted by the hour, and an hour counts as a whole until it is 24 hours ago. A message
    that is larger than the limit may be fetched as the only one of a day. ``full`` is called with
    the Unix time at which there is room again.
    """

    def __init__(
        self, ledger: SqlLedger, account: str, limit: int, full: Callable[[float], None]
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._limit = limit
        self._full = full

    def take(self, sizes: Sequence[int]) -> int:
        """Return how many of these messages may be fetched now, and count them."""
        now = int(self._ledger.clock())
        until = 0.0

        def work(db: Statements) -> int:
            nonlocal until
            used = self._used(db, now // HOUR)
            total, count = sum(octets for _, octets in used), 0
            taken = 0
            for size in sizes:
                if total + taken and total + taken + size > self._limit:
                    break
                taken += size
                count += 1
            key = stored(self._account)
            if taken:
                db.execute(
                    "INSERT INTO traffic VALUES (?1, ?2, ?3)"
                    " ON CONFLICT (account, hour) DO UPDATE SET octets = traffic.octets + ?3",
                    (key, now // HOUR, taken),
                )
            if count < len(sizes):
                used = self._used(db, now // HOUR)
                until = room_from(used, sizes[count], self._limit)
                write_rest(db, self._account, until, REACHED, self._limit)
            return count

        count = self._ledger.write(work)
        if until:
            self._full(until)
        return count

    def _used(self, db: Statements, hour: int) -> list[tuple[int, int]]:
        """Return the octets of each hour that counts, the oldest first; forget older ones."""
        key = stored(self._account)
        # Hours to come were written when the clock was wrong.
        db.execute(
            "DELETE FROM traffic WHERE account = ? AND NOT hour BETWEEN ? AND ?",
            (key, hour - HOURS, hour + 1),
        )
        rows = db.execute(
            "SELECT hour, octets FROM traffic WHERE account = ? ORDER BY hour", (key,)
        ).fetchall()
        return [(int(when), int(octets)) for when, octets in rows]


def room_from(used: Sequence[tuple[int, int]], size: int, limit: int) -> float:
    """Return the Unix time from which a message fits: enough hours are 24 hours ago then.

    ``used`` are the octets of each hour, the oldest first, of which there is at least one.
    """
    total = sum(octets for _, octets in used)
    for hour, octets in used:
        total -= octets
        if not total or total + size <= limit:
            # The hour itself is over one hour later.
            return float((hour + 1 + HOURS) * HOUR)
    raise AssertionError("with nothing fetched there is room")
