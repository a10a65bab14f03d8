"""The accounts of the store as their administrator sees them: add, list, pause, remove.

Every change sends a notification, which the daemons take up at once (``listener``).
"""

from __future__ import annotations

from collections.abc import Sequence

from ...protocols.record import Record
from .database import Database
from .fleet import CHANNEL, DURABLE
from .session import Result, Session

NOTIFY = f"SELECT pg_notify('{CHANNEL}', ?)"
MAX_IDS = 500
"""Accounts named in one notification, which has at most 8,000 octets; for more, all are meant."""
EVERYTHING = "*"
"""The payload that means: whatever this machine holds may have changed."""


class StoredAccount(Record):
    """One account. Times are Unix time, None for never. ``worker`` is the name of its owner.

    ``state`` is one of ``STATES``.
    """

    name: str
    origin: str
    host: str
    user: str
    state: str
    worker: str | None
    due: float
    failures: int
    refusals: int
    last_poll: float | None
    last_code: int | None
    problem: str
    text: str | None


STATES = ("waiting", "polling", "watching", "paused", "failing", "parked")
"""What is done with an account. It is parked if its login was refused too often."""

PARKED_AFTER = 3
"""Refused logins in a row after which an account is parked (``flows.schedule``)."""

STATE = f"""
CASE WHEN a.paused AND a.owner IS NULL THEN 'paused'
    WHEN w.id IS NOT NULL AND a.watching THEN 'watching'
    WHEN w.id IS NOT NULL THEN 'polling'
    WHEN a.refusals > {PARKED_AFTER} THEN 'parked'
    WHEN a.failures > 0 OR a.problem <> '' THEN 'failing' ELSE 'waiting' END
"""
LIST = f"""
SELECT a.name, a.origin, a.host, a.remote, {STATE}, w.name, extract(epoch FROM a.due)::float8,
    a.failures, a.refusals, extract(epoch FROM a.last_poll)::float8, a.last_code, a.problem, a.text
FROM account a LEFT JOIN worker w ON w.id = a.owner AND w.expires > now()
"""  # noqa: S608  the words are ours


class NewAccount(Record):
    """An account to add: its name, its text, and what the store shows of it."""

    name: str
    text: str
    host: str
    user: str
    watched: bool


class Accounts:
    """Changes the accounts of the store. All methods may block, and raise StoreFault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, accounts: Sequence[NewAccount]) -> Sequence[tuple[str, bool]]:
        """Add accounts, or change those that are there; all or none.

        Return the names, and whether each is new. Names of entries of an rc file become accounts
        of the store.
        """

        def work(session: Session) -> Sequence[tuple[str, bool]]:
            session.begin()
            session.execute(DURABLE)
            results = [
                session.execute(ADD, (one.name, one.text, one.host, one.user, one.watched, place))
                for place, one in enumerate(accounts)
            ]
            rows = [row for result in results for row in result.fetchall()]
            notify(session, [row[0] for row in rows])
            return [(row[1], row[2]) for row in rows]

        return self._database.write(work) if accounts else ()

    def find(self, names: Sequence[str] | None = None, most: int = -1) -> Sequence[StoredAccount]:
        """Return the accounts with these names, or all, by name; at most ``most`` of them."""
        limit = f" LIMIT {most}" if most >= 0 else ""

        def work(session: Session) -> Result:
            if names is None:
                return session.execute(f"{LIST} ORDER BY a.name{limit}")
            query = f"{LIST} WHERE a.name = ANY (?) ORDER BY a.name{limit}"
            return session.execute(query, (list(names),))

        return [StoredAccount(*row) for row in self._database.write(work).fetchall()]

    def pause(self, names: Sequence[str], *, paused: bool) -> Sequence[str]:
        """Pause accounts, or resume them, which polls them at once; return the names of those."""
        query = (
            "UPDATE account SET paused = ?, waits = false,"
            " due = CASE WHEN ? THEN due ELSE now() END WHERE name = ANY (?) RETURNING id, name"
        )
        return self._change(query, (paused, paused, list(names)))

    def wake(self, names: Sequence[str]) -> Sequence[str]:
        """Poll accounts at once, whatever happened before; return the names of those."""
        query = (
            "UPDATE account SET due = now(), failures = 0, refusals = 0, problem = '',"
            " waits = false WHERE name = ANY (?) AND NOT paused RETURNING id, name"
        )
        return self._change(query, (list(names),))

    def remove(self, names: Sequence[str]) -> Sequence[str]:
        """Remove accounts that nobody polls just now; return the names of those.

        What the ledger knows of their messages stays: if they come back, nothing is fetched again.
        """
        query = (
            "DELETE FROM account a WHERE a.name = ANY (?) AND NOT EXISTS"
            " (SELECT 1 FROM worker w WHERE w.id = a.owner AND w.expires > now())"
            " RETURNING a.id, a.name"
        )
        return self._change(query, (list(names),))

    def _change(self, query: str, values: Sequence[object]) -> Sequence[str]:
        def work(session: Session) -> Sequence[str]:
            session.begin()
            session.execute(DURABLE)
            rows = session.execute(query, values).fetchall()
            notify(session, [row[0] for row in rows])
            return sorted(row[1] for row in rows)

        return self._database.write(work)


def notify(session: Session, ids: Sequence[int]) -> None:
    """Tell all daemons that these accounts have changed, when the transaction is committed."""
    if ids:
        payload = EVERYTHING if len(ids) > MAX_IDS else " ".join(map(str, ids))
        session.execute(NOTIFY, (payload,))


ADD = """
INSERT INTO account (name, origin, text, host, remote, watched, due)
VALUES (?1, 'store', ?2, ?3, ?4, ?5, now() + ?6 * 0.05 * interval '1 second')
ON CONFLICT (name) DO UPDATE SET origin = 'store', text = excluded.text, host = excluded.host,
    remote = excluded.remote, watched = excluded.watched, problem = '', due = now(),
    failures = 0, refusals = 0, waits = false
RETURNING id, name, (xmax = 0) AS new
"""
