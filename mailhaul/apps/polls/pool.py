"""Polls side by side: bounded in total, for each server and for each listener (places.py).

One account's trouble is its own: a server that stalls holds one place among its like, and no
other's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import trio

from ...adapters.config.passwords import PasswordReader
from ...adapters.config.settings import AccountSettings
from ...adapters.sinks.hunt_list import listener_address
from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Address, Request
from ...runtimes import trio as runtime
from ...runtimes.desk import Desk
from ...runtimes.engine import Engine
from .accounts import user_at_server
from .context import PollContext, context_for
from .lines import Lines
from .login_notice import login_notice
from .places import ListenerPlaces, Share
from .poll import poll_account, report_failure
from .watching import PollEnded, watch

T = TypeVar("T")
TOTAL = 200
"""Polls at a time."""
PER_SERVER = 32
"""Polls at a time of one server; providers count the connections of one user, which are fewer."""
PER_LISTENER = 15
"""Connections at a time to one listener: Exim takes 20 as it comes, from everybody."""


ASKING = 8
"""Passwords that are asked for at a time, of commands and pipes that may hang."""
PATIENCE = 60.0
"""Seconds that polls of one kind wait for those of the other; see ``ExclusiveGate``."""
LEAVING = 30.0
"""Seconds that those inside have to end after the door is shut."""


@dataclass(frozen=True, slots=True)
class PollHooks:
    """What whoever wants a poll is told, and asked, while it goes on."""

    login_delay: Callable[[float], None] = lambda seconds: None
    """Is told how many seconds the server wants between logins."""
    stopping: Callable[[], bool] = lambda: False
    """Whether no further message is to be begun."""
    begun: Callable[[], None] = lambda: None
    """Is told that the poll has its turn; before that nothing is lost if it is cancelled."""


NO_HOOKS = PollHooks()


class PollPool:
    """Runs polls, each when there is room for it. Later polls use the ``context`` of that time."""

    def __init__(self, context: PollContext, total: int = TOTAL) -> None:
        self.context = context
        self._total = trio.CapacityLimiter(total)
        self._servers: dict[str, trio.CapacityLimiter] = {}
        self._listeners: dict[Address, ListenerPlaces] = {}
        self._accounts: dict[tuple[str, str], trio.Lock] = {}
        self._passwords = trio.CapacityLimiter(ASKING)
        self._exclusive = ExclusiveGate()
        self._desk = Desk()
        # A thread for each poll: those that hang take nothing from the others.
        self._threads = runtime.Threads(total)

    async def poll(
        self, settings: AccountSettings, lines: Lines, hooks: PollHooks = NO_HOOKS
    ) -> ExitCode:
        """Poll one account once there is room; its lines go to ``lines``.

        Commands before and after a poll may change routes or tunnels: then it runs alone.
        """
        alone = bool(settings.preconnect or settings.postconnect)
        lines = lines.of(user_at_server(settings))
        self._register(settings)
        key = (settings.host, settings.remote_user)
        async with self._accounts.setdefault(key, trio.Lock()):
            try:
                settings = await self._with_password(settings)
            except PollFailed as failure:
                return report_failure(failure, settings, lines)
            async with (
                self._servers[settings.host],
                self._total,
                self._exclusive.turn(alone=alone),
            ):
                hooks.begun()
                flow = poll_account(settings, self._context_for(lines, hooks), lines)
                return await self._run(flow, settings)

    async def watch(
        self,
        settings: AccountSettings,
        lines: Lines,
        on_poll_end: PollEnded,
        hooks: PollHooks = NO_HOOKS,
    ) -> ExitCode:
        """Poll mailboxes whenever their server has news; see ``watching.watch``.

        Connecting and the first poll take their turn among the other polls; after that there is
        nothing to wait for.
        """
        lines = lines.of(user_at_server(settings))
        self._register(settings)
        turn = Slot(self._servers[settings.host], self._total)

        def arrived(code: ExitCode, pushes_news: bool) -> None:
            turn.end()
            on_poll_end(code, pushes_news)

        try:
            settings = await self._with_password(settings)
        except PollFailed as failure:
            code = report_failure(failure, settings, lines)
            on_poll_end(code, False)
            return code
        try:
            await turn.begin()
            context = self._context_for(lines, hooks)
            flow = watch(settings, context, lines, arrived, hooks.begun)
            return await self._run(flow, settings)
        finally:
            turn.end()

    async def tell_of_login(self, settings: AccountSettings, lines: Lines, *, refused: bool) -> str:
        """Tell the user by mail how the logins of an account fare; return why not, or ""."""
        lines = lines.of(user_at_server(settings))
        self._register(settings)
        context = self._context_for(lines, NO_HOOKS)
        return await self._run(login_notice(settings, context, refused=refused), settings)

    async def _run(self, flow: Coroutine[Request[Any], Any, T], settings: AccountSettings) -> T:
        engine = Engine(trio.current_time, self.context.witness)
        gate = self._gate(settings)
        return await runtime.run(flow, engine, gate, self._desk, self._threads)

    def _context_for(self, lines: Lines, hooks: PollHooks) -> PollContext:
        """Return what a poll needs that begins now."""
        context = self.context
        return replace(
            context_for(context, lines),
            login_delay=hooks.login_delay,
            stopping=lambda: context.stopping() or hooks.stopping(),
        )

    async def _with_password(self, settings: AccountSettings) -> AccountSettings:
        """Ask for a password that is kept elsewhere. Raises PollFailed.

        A command may take a minute, or wait for somebody who unlocks a key: not in the event loop,
        and only for as long as the poll is wanted.
        """
        if settings.password is not None or not settings.keeps_password_elsewhere:
            return settings
        reader = PasswordReader(settings)
        try:
            password = await trio.to_thread.run_sync(
                reader.password, abandon_on_cancel=True, limiter=self._passwords
            )
        except trio.Cancelled:
            reader.cancel()
            raise
        return settings.with_password(password)

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

    def _gate(self, settings: AccountSettings) -> runtime.GateOf:
        """Return what the connections of an account wait for."""

        def gate(address: Address) -> Share | None:
            places = self._listeners.get(address)
            return places.share(settings.host) if places else None

        return gate


class Slot:
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


class ExclusiveGate:
    """Lets many in at a time, or one that wants to be alone.

    Neither may stop the other for long: a poll can take hours over a slow server, and so can the
    one that wants to be alone. So it waits for an empty house with the door open; then, with the
    door shut, for those that will soon be through; and then goes in beside whoever is left. Who
    waits at the shut door goes in as well when that takes too long.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._reserved = trio.Lock()
        self._empty = trio.Event()
        self._empty.set()
        self._open = trio.Event()
        self._open.set()
        self._opens_at = 0.0

    @asynccontextmanager
    async def turn(self, *, alone: bool) -> AsyncGenerator[None, None]:
        """Wait for a turn, and be inside for the time of the block."""
        if alone:
            async with self._reserved:
                await self._until_empty(PATIENCE)
                self._open = trio.Event()
                self._opens_at = trio.current_time() + LEAVING + PATIENCE
                try:
                    await self._until_empty(LEAVING)
                    yield
                finally:
                    self._open.set()
            return
        await self._until_open()
        self._inside += 1
        self._empty = trio.Event() if self._inside == 1 else self._empty
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def _until_empty(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            while self._inside:
                await self._empty.wait()

    async def _until_open(self) -> None:
        patience = trio.current_time() + PATIENCE
        while not self._open.is_set() and trio.current_time() < min(patience, self._opens_at):
            with trio.move_on_at(min(patience, self._opens_at)):
                await self._open.wait()
