"""A lock that allows only one poll of a mailbox at a time, on all machines.

Two entries may lead to one mailbox, also those of different machines; so a claim of an entry is not
enough. A lock belongs to a worker, and is free when that one's lease has expired.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable
from typing import ClassVar

from ...flows.outcome import ExitCode, PollFailed
from .database import Database
from .session import Fence, Session

TAKE = """
INSERT INTO lock (name, worker, entry, epoch) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (name) DO UPDATE SET worker = ?2, entry = ?3, epoch = ?4
    WHERE lock.worker = ?2
    OR NOT EXISTS (SELECT 1 FROM worker WHERE id = lock.worker AND expires > now())
    RETURNING name
"""
HOLDER = "SELECT worker.id, worker.name FROM lock JOIN worker ON id = worker WHERE lock.name = ?"
OWNER = "SELECT worker, entry, epoch FROM lock WHERE name = ? FOR UPDATE"
# A poll of a worker whose lease has expired may still run, of another entry than the one that takes
# the lock. With another epoch it writes nothing more. The owner is no condition: the account may be
# free by now.
FENCE_OFF = (
    "UPDATE account SET owner = NULL, watching = false, epoch = epoch + 1"
    " WHERE name = ? AND epoch = ?"
)
GIVE_BACK = "DELETE FROM lock WHERE name = ?1 AND (worker = ?2 OR (entry = ?3 AND epoch = ?4))"
NO_FENCE = Fence("", 0)


class SharedLock:
    """A lock on one mailbox of an account; see ``mailhaul.flows.ledger.Lock``.

    ``worker`` returns the id of this process among the workers. ``fence`` is the claim in whose
    name the mailbox is polled: who takes the lock after a lease has expired ends that claim.
    """

    _held: ClassVar[set[tuple[str, str]]] = set()
    """The locks held by this process."""
    _mutex: ClassVar = allocate_lock()

    def __init__(
        self,
        database: Database,
        worker: Callable[[], int],
        account: str,
        mailbox: str,
        fence: Fence | None = None,
    ) -> None:
        self._database = database
        self._worker = worker
        self._account = account
        self._name = f"{account}/{mailbox}"
        self._key = database.url, self._name
        self._taken_by = 0
        self._fence = fence

    def acquire(self) -> bool:
        """Acquire the lock if it is free; return False if another poll of this process holds it.

        Raises PollFailed: EXCLUDE if another process holds it, and StoreFault.
        """
        with self._mutex:
            if self._key in self._held:
                return False
            self._held.add(self._key)
        try:
            self._take()
        except BaseException:
            self._held.discard(self._key)
            raise
        return True

    def _take(self) -> None:
        worker, claim = self._worker(), self._fence or NO_FENCE

        def work(db: Session) -> tuple[int, str] | None:
            before = db.execute(OWNER, (self._name,)).fetchone()
            if db.execute(TAKE, (self._name, worker, claim.entry, claim.epoch)).fetchone():
                if before and before[0] != worker:
                    db.execute(FENCE_OFF, before[1:])
                return None
            return db.execute(HOLDER, (self._name,)).fetchone() or (0, "unknown")

        holder = self._database.write(work, fence=self._fence)
        if holder:
            raise PollFailed(
                ExitCode.EXCLUDE,
                f"{self._account}: another mailhaul ({holder[1]}) is polling this mailbox",
            )
        self._taken_by = worker

    def release(self) -> None:
        """Release the lock. If the store is lost, it is free when the lease expires."""
        claim = self._fence or NO_FENCE
        # The lock may belong to another id of this worker by now (``FleetClaims.adopt``).
        values = (self._name, self._taken_by, claim.entry or None, claim.epoch)
        try:
            self._database.write(lambda db: db.execute(GIVE_BACK, values), alone=True)
        except PollFailed:
            pass
        finally:
            self._held.discard(self._key)
