"""An IMAP source that stays: its connection outlives the poll and waits for news (IDLE, RFC 2177).

So new mail is fetched over a connection that is open, secured and logged in already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...flows.channel import next_event
from ...flows.requests import Now, TimedOut
from ...flows.source import Opened
from ...protocols.imap.commands import Done, Idle
from ...protocols.imap.events import Completed, Condition, Idling
from .imap import ImapSource

MAX_IDLE_SECONDS = 28 * 60.0
"""Seconds after which IDLE is begun anew: servers may hang up after 30 minutes (RFC 2177, 3)."""


class WatchedSource(ImapSource):
    """One IMAP account whose connection is kept. ``leave`` ends it."""

    _selected = 0
    _granted = False
    _ended = False
    _refused = False
    """Whether the server offers IDLE and refuses it: then it has to be asked for news."""

    async def open(self) -> None:
        """Log in, unless the last poll left a connection that is good."""
        if not self._good:
            await super().open()

    async def close(self) -> None:
        """Keep a connection that is good for another poll; log out of any other."""
        self._words.forget()
        if not self._good:
            await super().close()

    async def leave(self) -> None:
        """Log out."""
        await super().close()

    @property
    def _good(self) -> bool:
        """Whether nothing is owed on the connection and nothing is wrong with it."""
        machine = self.channel.machine
        fit = self.channel.open and not self.channel.failure
        return fit and machine.state == "selected" and not machine.outstanding

    async def select(self, mailbox: str, *, read_only: bool) -> Opened:
        """Open a mailbox, and remember how many messages a search that follows is about."""
        opened = await super().select(mailbox, read_only=read_only)
        self._selected = self.total
        return opened

    @property
    def _known(self) -> int:
        """How many messages there would be if none had come since the mailbox was opened."""
        return max(0, self._selected - self._expunged)

    @property
    def _news(self) -> bool:
        return self.total > self._known

    @property
    def pushes_news(self) -> bool:
        """Whether the server says by itself when mail has come."""
        offered = b"IDLE" in self.channel.machine.capabilities
        return self._good and offered and not self._refused

    async def wait_for_mail(self, seconds: float = MAX_IDLE_SECONDS) -> Sequence[str]:
        """Wait until mail comes, at most so long; return the mailbox if some has.

        Raises ProtocolError or RuntimeFault when the connection is no more. Its death is noticed
        at the latest when the waiting is over and nobody answers.
        """
        # What came while the poll was busy with other mail is news too.
        if not self._news:
            await self._idle(lambda: self._news, seconds)
        return (self.mailbox,) if self._news else ()

    async def _idle(self, met: Callable[[], bool], seconds: float) -> bool:
        """Be idle until something is met, at most so long; False if the server has enough of it."""
        self._granted = self._ended = False
        self.channel.machine.send(Idle())
        # Before the server agrees to wait, DONE would be no word of the dialogue.
        await self._demand(lambda: self._granted)
        await self._until(met, seconds)
        if self._ended:
            return False
        self.channel.machine.send(Done())
        await self._demand(lambda: False)
        return True

    async def _demand(self, met: Callable[[], bool]) -> None:
        """Wait for what the server owes. Raises TimedOut."""
        if not await self._until(met, self.timeout):
            raise TimedOut(self.timeout)

    async def _until(self, met: Callable[[], bool], seconds: float) -> bool:
        """Hear the server until something is met, or IDLE is over; False when time is up."""
        deadline = await Now() + seconds
        while not (self._ended or met()):
            left = deadline - await Now()
            if left <= 0:
                return False
            try:
                event = await next_event(self.channel, left)
            except TimedOut:
                return False
            self._keep_count(event)
            self._granted = self._granted or isinstance(event, Idling)
            self._ended = isinstance(event, Completed)
            if isinstance(event, Completed) and not self._granted:
                self._refused = self._refused or event.condition is not Condition.OK
        return True
