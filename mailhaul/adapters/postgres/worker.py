"""This process as a worker: one of those that share the accounts of a store.

A worker has a row in the table ``worker``, and renews its lease there. What it has claimed
(accounts and locks) belongs to it as long as the lease has not expired. One statement renews it for
everything that the worker has claimed. It is done by a thread with a connection of its own, so it
depends neither on the polls nor on the runtime that they run on.

A worker that was paused longer than its lease (a laptop that slept, a process that was stopped, a
network that was cut) finds that it has expired. It registers again, under another id; what it had
claimed is free for others. Its polls that still run are harmless: each of their transactions checks
the epoch of the claim (``session.Fence``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Event, Thread

from ...flows.outcome import PollFailed
from .database import Database
from .schema import prepare
from .session import Session

KEEP_EXPIRED = "1 day"
"""How long the rows of workers that have died are kept, for ``mailhaul status``."""
STOP_SECONDS = 5.0
BEATS = 3
"""How often a worker renews its lease before it expires."""
REGISTER = """
INSERT INTO worker (name, expires, notes)
    VALUES (?, now() + CAST(? AS double precision) * interval '1 second', CAST(? AS jsonb))
    RETURNING id
"""
RENEW = """
UPDATE worker SET expires = now() + CAST(? AS double precision) * interval '1 second',
    notes = worker.notes || CAST(? AS jsonb)
    WHERE id = ? AND expires > now() RETURNING id
"""
FREE = (
    "UPDATE account SET owner = NULL, watching = false WHERE owner = ? AND owner > 0",
    "DELETE FROM lock WHERE worker = ?",
    "DELETE FROM worker WHERE id = ?",
)
"""What a worker does at its end."""
FORGET_DEAD = f"DELETE FROM worker WHERE expires < now() - interval '{KEEP_EXPIRED}'"  # noqa: S608
FREE_ORPHANS = """
UPDATE account SET owner = NULL, watching = false, due = least(due, now())
    WHERE owner > 0 AND NOT EXISTS (SELECT 1 FROM worker WHERE worker.id = account.owner)
"""
"""A claim frees only the accounts of workers whose lease it can read."""


def boot_time() -> float:
    """Return seconds of a clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Worker:
    """This process among those that use a store. ``lease`` is in seconds.

    ``say`` is called with sentences about what has happened, in the worker's thread. ``lost`` is
    called, there as well, when the worker has registered again and nothing is claimed any more.
    """

    def __init__(
        self,
        url: str,
        name: str,
        lease: float,
        say: Callable[[str], None] = lambda text: None,
        lost: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self.name = name
        self.lease = lease
        self.id = 0
        """The key of its row; it changes after a pause."""
        self._database = Database(url, prepare)
        self._say = say
        self._lost = lost
        self._clock = clock
        self._renewed = 0.0
        self._notes = "{}"
        self._fails = False
        self._ended = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Register, and begin to renew the lease. Raises StoreFault."""
        self._register()
        self._thread = Thread(target=self._run, name="mailhaul worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End: everything that is still claimed is free at once. Faults are not reported.

        What cannot be freed now is free when the lease expires.
        """
        self._ended.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
            if self._thread.is_alive():
                # It waits for a server that does not answer.
                return
        try:
            self._database.write(self._free)
        except PollFailed:
            pass
        finally:
            self._database.close()

    def note(self, notes: str) -> None:
        """Set what others can read about this worker (an object in JSON), at the next renewal."""
        self._notes = notes

    def is_current(self) -> bool:
        """Whether the lease is valid by the clock of this machine: others leave the claims alone.

        If it is not, nothing should be begun. It takes no time, and asks nobody.
        """
        return self._clock() - self._renewed < self.lease

    def beat(self) -> bool:
        """Renew the lease; return False if it had expired. Then the worker is registered again.

        Raises StoreFault.
        """
        before = self._clock()
        values = (self.lease, self._notes, self.id)
        row = self._database.write(lambda db: db.execute(RENEW, values).fetchone())
        if row:
            self._renewed = before
            return True
        self._register()
        return False

    def _register(self) -> None:
        before = self._clock()
        values = (self.name, self.lease, self._notes)

        def work(db: Session) -> int:
            db.execute(FORGET_DEAD)
            db.execute(FREE_ORPHANS)
            row = db.execute(REGISTER, values).fetchone()
            return int(row[0]) if row else 0

        self.id = self._database.write(work)
        # After a crash of the server an id that was not durable would be given again.
        self._database.commit_durably()
        self._renewed = before

    def _free(self, db: Session) -> None:
        for statement in FREE:
            db.execute(statement, (self.id,))

    def _run(self) -> None:
        wait = self.lease / BEATS
        while not self._ended.wait(wait):
            wait = self.lease / BEATS
            try:
                if not self.beat():
                    self._say(
                        "this machine was paused or cut off for longer than the lease of "
                        f"{self.lease:g} seconds; others may have taken over its accounts"
                    )
                    self._lost()
            except PollFailed as fault:
                if not self._fails:
                    self._say(f"{fault}; nothing is begun until it is there again")
                self._fails = True
                wait = min(wait, 2.0)
                continue
            if self._fails:
                self._say("the store is there again")
            self._fails = False


def worker_name(host: str) -> str:
    """Return the name of this process among the workers."""
    return f"{host}:{os.getpid()}"
