"""Makes polls wait until another connection to their server is allowed (``flows.admission``)."""

from __future__ import annotations

from ...flows.admission import Admission, Attempt
from ...flows.requests import Signal
from ...flows.session import SessionObserver
from .places import is_set

RETRIES = 2
"""How often a poll is repeated that was refused while others of its server were under way."""


class Asked:
    """A connection that a poll has asked for; it has an ``attempt`` once it is ``admitted``."""

    attempt: Attempt

    def __init__(self, user: str) -> None:
        self.user = user
        self.admitted = Signal()


class ServerPlaces:
    """The connections to one server. Polls get them in the order in which they asked."""

    def __init__(self, most: int) -> None:
        self.admission = Admission(most)
        self._waiting: list[Asked] = []

    @property
    def is_remarkable(self) -> bool:
        """Whether there are connections, or anything to remember of earlier ones."""
        admission = self.admission
        return bool(admission.connections or self._waiting) or admission.has_refused

    def ask(self, user: str) -> Asked:
        """Ask for another connection of this user."""
        asked = Asked(user)
        self._waiting.append(asked)
        self.let_in()
        return asked

    def let_in(self) -> None:
        """Let in those that are allowed now."""
        # Called at each login and logout, when thousands may wait: the list is not copied.
        place = 0
        while place < len(self._waiting) and self.admission.has_room:
            asked = self._waiting[place]
            if self.admission.may_start(asked.user):
                asked.attempt = self.admission.start(asked.user)
                del self._waiting[place]
                asked.admitted.set()
            else:
                place += 1

    def give_back(self, asked: Asked) -> None:
        """Note that a connection is closed, or that nobody waits for it any more."""
        if asked.admitted.is_set:
            self.admission.ended(asked.attempt)
            self.let_in()
        else:
            self._waiting.remove(asked)


class ServerSlot(SessionObserver):
    """The connection of one poll, which lasts until LOGOUT is sent or the poll ends.

    It is also the runtime's gate to the server (``mailhaul.runtimes.gates.Gate``): a poll that
    connects again after LOGOUT waits again.
    """

    __slots__ = ("_asked", "_contended", "_places", "_retries", "_user")

    def __init__(self, places: ServerPlaces, user: str, retries: int = 0) -> None:
        self._places = places
        self._user = user
        self._retries = retries
        self._asked: Asked | None = None
        self._contended: Attempt | None = None

    @property
    def _attempt(self) -> Attempt | None:
        """The connection, if the poll has one."""
        asked = self._asked
        return asked.attempt if asked and asked.admitted.is_set else None

    async def begin(self) -> None:
        """Wait for a connection, unless the poll has one."""
        try:
            await is_set(self.ask(self))
        except BaseException:
            self.end()
            raise

    async def begin_again(self) -> bool:
        """Wait for another connection; return whether the server has accepted others meanwhile."""
        failed, self._contended = self._contended, None
        self._retries -= 1
        self.end()
        await self.begin()
        return failed is not None and self._places.admission.may_succeed(failed)

    def end(self) -> None:
        """Give the connection back, if it was not given back before."""
        asked, self._asked = self._asked, None
        if asked:
            self._places.give_back(asked)

    # What the poll reports

    def logged_in(self) -> None:
        """Allow more connections."""
        self._contended = None
        if attempt := self._attempt:
            self._places.admission.logged_in(attempt)
            self._places.let_in()

    def failed(self, error: Exception) -> None:
        """Allow fewer connections if the server refuses or stalls."""
        if attempt := self._attempt:
            self._places.admission.failed(attempt, error)
            self._contended = attempt if attempt.contended else None

    def ending(self) -> None:
        """Let another poll connect at once, unless the server has refused connections.

        Such a server may count this one until it has answered LOGOUT.
        """
        if not self._places.admission.has_refused:
            self.end()

    def is_repeated(self) -> bool:
        """Whether the poll failed at its login, perhaps because of others, and is repeated."""
        return self._contended is not None and self._retries > 0

    # What the runtime asks

    def ask(self, holder: object) -> Signal:
        """Ask for a connection, unless the poll has one."""
        del holder
        if self._asked is None:
            self._asked = self._places.ask(self._user)
        return self._asked.admitted

    def give_back(self, holder: object) -> None:
        """Keep the connection: a poll may open it again."""
        del holder
