"""An IMAP source that keeps its connection open after a poll and waits for new mail (RFC 2177).

So new mail is fetched over a connection that is already open, secured and logged in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ... import imap
from ...flows.report import Report
from ...flows.requests import Now, TimedOut, Wait
from ...protocols.imap import client_states
from ...protocols.machine import NeedData
from ..login.access import Access
from .imap import ImapSource

MAX_IDLE_SECONDS = 28 * 60.0
"""Seconds after which IDLE is sent again: servers may hang up after 30 minutes (RFC 2177, 3)."""


class WatchedSource(ImapSource):
    """One IMAP account whose connection is kept open. ``leave`` ends it."""

    __slots__ = ("_idle_ended", "_idle_refused", "_idle_started")

    stays_open = True

    def __init__(
        self,
        access: Access,
        report: Report,
        *,
        with_marks: bool = False,
        keeps: bool = False,
        everything: bool = False,
    ) -> None:
        super().__init__(access, report, with_marks=with_marks, keeps=keeps, everything=everything)
        self._idle_started = self._idle_ended = False
        # Whether the server announces IDLE but refuses it: then it must be polled.
        self._idle_refused = False

    async def open(self) -> None:
        """Log in, unless the last poll left a usable connection."""
        if not self._is_usable:
            await super().open()

    async def close(self) -> None:
        """Keep a usable connection for the next poll; close any other."""
        self._server_texts.clear()
        if not self._is_usable:
            await super().close()

    async def leave(self) -> None:
        """Log out."""
        await super().close()

    @property
    def _is_usable(self) -> bool:
        """Whether the connection works and no reply is outstanding."""
        machine = self.channel.machine
        fit = self.channel.open and not self.channel.failure
        return fit and machine.state is client_states.selected and not machine.outstanding

    @property
    def _known_total(self) -> int:
        """How many messages there would be without those that arrived since the select.

        A search that was sent along with SELECT may not cover them.
        """
        return max(0, self._total_at_select - self._expunged)

    @property
    def _has_new_mail(self) -> bool:
        return self.total > self._known_total

    @property
    def pushes_news(self) -> bool:
        """Whether the server reports new mail without being asked."""
        offered = b"IDLE" in self.channel.machine.capabilities
        return self._is_usable and offered and not self._idle_refused

    async def wait_for_mail(self, seconds: float = MAX_IDLE_SECONDS) -> Sequence[str]:
        """Wait at most ``seconds`` for mail; return the mailbox if it has new mail.

        Raises ProtocolError or RuntimeFault if the connection is lost. A dead connection is
        detected at the latest when the wait ends and the reply to DONE is missing.
        """
        # Mail that arrived during the poll is new too.
        if not self._has_new_mail:
            await self._idle(seconds)
        return (self.mailbox,) if self._has_new_mail else ()

    def _should_return(self) -> bool:
        """Whether IDLE has served its purpose."""
        return self._has_new_mail

    async def _idle(self, seconds: float) -> bool:
        """Run IDLE until it should return or time is up; False if the server ended it."""
        await self._read_ahead_reply()
        self._idle_started = self._idle_ended = False
        self.channel.machine.send(imap.Idle())
        # DONE is not allowed before the server's continuation request.
        await self._expect(lambda: self._idle_started)
        await self._until(self._should_return, seconds)
        if self._idle_ended:
            return False
        self.channel.machine.send(imap.Done())
        await self._expect(lambda: False)
        return True

    async def _expect(self, condition: Callable[[], bool]) -> None:
        """Wait for an expected reply of the server. Raises TimedOut."""
        if not await self._until(condition, self.timeout):
            raise TimedOut(self.timeout)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Read events until ``condition`` is true or IDLE is over; return False after a timeout."""
        deadline = await Now() + seconds
        while not (self._idle_ended or condition()):
            left = deadline - await Now()
            if left <= 0:
                return False
            event = self.channel.machine.next_event()
            if isinstance(event, NeedData):
                try:
                    await Wait([self.channel], left)
                except TimedOut:
                    return False
                continue
            self._keep_count(event)
            self._idle_started = self._idle_started or isinstance(event, imap.Idling)
            self._idle_ended = isinstance(event, imap.Completed)
            if isinstance(event, imap.Completed) and not self._idle_started:
                self._idle_refused = self._idle_refused or event.condition is not imap.Condition.OK
        return True
