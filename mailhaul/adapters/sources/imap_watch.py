"""An IMAP source that stays: its connection outlives the poll and waits for news (IDLE, RFC 2177).

So new mail is fetched over a connection that is open, secured and logged in already.
"""

from __future__ import annotations

from ...flows.channel import next_event
from ...flows.requests import Now, TimedOut
from ...protocols.imap.commands import Done, Idle
from ...protocols.imap.events import Completed
from .imap import ImapSource

LONGEST_IDLE = 28 * 60.0
"""Seconds after which IDLE is begun anew: servers may hang up after 30 minutes (RFC 2177, 3)."""


class WatchedSource(ImapSource):
    """One IMAP account whose connection is kept. ``leave`` ends it."""

    async def open(self) -> None:
        """Log in, unless the last poll left a connection that is good."""
        if not self._good:
            await super().open()

    async def close(self) -> None:
        """Keep a connection that is good for another poll; log out of any other."""
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

    @property
    def tells_news(self) -> bool:
        """Whether the server says by itself when mail has come."""
        return self._good and b"IDLE" in self.channel.machine.capabilities

    async def news(self, seconds: float = LONGEST_IDLE) -> bool:
        """Wait until mail comes, at most so long; return whether some has.

        Raises ProtocolError or RuntimeFault when the connection is no more. Its death is noticed
        at the latest when the waiting is over and nobody answers.
        """
        command = Idle()
        self.channel.machine.send(command)
        until = await Now() + seconds
        known, ended = self.total, False
        while self.total <= known and not ended and (left := until - await Now()) > 0:
            try:
                event = await next_event(self.channel, left)
            except TimedOut:
                break
            self._keep_count(event)
            # What goes makes room; only what comes is news.
            known = min(known, self.total)
            ended = isinstance(event, Completed)
        if not ended:
            self.channel.machine.send(Done())
        while not ended:
            event = await next_event(self.channel, self.timeout)
            self._keep_count(event)
            ended = isinstance(event, Completed)
        return self.total > known
