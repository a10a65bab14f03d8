"""The store as the scheduler of a fleet uses it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.results import EntryResult, Waiting
from ...adapters.postgres.records import Claim, RcEntry, Settlement, Totals
from ...flows.alerts import Alert

if TYPE_CHECKING:
    from ..polls.fleet_status import FleetStatus

ReadRow = Callable[[str, str], AccountSettings]
"""Takes the text of an account and its name; raises ConfigErrors."""


class FleetStore(Protocol):
    """The store as the scheduler uses it; see ``fleet_store``. All methods raise LedgerFault."""

    async def join(self) -> int:
        """Join the machines, if this was not done; return the id of this one.

        It changes if this machine was paused or cut off for too long.
        """
        ...

    def is_current(self) -> bool:
        """Whether the others leave this machine's accounts alone, by its own clock."""
        ...

    def close(self) -> None:
        """Leave nothing open."""
        ...

    async def claim(
        self, worker: int, polls: int, watches: int, own: Collection[int], most: int
    ) -> Sequence[Claim]:
        """Claim accounts that are due, in the name of this worker."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> Collection[int]:
        """Give accounts back; return the ids of those that were still ours."""
        ...

    async def keep(self, worker: int, epochs: Mapping[int, int]) -> Collection[int]:
        """Keep these accounts in the name of this worker, and give back all others.

        Return those that another machine has claimed.
        """
        ...

    async def put(self, entries: Sequence[RcEntry]) -> Mapping[str, int]:
        """Make the rows of entries of the rc file; return their ids."""
        ...

    async def totals(self) -> Totals:
        """Return what the machines share."""
        ...

    async def refused(self, hosts: Sequence[str], most: int) -> None:
        """Note that hosts have refused connections."""
        ...

    async def wake(self, names: Sequence[str]) -> None:
        """Make these accounts due."""
        ...

    async def look(self, ids: Sequence[int]) -> Mapping[int, tuple[bool, str | None]]:
        """Return whether accounts are paused, and their text."""
        ...

    async def history(
        self, names: Sequence[str]
    ) -> tuple[Mapping[str, EntryResult], Sequence[Alert]]:
        """Return how the polls of entries ended, and the alerts that have not ended."""
        ...

    async def changes(self) -> Sequence[str]:
        """Wait for notifications; return their payloads."""
        ...

    def read_fleet(
        self, read_row: ReadRow, own: Mapping[str, AccountSettings], waits: Sequence[Waiting]
    ) -> FleetStatus:
        """Return the state of all machines. It blocks."""
        ...
