"""Polls side by side, limited in total, for each server and for each listener (places.py).

Accounts do not disturb each other: a server that stalls holds only its own places. This module
makes flows; ``pool`` runs them on trio, and a single run of several accounts by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.names import is_loopback
from ...adapters.login.reach import address_of
from ...adapters.sinks.kinds import LISTENERS, chosen_sink
from ...adapters.sinks.listeners import listener_address
from ...flows.outcome import ExitCode, PollCounts, PollFailed
from ...flows.requests import Address, Tcp
from ...flows.session import SessionObserver
from ...protocols.record import Record, replace
from ...runtimes.engine import Engine
from ...runtimes.gates import Gate
from .accounts import password_reader, reads_password, user_at_server
from .context import NoteToken, PollContext, context_for
from .exclusive import ExclusiveGate
from .lines import Lines, LinesOfPoll
from .places import Holding, ListenerPlaces, Places
from .poll import at_rest, poll_account, report_failure
from .server_places import RETRIES, ServerPlaces, ServerSlot

if TYPE_CHECKING:
    from ...adapters.config.secrets import Stamp

TOTAL = 200
"""Polls at a time."""
PER_LISTENER = 15
"""Connections at a time to one listener. Exim accepts 20 by default, from all clients."""
MAX_KNOWN = 20_000
"""Servers and users that are remembered although nothing is open: a store may have millions."""
PASSWORDS = 8
"""Password commands and pipes at a time, which may hang."""


PollReported = Callable[[ExitCode, str, PollCounts, float], None]


class Hooks(Protocol):
    """The name of a poll's entry in logs ("" for the user and the server), and its callbacks."""

    @property
    def name(self) -> str:
        """The name of the entry."""
        ...

    @property
    def fence(self) -> tuple[str, int] | None:
        """The account of a store and the epoch in which it was claimed; see ``fenced``."""
        ...

    @property
    def login_delay(self) -> Callable[[float], None]:
        """Called with the seconds that the server wants between logins."""
        ...

    @property
    def resting(self) -> Callable[[float], None]:
        """Called with the seconds for which the account rests."""
        ...

    @property
    def stopping(self) -> Callable[[], bool]:
        """Returns whether no further message is begun."""
        ...

    @property
    def begun(self) -> Callable[[], None]:
        """Called when the poll starts; before that it may be cancelled without loss."""
        ...

    @property
    def secret_files(self) -> Callable[[Mapping[str, Stamp]], None]:
        """Called with the files that the password was looked for in, and their state then."""
        ...

    @property
    def note_token(self) -> NoteToken:
        """Called with whose token it is, and why there is none, or two empty texts."""
        ...

    @property
    def ended(self) -> PollReported:
        """Called with how the poll ended: its code, the last error, the counts and the seconds."""
        ...


class PollHooks(Record):
    """Hooks that do nothing, except for those that are given."""

    name: str = ""
    fence: tuple[str, int] | None = None
    login_delay: Callable[[float], None] = lambda seconds: None
    resting: Callable[[float], None] = lambda seconds: None
    stopping: Callable[[], bool] = lambda: False
    begun: Callable[[], None] = lambda: None
    secret_files: Callable[[Mapping[str, Stamp]], None] = lambda files: None
    note_token: NoteToken = lambda label, kind, sentence: None
    ended: PollReported = lambda code, words, counts, took: None


NO_HOOKS: Hooks = PollHooks()
NO_OBSERVER = SessionObserver()


class Limits:
    """What all polls of a program share. Later polls use the ``context`` of that time."""

    def __init__(
        self, context: PollContext, clock: Callable[[], float], total: int = TOTAL
    ) -> None:
        self.context = context
        self.total = Places(total)
        self.passwords = Places(PASSWORDS)
        self.exclusive = ExclusiveGate()
        self.clock = clock
        self.machines = 1
        """How many machines share the listeners that are not on this one."""
        self._servers: dict[str, ServerPlaces] = {}
        self._listeners: dict[Address, ListenerPlaces] = {}
        self._accounts: dict[tuple[str, str], Places] = {}

    @property
    def connections(self) -> int:
        """How many connections to mail servers are open, except those that wait for new mail."""
        return sum(places.admission.connections for places in self._servers.values())

    def register(self, settings: AccountSettings) -> None:
        """Make the limiters for a server and for the listeners of its mail."""
        most = self.context.globals.maxconnections
        if len(self._servers) > MAX_KNOWN:
            self._servers = {k: one for k, one in self._servers.items() if one.is_remarkable}
        self._servers.setdefault(settings.host, ServerPlaces(most)).admission.most = most
        if chosen_sink(settings) not in LISTENERS:
            return
        for host in settings.smtphosts or ("localhost",):
            # The poll itself reports settings that cannot work.
            with suppress(PollFailed):
                address = listener_address(settings, host)[0]
                places = self._listeners.get(address)
                if places is None:
                    total = places_at(address, self.machines)
                    places = self._listeners[address] = ListenerPlaces(total)
                places.share(settings.host)

    def share_with(self, machines: int) -> None:
        """Share the listeners with so many machines, this one included."""
        if machines != self.machines:
            self.machines = machines
            for address, places in self._listeners.items():
                places.resize(places_at(address, machines))

    def refusals(self) -> Mapping[str, int]:
        """Return how many connections each server had refused, if it ever did."""
        found = {host: places.admission.refusals for host, places in self._servers.items()}
        return {host: count for host, count in found.items() if count}

    def account(self, settings: AccountSettings) -> Places:
        """Return the limiter for the polls of one user."""
        if len(self._accounts) > MAX_KNOWN:
            self._accounts = {k: one for k, one in self._accounts.items() if one.is_used}
        return self._accounts.setdefault((settings.host, settings.remote_user), Places(1))

    def slot(self, settings: AccountSettings, retries: int = 0) -> ServerSlot:
        """Return the connection that a poll is going to have."""
        return ServerSlot(self._servers[settings.host], settings.remote_user, retries)

    def engine(self, settings: AccountSettings, slot: ServerSlot | None = None) -> Engine:
        """Return an engine whose connections wait for places."""
        server: Address | None = None
        # The poll itself reports settings that cannot work.
        with suppress(PollFailed):
            server = address_of(settings)

        gates = AccountGates(self._listeners, settings.host, server, slot)
        return Engine(self.clock, self.context.observer, gate=gates)

    def context_for(
        self, lines: Lines, hooks: Hooks, session: SessionObserver = NO_OBSERVER
    ) -> PollContext:
        """Return the context of a poll that starts now."""
        context, fence = self.context, hooks.fence
        return replace(
            context_for(context, lines),
            login_delay=hooks.login_delay,
            resting=hooks.resting,
            session=session,
            stopping=partial(is_stopping, context, hooks),
            note_token=hooks.note_token,
            ledger=context.ledger_for(hooks.name)
            if fence is None
            else context.ledger.fenced(*fence),
        )

    async def with_password(
        self, settings: AccountSettings, lines: Lines, hooks: Hooks
    ) -> AccountSettings:
        """Read a password that is not in the rc file, before a connection is opened.

        A command may take a minute, or wait until the user unlocks a key. It is ended if the poll
        is cancelled. Raises PollFailed (IOERR).
        """
        if not reads_password(settings):
            return settings
        from ...adapters.config.secrets import read_in_flow

        reader = password_reader(settings, self.context)
        async with Holding(self.passwords):
            try:
                password = await read_in_flow(reader)
            finally:
                hooks.secret_files(reader.files)
                for warning in reader.warnings:
                    lines.warn(warning)
        return settings if password is None else settings.with_password(password)


def places_at(address: Address, machines: int) -> int:
    """Return the places of this machine at a listener that several machines use."""
    is_own = not isinstance(address, Tcp) or is_loopback(address.host)
    return PER_LISTENER if is_own else max(1, PER_LISTENER // machines)


def is_stopping(context: PollContext, hooks: Hooks) -> bool:
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

    def __call__(self, address: Address) -> Gate | None:
        """Return the limiter of the connections to an address."""
        if self._slot and address == self._server:
            return self._slot
        places = self._listeners.get(address)
        return places.share(self._host) if places else None


class Measure:
    """Measures the polls with these lines, and tells their hooks how they ended."""

    __slots__ = ("_began", "_clock", "hooks", "lines")

    def __init__(self, lines: LinesOfPoll, clock: Callable[[], float], hooks: Hooks) -> None:
        self.lines = lines
        self._clock = clock
        self.hooks = hooks
        self._began: float | None = None

    def begin(self) -> None:
        """Note that a poll has a place, and begins. If it is repeated, both tries count."""
        if self._began is None:
            self._began = self._clock()
        self.hooks.begun()

    def end(self, code: ExitCode) -> None:
        """Note that it has ended."""
        took = 0.0 if self._began is None else self._clock() - self._began
        self._began = None
        self.hooks.ended(code, *self.lines.take(), took)


class LimitedPoll:
    """The poll of one account, when there is room for it. ``run`` is a flow for the ``engine``."""

    def __init__(
        self, limits: Limits, settings: AccountSettings, lines: Lines, hooks: Hooks = NO_HOOKS
    ) -> None:
        limits.register(settings)
        self._limits = limits
        self._settings = settings
        self._lines = lines.of(hooks.name or user_at_server(settings))
        self._measure = Measure(self._lines, limits.clock, hooks)
        self._hooks = hooks
        self._slot = limits.slot(settings, RETRIES)
        self.engine = limits.engine(settings, self._slot)

    async def run(self) -> ExitCode:
        """Poll the account; return the exit code.

        What is noted of the poll is passed to its hooks.
        """
        code = await self._run()
        self._measure.end(code)
        return code

    async def _run(self) -> ExitCode:
        """Poll the account when there is room.

        A poll with preconnect or postconnect runs alone: they may change routes or tunnels. A poll
        whose login the server refuses while others of it are under way is repeated after some of
        them, as the reason may be their number.
        """
        limits, slot = self._limits, self._slot
        async with Holding(limits.account(self._settings)):
            try:
                settings = await limits.with_password(self._settings, self._lines, self._hooks)
            except PollFailed as failure:
                return report_failure(failure, self._settings, self._lines)
            # Before a connection is asked for: others may have it meanwhile.
            ledger, resting = limits.context.ledger, self._hooks.resting
            if (code := await at_rest(settings, ledger, resting, self._lines)) is not None:
                return code
            try:
                while True:
                    try:
                        return await self._poll(settings)
                    except PollFailed as failure:
                        if limits.context.stopping() or not await slot.begin_again():
                            return report_failure(failure, settings, self._lines)
            finally:
                slot.end()

    async def _poll(self, settings: AccountSettings) -> ExitCode:
        """Poll once. Raises PollFailed if the poll will be repeated."""
        limits = self._limits
        await self._slot.begin()
        alone = bool(settings.preconnect or settings.postconnect)
        async with Holding(limits.total), limits.exclusive.turn(alone=alone):
            self._measure.begin()
            context = limits.context_for(self._lines, self._hooks, self._slot)
            return await poll_account(settings, context, self._lines)
