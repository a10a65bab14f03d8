"""Makes polls wait until another connection to their server is allowed (``flows.admission``)."""

from __future__ import annotations

import trio

from ...flows.admission import Admission, Attempt
from ...flows.session import SessionObserver

RETRIES = 2
"""How often a poll is repeated that was refused while others of its server were under way."""


class Waiter:
    """A poll that waits for its connection."""

    attempt: Attempt

    def __init__(self, user: str) -> None:
        self.user = user
        self.admitted = trio.Event()


class ServerPlaces:
    """The connections to one server. Polls get them in the order in which they asked."""

    def __init__(self, most: int) -> None:
        self.admission = Admission(most)
        self._waiting: list[Waiter] = []

    async def take(self, user: str) -> Attempt:
        """Wait until another connection of this user may be opened."""
        await trio.lowlevel.checkpoint_if_cancelled()
        waiter = Waiter(user)
        self._waiting.append(waiter)
        self.let_in()
        try:
            await waiter.admitted.wait()
        except trio.Cancelled:
            self._give_up(waiter)
            raise
        return waiter.attempt

    def let_in(self) -> None:
        """Let in those that are allowed now."""
        # Called at each login and logout, when thousands may wait: the list is not copied.
        place = 0
        while place < len(self._waiting) and self.admission.has_room:
            waiter = self._waiting[place]
            if self.admission.may_start(waiter.user):
                waiter.attempt = self.admission.start(waiter.user)
                del self._waiting[place]
                waiter.admitted.set()
            else:
                place += 1

    def give_back(self, attempt: Attempt) -> None:
        """Note that a connection is closed."""
        self.admission.ended(attempt)
        self.let_in()

    def _give_up(self, waiter: Waiter) -> None:
        if waiter.admitted.is_set():
            self.give_back(waiter.attempt)
        else:
            self._waiting.remove(waiter)


class ServerSlot(SessionObserver):
    """The connection of one poll, which lasts until LOGOUT is sent or the poll ends.

    It is also the runtime's gate to the server (``mailhaul.runtimes.trio.Gate``): a poll that
    connects again after LOGOUT waits again.
    """

    __slots__ = ("_attempt", "_contended", "_places", "_retries", "_user")

    def __init__(self, places: ServerPlaces, user: str, retries: int = 0) -> None:
        self._places = places
        self._user = user
        self._retries = retries
        self._attempt: Attempt | None = None
        self._contended: Attempt | None = None

    async def begin(self) -> None:
        """Wait for a connection, unless the poll has one."""
        if self._attempt is None:
            self._attempt = await self._places.take(self._user)

    async def begin_again(self) -> bool:
        """Wait for another connection; return whether the server has accepted others meanwhile."""
        failed, self._contended = self._contended, None
        self._retries -= 1
        self.end()
        await self.begin()
        return failed is not None and self._places.admission.may_succeed(failed)

    def end(self) -> None:
        """Give the connection back, if it was not given back before."""
        if attempt := self._attempt:
            self._attempt = None
            self._places.give_back(attempt)

    # What the poll reports

    def logged_in(self) -> None:
        """Allow more connections."""
        self._contended = None
        if self._attempt:
            self._places.admission.logged_in(self._attempt)
            self._places.let_in()

    def failed(self, error: Exception) -> None:
        """Allow fewer connections if the server refuses or stalls."""
        if self._attempt:
            self._places.admission.failed(self._attempt, error)
            self._contended = self._attempt if self._attempt.contended else None

    def ending(self) -> None:
        """Let another poll connect while the server answers LOGOUT."""
        # A server that has refused connections may count this one until it is closed.
        if not self._places.admission.has_refused:
            self.end()

    def is_repeated(self) -> bool:
        """Whether the poll failed at its login, perhaps because of others, and is repeated."""
        return self._contended is not None and self._retries > 0

    # What the runtime asks

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        """Wait for a connection, unless the poll has one."""
        del borrower
        await self.begin()

    def release_on_behalf_of(self, borrower: object) -> None:
        """Keep the connection: a poll may open it again."""
        del borrower
