"""Polls side by side: bounded in total, for each server and for each listener (places.py).

One account's trouble is its own: a server that stalls holds one place among its like, and no
other's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import trio

from ...adapters.config.settings import AccountSettings
from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Address
from ...runtimes import trio as runtime
from ...runtimes.desk import Desk
from ...runtimes.engine import Engine
from ..cli.lines import Lines
from ..cli.plan import Surroundings, listener_address
from ..cli.polling import poll_account, tracer
from .places import ListenerPlaces, Share
from .watching import Told, watch

TOTAL = 200
"""Polls at a time."""
PER_SERVER = 32
"""Polls at a time of one server; providers count the connections of one user, which are fewer."""
PER_LISTENER = 15
"""Connections at a time to one listener: Exim takes 20 as it comes, from everybody."""


class Crew:
    """Runs polls, each when there is room for it."""

    def __init__(self, around: Surroundings, total: int = TOTAL) -> None:
        self._around = around
        self._total = trio.CapacityLimiter(total)
        self._servers: dict[str, trio.CapacityLimiter] = {}
        self._listeners: dict[Address, ListenerPlaces] = {}
        self._accounts: dict[tuple[str, str], trio.Lock] = {}
        self._alone = Alone()
        self._desk = Desk()

    async def poll(
        self,
        settings: AccountSettings,
        lines: Lines,
        login_delay: Callable[[float], None] = lambda seconds: None,
    ) -> ExitCode:
        """Poll one account once there is room; its lines go to ``lines``.

        ``login_delay`` is told how many seconds the server wants between logins.
        Commands before and behind a poll may change routes or tunnels: then it runs alone.
        """
        alone = bool(settings.preconnect or settings.postconnect)
        trace = partial(tracer, lines)
        around = replace(self._around, tracer=trace, login_delay=login_delay)
        self._register(settings)
        key = (settings.host, settings.remote_user)
        async with (
            self._accounts.setdefault(key, trio.Lock()),
            self._servers[settings.host],
            self._total,
            self._alone.turn(alone=alone),
        ):
            flow = poll_account(settings, around, lines)
            return await runtime.run(flow, self._engine(), self._gate(settings), self._desk)

    async def watch(self, settings: AccountSettings, lines: Lines, told: Told) -> ExitCode:
        """Poll mailboxes whenever their server has news; see ``watching.watch``.

        Connecting and the first poll take their turn among the other polls; behind that there is
        nothing to wait for.
        """
        around = replace(self._around, tracer=partial(tracer, lines))
        self._register(settings)
        turn = Turn(self._servers[settings.host], self._total)

        def arrived(code: ExitCode, tells_news: bool) -> None:
            turn.end()
            told(code, tells_news)

        try:
            await turn.begin()
            flow = watch(settings, around, lines, arrived)
            return await runtime.run(flow, self._engine(), self._gate(settings), self._desk)
        finally:
            turn.end()

    def _register(self, settings: AccountSettings) -> None:
        """Make the limiters for a server and for the listeners of its mail."""
        self._servers.setdefault(settings.host, trio.CapacityLimiter(PER_SERVER))
        for host in settings.smtphosts or ("localhost",):
            # Settings that cannot work are the poll's to complain of.
            with suppress(PollFailed):
                address = listener_address(settings, host)[0]
                self._listeners.setdefault(address, ListenerPlaces(PER_LISTENER)).share(
                    settings.host
                )

    def _engine(self) -> Engine:
        return Engine(trio.current_time, self._around.witness)

    def _gate(self, settings: AccountSettings) -> runtime.GateOf:
        """Return what the connections of an account wait for."""

        def gate(address: Address) -> Share | None:
            places = self._listeners.get(address)
            return places.share(settings.host) if places else None

        return gate


class Turn:
    """A place in each of some limiters, which is given back before the task ends."""

    def __init__(self, *limiters: trio.CapacityLimiter) -> None:
        self._limiters = limiters
        self._held: list[trio.CapacityLimiter] = []

    async def begin(self) -> None:
        """Wait for all places, in this order."""
        for limiter in self._limiters:
            await limiter.acquire_on_behalf_of(self)
            self._held.append(limiter)

    def end(self) -> None:
        """Give back what is held."""
        while self._held:
            self._held.pop().release_on_behalf_of(self)


class Alone:
    """Lets many in at a time, or one that wants to be alone."""

    def __init__(self) -> None:
        self._inside = 0
        self._reserved = trio.Lock()
        self._empty = trio.Event()
        self._empty.set()

    @asynccontextmanager
    async def turn(self, *, alone: bool) -> AsyncGenerator[None, None]:
        """Wait for a turn, and be inside for the time of the block."""
        if alone:
            # Who comes later waits for the lock, so that those inside come to an end.
            async with self._reserved:
                await self._empty.wait()
                yield
            return
        async with self._reserved:
            self._inside += 1
            self._empty = trio.Event() if self._inside == 1 else self._empty
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()
