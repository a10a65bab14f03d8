"""The whole fleet as any machine sees it: its workers, its accounts, and how their polls ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...protocols.record import Record
from ..ledger.results import COLUMNS, EntryResult, result_of
from .accounts import LIST, STATE, StoredAccount
from .database import Database
from .session import Session


class WorkerStatus(Record):
    """One machine's daemon, or a run. Times are Unix time.

    One that is not ``alive`` has not given a sign until ``expires``; it is shown for a day.
    """

    name: str
    started: float
    expires: float
    alive: bool
    polling: int
    watching: int


class Overview(Record):
    """Some accounts, those that fail first, with their results by name.

    ``counts`` has the number of all accounts by their states, ``late`` of those that should have
    been polled a minute ago.
    """

    workers: Sequence[WorkerStatus]
    counts: Mapping[str, int]
    late: int
    accounts: Sequence[StoredAccount]
    results: Mapping[str, EntryResult]


WORKERS = """
SELECT w.name, extract(epoch FROM w.started)::float8, extract(epoch FROM w.expires)::float8,
    w.expires > now(), count(a.id) FILTER (WHERE NOT a.watching),
    count(a.id) FILTER (WHERE a.watching)
FROM worker w LEFT JOIN account a ON a.owner = w.id AND a.owner > 0
GROUP BY w.id ORDER BY w.name, w.id
"""
COUNTS = f"""
SELECT {STATE}, count(*), count(*) FILTER (WHERE a.owner IS NULL AND NOT a.paused
    AND a.due < now() - interval '1 minute')
FROM account a LEFT JOIN worker w ON w.id = a.owner AND w.expires > now() GROUP BY 1
"""  # noqa: S608  the words are ours
FAILING = "(a.failures > 0 OR a.problem <> '')"
SOME = f"""
({LIST} WHERE {FAILING} ORDER BY a.name LIMIT ?1) UNION ALL
({LIST} WHERE NOT {FAILING} ORDER BY a.name LIMIT ?1)
"""
RESULTS = f"SELECT {COLUMNS} FROM result WHERE entry = ANY (?)"  # noqa: S608


def overview(database: Database, most: int) -> Overview:
    """Return the state of the fleet, with at most so many accounts. Raises StoreFault."""

    def work(session: Session) -> Overview:
        workers = session.execute(WORKERS)
        counts = session.execute(COUNTS)
        rows = session.execute(SOME, (most,)).fetchall()[:most]
        found = [StoredAccount(*row) for row in rows]
        results = session.execute(RESULTS, ([one.name for one in found],)).fetchall()
        counted = counts.fetchall()
        return Overview(
            [WorkerStatus(*row) for row in workers.fetchall()],
            {state: number for state, number, _ in counted},
            sum(late for _, _, late in counted),
            found,
            {one.entry: one for one in map(result_of, results)},
        )

    return database.write(work)
