"""The accounts of the store as one machine uses them: claim those that are due, give them back.

A claim counts up the ``epoch`` of the account. What its owner writes later is written only in that
epoch, so an owner that was paused, and whose account another machine has claimed since, changes
nothing any more. Claims are durable before they are used: a claim that a crash of the database
forgets would give the same epoch to another machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ...protocols.record import Record
from .database import Database
from .records import Claim, RcEntry, Settlement, Totals
from .session import Result, Session

SECONDS_OF_SPREAD = 0.05
"""Seconds between the first polls of two new accounts, up to the interval."""
CHANNEL = "mailhaul"
"""The channel of notifications; see ``listener``."""
DURABLE = "SELECT set_config('synchronous_commit', 'on', true)"


class FleetClaims:
    """The claims of one machine. All methods may block, and raise StoreFault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self, worker: int, polls: int, watches: int, own: Collection[int], most: int
    ) -> Sequence[Claim]:
        """Claim at most ``polls`` accounts that are due, ``watches`` of them to be watched.

        ``own`` are the ids of the entries of the rc file; others of that origin are not claimed.
        ``most`` is the budget of a host.
        """

        def work(session: Session) -> Result:
            session.begin()
            session.execute(DURABLE)
            return session.execute(
                "SELECT id, name, origin, text, epoch, failures, refusals, late"
                " FROM claim(?, ?, ?, CAST(? AS bigint[]), ?)",
                (worker, polls, watches, [*own], most),
            )

        return [Claim(*row) for row in self._database.write(work).fetchall()]

    def settle(self, settlements: Sequence[Settlement]) -> Collection[int]:
        """Give accounts back, or note how the polls of kept ones ended.

        Return the ids of those that were still held: the others belong to another machine.
        """
        columns = columns_of(settlements)

        def work(session: Session) -> Result:
            session.begin()
            return session.execute(SETTLE, columns)

        return {row[0] for row in self._database.write(work).fetchall()} if settlements else ()

    def held(self, worker: int) -> Mapping[int, int]:
        """Return the epochs of all accounts that a worker holds, by their ids."""
        query = "SELECT id, epoch FROM account WHERE owner = ? AND owner > 0"
        return dict(self._database.write(lambda s: s.execute(query, (worker,)).fetchall()))

    def release(self, epochs: Mapping[int, int]) -> None:
        """Give back accounts that were not polled: they are due at once."""

        def work(session: Session) -> Result:
            session.begin()
            return session.execute(
                "UPDATE account a SET owner = NULL, watching = false, due = least(a.due, now())"
                " FROM unnest(CAST(? AS bigint[]), CAST(? AS bigint[])) AS r(id, epoch)"
                " WHERE a.id = r.id AND a.epoch = r.epoch",
                ([*epochs], [*epochs.values()]),
            )

        self._database.write(work)

    def adopt(self, worker: int, epochs: Mapping[int, int]) -> Collection[int]:
        """Make a new worker the owner of accounts that nobody has claimed since; return their ids.

        A machine that was paused too long registers again. Locks of mailboxes that nobody has taken
        since are kept as well.
        """

        def work(session: Session) -> Result:
            session.begin()
            session.execute(ADOPT_LOCKS, (worker, [*epochs], [*epochs.values()]))
            return session.execute(
                "UPDATE account a SET owner = ? FROM unnest(CAST(? AS bigint[]),"
                " CAST(? AS bigint[])) AS r(id, epoch)"
                " WHERE a.id = r.id AND a.epoch = r.epoch RETURNING a.id",
                (worker, [*epochs], [*epochs.values()]),
            )

        return {row[0] for row in self._database.write(work).fetchall()}

    def put(self, entries: Sequence[RcEntry]) -> Mapping[str, int]:
        """Make the rows of these entries of the rc file; return their ids by their names.

        One whose name an account of the store has is left out. The first polls of new ones are
        spread over time, at most over their interval.
        """
        columns = columns_of(entries)
        names = [one.name for one in entries]

        def work(session: Session) -> Result:
            session.execute(PUT, columns)
            return session.execute(
                "SELECT name, id FROM account WHERE name = ANY (?) AND origin = 'rc'", (names,)
            )

        return dict(self._database.write(work).fetchall()) if entries else {}

    def totals(self) -> Totals:
        """Return what the machines share."""
        row = self._database.write(
            lambda session: session.execute(
                "SELECT (SELECT count(*) FROM worker WHERE expires > now()),"
                " (SELECT count(*) FROM account WHERE watched AND owner > 0)"
            )
        ).fetchone()
        return Totals(*row) if row else Totals(1, 0)

    def refused(self, hosts: Sequence[str], most: int) -> None:
        """Note that these hosts have refused connections: half as many are made from now on.

        Within a minute a host is counted once.
        """
        self._database.write(lambda session: session.execute(REFUSED, (list(hosts), most)))

    def look(self, ids: Sequence[int]) -> Mapping[int, tuple[bool, str | None]]:
        """Return whether these accounts are paused, and their text. Removed ones are left out."""
        rows = self._database.write(
            lambda session: session.execute(
                "SELECT id, paused, text FROM account WHERE id = ANY (?)", (list(ids),)
            )
        ).fetchall()
        return {key: (paused, text) for key, paused, text in rows}


def columns_of(records: Sequence[Record]) -> Sequence[Sequence[object]]:
    """Return the fields of records of one class, as one list for each field."""
    fields: Sequence[str] = type(records[0]).__match_args__ if records else ()
    return [[getattr(one, field) for one in records] for field in fields]


SETTLE = """
UPDATE account a SET
    owner = CASE WHEN r.keeps THEN a.owner END, watching = r.keeps AND r.watching,
    waits = false, watched = r.watched, problem = r.problem,
    due = now() + r.delay * interval '1 second', failures = r.failures, refusals = r.refusals,
    last_poll = CASE WHEN r.code IS NULL THEN a.last_poll ELSE now() END,
    last_code = coalesce(r.code, a.last_code)
FROM unnest(CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS double precision[]),
    CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS boolean[]),
    CAST(? AS boolean[]), CAST(? AS boolean[]), CAST(? AS text[]))
    AS r(id, epoch, delay, failures, refusals, code, keeps, watching, watched, problem)
WHERE a.id = r.id AND a.epoch = r.epoch
RETURNING a.id
"""
"""The epoch alone is the condition: with the owner, the planner would take the owner's index."""

ADOPT_LOCKS = """
UPDATE lock SET worker = ? FROM account a,
    unnest(CAST(? AS bigint[]), CAST(? AS bigint[])) AS r(id, epoch)
WHERE a.id = r.id AND a.epoch = r.epoch AND lock.entry = a.name AND lock.epoch = a.epoch
"""
"""Before the accounts, as one who takes a lock changes the account after it."""

PUT = f"""
INSERT INTO account (name, origin, host, remote, watched, due)
SELECT r.name, 'rc', r.host, r.remote, r.watched,
    now() + least(r.place * {SECONDS_OF_SPREAD}, random() * r.seconds) * interval '1 second'
FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS boolean[]),
    CAST(? AS double precision[])) WITH ORDINALITY
    AS r(name, host, remote, watched, seconds, place)
ON CONFLICT (name) DO UPDATE
    SET host = excluded.host, remote = excluded.remote, watched = excluded.watched
    WHERE account.origin = 'rc' AND (account.host, account.remote, account.watched)
        IS DISTINCT FROM (excluded.host, excluded.remote, excluded.watched)
"""  # noqa: S608  the number is ours

REFUSED = """
INSERT INTO host (name, most, refused)
SELECT r.host, greatest(1, least(?2, greatest(1, ?2 - r.room)) / 2), now()
FROM rooms(CAST(?1 AS text[]), ?2) AS r
ON CONFLICT (name) DO UPDATE SET most = excluded.most, refused = excluded.refused
    WHERE host.refused < now() - interval '1 minute'
"""
