"""The state of a fleet: what ``status`` adds when several machines share a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...adapters.config.errors import ConfigErrors
from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.results import EntryResult, Waiting
from ...protocols.record import Record, replace
from .status import FLEET_STATES, EntryStatus, Live, shown, waiting_for
from .times import iso

if TYPE_CHECKING:
    from ...adapters.postgres.accounts import StoredAccount
    from ...adapters.postgres.overview import WorkerStatus
    from ...adapters.postgres.store import PostgresLedger

MOST = 1000
"""Accounts that are shown one by one, those that fail first; all are counted."""


class FleetStatus(Record):
    """What is known of the fleet. ``entries`` are at most ``MOST`` of its accounts."""

    workers: Sequence[WorkerStatus]
    counts: Mapping[str, int]
    late: int
    entries: Sequence[EntryStatus]

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return sum(self.counts.values())


def fleet_status(
    ledger: PostgresLedger,
    read_row: Callable[[str, str], AccountSettings],
    own: Mapping[str, AccountSettings],
    waits: Sequence[Waiting],
) -> FleetStatus:
    """Read the state of the fleet. It blocks, and raises StoreFault.

    ``own`` are the entries of the rc file of this machine by their names.
    """
    from ...adapters.postgres.overview import overview

    found = overview(ledger.database, MOST)

    def entries() -> Iterator[EntryStatus]:
        for one in found.accounts:
            settings = own.get(one.name)
            if one.text is not None:
                try:
                    settings = read_row(one.text, one.name)
                except ConfigErrors:
                    settings = None
            result = found.results.get(one.name) or EntryResult(one.name)
            waiting = waiting_for(settings, waits) if settings else Waiting("", "")
            yield EntryStatus(
                one.name, with_problem(result, one), waiting, settings, live_of(one, result)
            )

    return FleetStatus(found.workers, found.counts, found.late, list(entries()))


def live_of(account: StoredAccount, result: EntryResult) -> Live:
    """Return what the fleet does with an account."""
    state = "waiting" if account.state == "failing" else account.state
    next_poll = account.due if state in {"waiting", "parked"} else None
    return Live(state, result.polls, next_poll)


def with_problem(result: EntryResult, account: StoredAccount) -> EntryResult:
    """Return how the polls ended; an entry that no machine can use fails, too."""
    if not account.problem:
        return result
    return replace(result, failures=max(1, result.failures), error_words=account.problem)


def described_fleet(fleet: FleetStatus) -> dict[str, Any]:
    """Return what is known of a fleet, for JSON."""
    return {
        "workers": [
            {
                "worker": shown(one.name),
                "alive": one.alive,
                "since": iso(one.started),
                "seen_until": iso(one.expires),
                "polling": one.polling,
                "watching": one.watching,
            }
            for one in fleet.workers
        ],
        "accounts": fleet.accounts,
        "late": fleet.late,
        "states": {state: fleet.counts.get(state, 0) for state in FLEET_STATES},
    }


def fleet_lines(fleet: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines for people about a described fleet."""
    states = ", ".join(f"{count} {state}" for state, count in fleet["states"].items() if count)
    late = f"; {fleet['late']} late" if fleet["late"] else ""
    yield f"{fleet['accounts']} accounts in the store: {states or 'none'}{late}"
    for one in fleet["workers"]:
        what = f"{one['polling']} polling, {one['watching']} watching"
        yield f"{one['worker']}: {what if one['alive'] else 'dead since ' + one['seen_until']}"
