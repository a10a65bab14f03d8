"""Polls side by side, limited in total, for each server and for each listener (places.py).

Accounts do not disturb each other: a server that stalls holds only its own places.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import trio

from ...adapters.config.secrets import Stamp
from ...adapters.config.settings import AccountSettings
from ...adapters.login.reach import address_of
from ...adapters.sinks.hunt_list import listener_address
from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Address, Flow
from ...flows.session import SessionObserver
from ...protocols.record import replace
from ...runtimes import trio as runtime
from ...runtimes.batch_worker import BatchWorker
from ...runtimes.engine import Engine
from .accounts import password_reader, reads_password, user_at_server
from .context import PollContext, context_for
from .lines import Lines
from .login_notice import login_notice
from .places import ListenerPlaces, Share
from .poll import poll_account, report_failure
from .server_places import RETRIES, ServerPlaces, ServerSlot
from .watching import PollEnded, watch

T = TypeVar("T")
TOTAL = 200
"""Polls at a time."""
PER_LISTENER = 15
"""Connections at a time to one listener. Exim accepts 20 by default, from all clients."""


PASSWORDS = 8
"""Password commands and pipes at a time, which may hang."""
OPEN_SECONDS = 60.0
"""Seconds that polls of one kind wait for those of the other; see ``ExclusiveGate``."""
CLOSED_SECONDS = 30.0
"""Seconds that polls under way get to end after the gate is closed."""


@dataclass(frozen=True, slots=True)
class PollHooks:
    """Callbacks of a poll."""

    login_delay: Callable[[float], None] = lambda seconds: None
    """Called with the seconds that the server wants between logins."""
    stopping: Callable[[], bool] = lambda: False
    """Returns whether no further message is begun."""
    begun: Callable[[], None] = lambda: None
    """Called when the poll starts; before that it may be cancelled without loss."""
    secret_files: Callable[[Mapping[str, Stamp]], None] = lambda files: None
    """Called with the files that the password was looked for in, and their state at that time."""


NO_HOOKS = PollHooks()
NO_OBSERVER = SessionObserver()


class PollPool:
    """Runs polls, each when there is room for it. Later polls use the ``context`` of that time."""

    def __init__(self, context: PollContext, total: int = TOTAL) -> None:
        self.context = context
        self._total = trio.CapacityLimiter(total)
        self._servers: dict[str, ServerPlaces] = {}
        self._listeners: dict[Address, ListenerPlaces] = {}
        self._accounts: dict[tuple[str, str], trio.Lock] = {}
        self._passwords = trio.CapacityLimiter(PASSWORDS)
        self._exclusive = ExclusiveGate()
        self._batch_worker = BatchWorker()
        # A thread for each poll: a thread that hangs does not keep another poll waiting.
        self._threads = runtime.Threads(total)

    async def poll(
        self, settings: AccountSettings, lines: Lines, hooks: PollHooks = NO_HOOKS
    ) -> ExitCode:
        """Poll one account when there is room; its lines go to ``lines``.

        A poll with preconnect or postconnect runs alone: they may change routes or tunnels. A poll
        whose login the server refuses while others of it are under way is repeated after some of
        them, as the reason may be their number.
        """
        lines = lines.of(user_at_server(settings))
        self._register(settings)
        key = (settings.host, settings.remote_user)
        async with self._accounts.setdefault(key, trio.Lock()):
            try:
                settings = await self._with_password(settings, lines, hooks)
            except PollFailed as failure:
                return report_failure(failure, settings, lines)
            slot = self._slot(settings, RETRIES)
            try:
                while True:
                    try:
                        return await self._poll_in(slot, settings, lines, hooks)
                    except PollFailed as failure:
                        if self.context.stopping() or not await slot.begin_again():
                            return report_failure(failure, settings, lines)
            finally:
                slot.end()

    async def _poll_in(
        self, slot: ServerSlot, settings: AccountSettings, lines: Lines, hooks: PollHooks
    ) -> ExitCode:
        """Poll once. Raises PollFailed if the poll will be repeated."""
        await slot.begin()
        alone = bool(settings.preconnect or settings.postconnect)
        async with self._total, self._exclusive.turn(alone=alone):
            hooks.begun()
            context = self._context_for(lines, hooks, slot)
            return await self._run(poll_account(settings, context, lines), settings, slot)

    async def watch(
        self,
        settings: AccountSettings,
        lines: Lines,
        on_poll_end: PollEnded,
        hooks: PollHooks = NO_HOOKS,
    ) -> ExitCode:
        """Poll mailboxes whenever their server reports new mail; see ``watching.watch``.

        Connecting and the first poll count against the limits of all polls; later polls do not.
        """
        lines = lines.of(user_at_server(settings))
        self._register(settings)
        slot, total = self._slot(settings), Slot(self._total)

        try:
            settings = await self._with_password(settings, lines, hooks)
        except PollFailed as failure:
            code = report_failure(failure, settings, lines)
            on_poll_end(code, False)
            return code
        try:
            await slot.begin()
            await total.begin()
            context = self._context_for(lines, hooks, slot)
            arrived = partial(give_back, slot, total, on_poll_end)
            flow = watch(settings, context, lines, arrived, hooks.begun)
            return await self._run(flow, settings, slot)
        finally:
            slot.end()
            total.end()

    async def send_login_notice(
        self, settings: AccountSettings, lines: Lines, *, refused: bool
    ) -> str:
        """Send the user a mail about refused or accepted logins; return why that failed, or ""."""
        lines = lines.of(user_at_server(settings))
        self._register(settings)
        context = self._context_for(lines, NO_HOOKS)
        return await self._run(login_notice(settings, context, refused=refused), settings)

    def _run(
        self, flow: Flow[T], settings: AccountSettings, slot: ServerSlot | None = None
    ) -> Coroutine[Any, Any, T]:
        """Return what runs a flow."""
        engine = Engine(trio.current_time, self.context.observer)
        gate = self._gate(settings, slot)
        return runtime.run(flow, engine, gate, self._batch_worker, self._threads)

    def _context_for(
        self, lines: Lines, hooks: PollHooks, session: SessionObserver = NO_OBSERVER
    ) -> PollContext:
        """Return the context of a poll that starts now."""
        context = self.context
        return replace(
            context_for(context, lines),
            login_delay=hooks.login_delay,
            session=session,
            stopping=partial(is_stopping, context, hooks),
        )

    async def _with_password(
        self, settings: AccountSettings, lines: Lines, hooks: PollHooks
    ) -> AccountSettings:
        """Read a password that is not in the rc file, before a connection is opened.

        A command may take a minute, or wait until the user unlocks a key. It runs in a thread, and
        is ended if the poll is cancelled. Raises PollFailed (IOERR).
        """
        if not reads_password(settings):
            return settings
        reader = password_reader(settings, self.context)
        try:
            password = await trio.to_thread.run_sync(
                reader.read, abandon_on_cancel=True, limiter=self._passwords
            )
        except trio.Cancelled:
            reader.cancel()
            raise
        finally:
            hooks.secret_files(reader.files)
            for warning in reader.warnings:
                lines.complain(warning)
        return settings if password is None else settings.with_password(password)

    def _register(self, settings: AccountSettings) -> None:
        """Make the limiters for a server and for the listeners of its mail."""
        most = self.context.globals.maxconnections
        self._servers.setdefault(settings.host, ServerPlaces(most)).admission.most = most
        for host in settings.smtphosts or ("localhost",):
            # The poll itself reports settings that cannot work.
            with suppress(PollFailed):
                address = listener_address(settings, host)[0]
                self._listeners.setdefault(address, ListenerPlaces(PER_LISTENER)).share(
                    settings.host
                )

    def _slot(self, settings: AccountSettings, retries: int = 0) -> ServerSlot:
        return ServerSlot(self._servers[settings.host], settings.remote_user, retries)

    def _gate(self, settings: AccountSettings, slot: ServerSlot | None) -> runtime.GateOf:
        """Return the limiters that the connections of an account wait for."""
        server: Address | None = None
        # The poll itself reports settings that cannot work.
        with suppress(PollFailed):
            server = address_of(settings)

        return AccountGates(self._listeners, settings.host, server, slot)


def give_back(
    slot: ServerSlot, total: Slot, on_poll_end: PollEnded, code: ExitCode, pushes_news: bool
) -> None:
    """Give back the places of a poll that has ended, and report its end."""
    slot.end()
    total.end()
    on_poll_end(code, pushes_news)


def is_stopping(context: PollContext, hooks: PollHooks) -> bool:
    """Whether no further message is begun."""
    return context.stopping() or hooks.stopping()


class AccountGates:
    """The limiters that the connections of one account wait for."""

    __slots__ = ("_host", "_listeners", "_server", "_slot")

    def __init__(
        self,
        listeners: Mapping[Address, ListenerPlaces],
        host: str,
        server: Address | None,
        slot: ServerSlot | None,
    ) -> None:
        self._listeners = listeners
        self._host = host
        self._server = server
        self._slot = slot

    def __call__(self, address: Address) -> Share | ServerSlot | None:
        """Return the limiter of the connections to an address."""
        if self._slot and address == self._server:
            return self._slot
        places = self._listeners.get(address)
        return places.share(self._host) if places else None


class Slot:
    """A place in each of some limiters."""

    __slots__ = ("_held", "_limiters")

    def __init__(self, *limiters: trio.CapacityLimiter) -> None:
        self._limiters = limiters
        self._held: list[trio.CapacityLimiter] = []

    async def begin(self) -> None:
        """Wait for all places, in this order."""
        for limiter in self._limiters:
            await limiter.acquire_on_behalf_of(self)
            self._held.append(limiter)

    def end(self) -> None:
        """Give all places back."""
        while self._held:
            self._held.pop().release_on_behalf_of(self)


class ExclusiveGate:
    """Lets many polls run at a time, or one exclusive poll.

    Neither may stop the other for long, since a poll can take hours over a slow server. So an
    exclusive poll first waits with the gate open until no poll runs; then with the gate closed for
    polls that end soon; and then runs beside those that are left. A poll that waits too long at the
    closed gate runs as well.
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
        """Wait for permission to run, and hold it during the block."""
        if alone:
            async with self._reserved:
                await self._until_empty(OPEN_SECONDS)
                self._open = trio.Event()
                self._opens_at = trio.current_time() + CLOSED_SECONDS + OPEN_SECONDS
                try:
                    await self._until_empty(CLOSED_SECONDS)
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
        patience = trio.current_time() + OPEN_SECONDS
        while not self._open.is_set() and trio.current_time() < min(patience, self._opens_at):
            with trio.move_on_at(min(patience, self._opens_at)):
                await self._open.wait()
