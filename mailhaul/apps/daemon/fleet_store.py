"""The store in PostgreSQL for the scheduler of a fleet: its calls block, so threads make them.

A call in a thread takes some tens of microseconds more than the call itself, and a machine makes a
few of them in a second: a driver of its own would gain nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

import trio

from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.alerts import AlertBook
from ...adapters.ledger.results import EntryResult, Waiting, entry_result
from ...adapters.postgres.accounts import Accounts
from ...adapters.postgres.database import Database
from ...adapters.postgres.fleet import FleetClaims
from ...adapters.postgres.listener import Listener
from ...adapters.postgres.records import Claim, RcEntry, Settlement, Totals
from ...adapters.postgres.store import PostgresLedger
from ...flows.alerts import Alert
from ..polls.fleet_status import FleetStatus, fleet_status
from ..polls.lines import Lines
from ..polls.pool import PollPool
from ..polls.shared_store import postgres_of
from .fleet import EVERYTHING, FleetScheduler
from .fleet_interface import ReadRow

T = TypeVar("T")


class PostgresFleet:
    """The accounts of a store; see ``fleet_interface.FleetStore``.

    It has connections of its own: claims wait for no ledger, and no poll for a claim. ``host`` is
    the name of this machine for people, ``lease`` is in seconds.
    """

    def __init__(self, ledger: PostgresLedger, host: str, lease: float) -> None:
        self._ledger = ledger
        self._host = host
        self._lease = lease
        self._database = Database(ledger.url)
        self._claims = FleetClaims(self._database)
        self._accounts = Accounts(self._database)
        self._listener = Listener(ledger.url)
        self._descriptor = -1
        self._threads = trio.CapacityLimiter(4)

    async def _run(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._threads)

    async def join(self) -> int:
        """Join the machines, if this was not done; return the id of this one.

        It changes if this machine was paused or cut off for too long.
        """
        worker = self._ledger.worker
        if worker is None:
            worker = await self._run(partial(self._ledger.join, self._host, self._lease))
        return worker.id

    def is_current(self) -> bool:
        """Whether the others leave this machine's accounts alone, by its own clock."""
        worker = self._ledger.worker
        return worker is not None and worker.is_current()

    async def claim(
        self, worker: int, polls: int, watches: int, own: Collection[int], most: int
    ) -> Sequence[Claim]:
        """Claim accounts that are due, in the name of this worker."""
        return await self._run(partial(self._claims.claim, worker, polls, watches, own, most))

    async def settle(self, settlements: Sequence[Settlement]) -> Collection[int]:
        """Give accounts back; return the ids of those that were still ours."""
        return await self._run(partial(self._claims.settle, settlements))

    async def keep(self, worker: int, epochs: Mapping[int, int]) -> Collection[int]:
        """Keep these accounts in the name of this worker, and give back all others.

        Return those that another machine has claimed.
        """
        return await self._run(partial(self._keep, worker, epochs))

    def _keep(self, worker: int, epochs: Mapping[int, int]) -> Collection[int]:
        held = self._claims.held(worker)
        missing = {key: epoch for key, epoch in epochs.items() if held.get(key) != epoch}
        if missing:
            kept = self._claims.adopt(worker, missing)
            missing = {key: epoch for key, epoch in missing.items() if key not in kept}
        if unknown := {key: epoch for key, epoch in held.items() if key not in epochs}:
            # The answer to a claim was lost with the connection.
            self._claims.release(unknown)
        return [*missing]

    async def put(self, entries: Sequence[RcEntry]) -> Mapping[str, int]:
        """Make the rows of entries of the rc file; return their ids."""
        return await self._run(partial(self._claims.put, entries))

    async def totals(self) -> Totals:
        """Return what the machines share."""
        return await self._run(self._claims.totals)

    async def refused(self, hosts: Sequence[str], most: int) -> None:
        """Note that hosts have refused connections."""
        await self._run(partial(self._claims.refused, hosts, most))

    async def wake(self, names: Sequence[str]) -> None:
        """Make these accounts due."""
        await self._run(partial(self._accounts.wake, names))

    async def look(self, ids: Sequence[int]) -> Mapping[int, tuple[bool, str | None]]:
        """Return whether accounts are paused, and their text."""
        return await self._run(partial(self._claims.look, ids))

    async def history(
        self, names: Sequence[str]
    ) -> tuple[Mapping[str, EntryResult], Sequence[Alert]]:
        """Return how the polls of entries ended, and the alerts that have not ended."""

        def work() -> tuple[Mapping[str, EntryResult], Sequence[Alert]]:
            results = {name: entry_result(self._ledger, name) for name in names}
            return results, AlertBook(self._ledger).told()

        return await self._run(work)

    async def changes(self) -> Sequence[str]:
        """Wait for notifications; return their payloads.

        After a connection was lost, everything may have changed.
        """
        if self._descriptor < 0:
            self._descriptor = await self._run(self._listener.open)
            return [EVERYTHING]
        try:
            await trio.lowlevel.wait_readable(self._descriptor)
            return self._listener.hear()
        except BaseException:
            self._descriptor = -1
            raise

    def read_fleet(
        self, read_row: ReadRow, own: Mapping[str, AccountSettings], waits: Sequence[Waiting]
    ) -> FleetStatus:
        """Return the state of all machines. It blocks."""
        return fleet_status(self._ledger, read_row, own, waits)

    def close(self) -> None:
        """Close the connections."""
        self._listener.close()
        self._database.close()


def fleet_scheduler(pool: PollPool, lines: Lines, read_row: ReadRow) -> FleetScheduler:
    """Return the scheduler for a pool whose ledger is a shared store."""
    context = pool.context
    store = PostgresFleet(postgres_of(context), context.hostname, context.globals.lease)
    return FleetScheduler(pool, lines, store, read_row)
