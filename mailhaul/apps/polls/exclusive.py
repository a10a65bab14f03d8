"""Lets many polls run at a time, or one that has to be alone."""

from __future__ import annotations

from contextlib import suppress

from ...flows.requests import Now, Signal, TimedOut, Wait
from .places import Holding, Places

OPEN_SECONDS = 60.0
"""Seconds that polls of one kind wait for those of the other; see ``ExclusiveGate``."""
CLOSED_SECONDS = 30.0
"""Seconds that polls under way get to end after the gate is closed."""


class ExclusiveGate:
    """Lets many polls run at a time, or one exclusive poll.

    Neither may stop the other for long, since a poll can take hours over a slow server. So an
    exclusive poll first waits with the gate open until no poll runs; then with the gate closed for
    polls that end soon; and then runs beside those that are left. A poll that waits too long at the
    closed gate runs as well.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._exclusive = Places(1)
        self._empty = Signal()
        self._open = Signal()
        self._open.set()
        self._opens_at = 0.0

    def turn(self, *, alone: bool) -> Turn | ExclusiveTurn:
        """Return what a flow enters with ``async with`` while it runs."""
        return ExclusiveTurn(self, Holding(self._exclusive)) if alone else Turn(self)

    async def enter(self) -> None:
        """Wait until the gate is open, or for long enough; then ``leave`` has to follow."""
        if not self._open.is_set:
            await self._until_open()
        self._inside += 1
        self._empty = Signal() if self._inside == 1 else self._empty

    def leave(self) -> None:
        """Note that a poll has ended."""
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    async def close(self) -> None:
        """Wait until no poll runs, or for long enough, and let none in; ``open`` has to follow."""
        await self._until_empty(OPEN_SECONDS)
        self._open = Signal()
        self._opens_at = await Now() + CLOSED_SECONDS + OPEN_SECONDS
        await self._until_empty(CLOSED_SECONDS)

    def open(self) -> None:
        """Let polls in again."""
        self._open.set()

    async def _until_empty(self, seconds: float) -> None:
        deadline = await Now() + seconds
        with suppress(TimedOut):
            while self._inside:
                await Wait([self._empty], deadline - await Now())

    async def _until_open(self) -> None:
        patience = await Now() + OPEN_SECONDS
        while not self._open.is_set and (now := await Now()) < min(patience, self._opens_at):
            with suppress(TimedOut):
                await Wait([self._open], min(patience, self._opens_at) - now)


class Turn:
    """A poll that may run beside others."""

    def __init__(self, gate: ExclusiveGate) -> None:
        self._gate = gate

    async def __aenter__(self) -> None:
        await self._gate.enter()

    async def __aexit__(self, *failure: object) -> None:
        self._gate.leave()


class ExclusiveTurn:
    """A poll that has to be alone; others like it wait as long as it runs."""

    def __init__(self, gate: ExclusiveGate, place: Holding) -> None:
        self._gate = gate
        self._place = place

    async def __aenter__(self) -> None:
        await self._place.begin()
        try:
            await self._gate.close()
        except BaseException:
            await self.__aexit__()
            raise

    async def __aexit__(self, *failure: object) -> None:
        self._gate.open()
        self._place.end()
