"""Machines that share a simulated store, in virtual time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import trio

from mailhaul.adapters.config.errors import ConfigError, ConfigErrors, Place
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.ledger.results import EntryResult
from mailhaul.adapters.ledger.store import LedgerFault
from mailhaul.adapters.postgres.records import Claim, RcEntry, Settlement, Totals
from mailhaul.apps.daemon.fleet import FleetScheduler
from mailhaul.apps.polls.alerts import News
from mailhaul.apps.polls.limited import NO_HOOKS, Hooks
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.pool import PollPool
from mailhaul.apps.polls.watching import PollEnded
from mailhaul.flows.alerts import Alert
from mailhaul.flows.outcome import ExitCode, PollCounts

LEASE = 30.0


@dataclass
class Row:
    """One account."""

    id: int
    name: str
    host: str
    text: str | None
    watched: bool = False
    origin: str = "store"
    due: float = 0.0
    owner: int = 0
    epoch: int = 0
    failures: int = 0
    refusals: int = 0
    paused: bool = False
    watching: bool = False
    problem: str = ""


@dataclass
class World:
    """The store, and what the machines do to the servers."""

    rows: dict[int, Row] = field(default_factory=dict[int, Row])
    expires: dict[int, float] = field(default_factory=dict[int, float])
    lost: bool = False
    takes: float = 1.0
    codes: dict[str, ExitCode] = field(default_factory=dict[str, ExitCode])
    pushes: bool = True
    polls: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    polling: Counter[str] = field(default_factory=Counter[str])
    most: Counter[str] = field(default_factory=Counter[str])
    at_a_time: Counter[str] = field(default_factory=Counter[str])
    news: dict[str, trio.Event] = field(default_factory=dict[str, trio.Event])
    listeners: list[SimulatedStore] = field(default_factory=list["SimulatedStore"])

    def add(self, name: str, host: str = "h", *, watched: bool = False) -> Row:
        number = len(self.rows) + 1
        text = f"poll {host} user {name}{' idle' if watched else ''}"
        row = Row(number, name, host, text, watched)
        self.rows[number] = row
        return row

    def change(self, row: Row) -> None:
        for listener in self.listeners:
            listener.heard(str(row.id))

    @contextmanager
    def poll(self, settings: AccountSettings) -> Iterator[ExitCode]:
        name, host = settings.remote_user, settings.host
        assert not self.polling[name], f"{name} is polled twice at a time"
        self.polls.setdefault(name, []).append(trio.current_time())
        self.polling[name] += 1
        self.at_a_time[host] += 1
        self.most[host] = max(self.most[host], self.at_a_time[host])
        try:
            yield self.codes.get(name, ExitCode.SUCCESS)
        finally:
            self.polling[name] -= 1
            self.at_a_time[host] -= 1


class SimulatedStore:
    """What ``PostgresFleet`` does, without a database."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.worker = 0
        self.alive = True
        self._news: list[str] = []
        self._bell = trio.Event()
        world.listeners.append(self)
        self.register()

    def register(self) -> None:
        self.worker = len(self.world.expires) + 1
        self.renew()

    def renew(self) -> None:
        self.world.expires[self.worker] = trio.current_time() + LEASE

    async def join(self) -> int:
        await self._call()
        return self.worker

    def is_current(self) -> bool:
        return True

    def read_fleet(self, read_row: Any, own: Any, waits: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass

    def is_free(self, row: Row) -> bool:
        return self.world.expires.get(row.owner, -1.0) <= trio.current_time()

    async def _call(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.world.lost:
            raise LedgerFault("store", "lost")

    async def claim(
        self, worker: int, polls: int, watches: int, own: Collection[int], most: int
    ) -> Sequence[Claim]:
        await self._call()
        now = trio.current_time()
        if self.world.expires[worker] <= now:
            return []
        busy = Counter(
            row.host for row in self.world.rows.values()
            if not self.is_free(row) and not row.watching
        )  # fmt: skip
        due = [
            row for row in self.world.rows.values()
            if self.is_free(row) and not row.paused and row.due <= now
            and (row.origin == "store" or row.id in own)
        ]  # fmt: skip
        claims: list[Claim] = []
        for row in sorted(due, key=lambda row: row.due):
            if len(claims) == polls:
                break
            if busy[row.host] >= most or (row.watched and watches <= 0):
                continue
            busy[row.host] += 1
            watches -= row.watched
            row.owner, row.watching = worker, False
            row.epoch += 1
            claims.append(
                Claim(row.id, row.name, row.origin, row.text, row.epoch, row.failures,
                      row.refusals, now - row.due)
            )  # fmt: skip
        return claims

    async def settle(self, settlements: Sequence[Settlement]) -> Collection[int]:
        await self._call()
        ours: set[int] = set()
        for one in settlements:
            row = self.world.rows[one.id]
            if row.epoch != one.epoch:
                continue
            ours.add(one.id)
            row.owner = row.owner if one.keeps else 0
            row.watching = one.keeps and one.watching
            row.due = trio.current_time() + one.delay
            row.failures, row.refusals, row.problem = one.failures, one.refusals, one.problem
        return ours

    async def keep(self, worker: int, epochs: Mapping[int, int]) -> Collection[int]:
        await self._call()
        lost = [key for key, epoch in epochs.items() if self.world.rows[key].epoch != epoch]
        for key in epochs.keys() - lost:
            self.world.rows[key].owner = worker
        for row in self.world.rows.values():
            if row.owner == worker and row.id not in epochs:
                row.owner = 0
        return lost

    async def put(self, entries: Sequence[RcEntry]) -> Mapping[str, int]:
        await self._call()
        known = {row.name: row for row in self.world.rows.values()}
        for entry in entries:
            if entry.name not in known:
                row = self.world.add(entry.name, entry.host, watched=entry.watched)
                row.text, row.origin = None, "rc"
                known[entry.name] = row
        return {one.name: known[one.name].id for one in entries if known[one.name].text is None}

    async def totals(self) -> Totals:
        await self._call()
        live = [w for w, until in self.world.expires.items() if until > trio.current_time()]
        watched = sum(row.watched and not self.is_free(row) for row in self.world.rows.values())
        return Totals(len(live), watched)

    async def refused(self, hosts: Sequence[str], most: int) -> None:
        await self._call()

    async def wake(self, names: Sequence[str]) -> None:
        await self._call()
        for row in self.world.rows.values():
            if row.name in names:
                row.due = trio.current_time()

    async def look(self, ids: Sequence[int]) -> Mapping[int, tuple[bool, str | None]]:
        await self._call()
        rows = self.world.rows
        return {key: (rows[key].paused, rows[key].text) for key in ids if key in rows}

    async def history(
        self, names: Sequence[str]
    ) -> tuple[Mapping[str, EntryResult], Sequence[Alert]]:
        await self._call()
        return {}, []

    def heard(self, payload: str) -> None:
        self._news.append(payload)
        self._bell.set()

    async def changes(self) -> Sequence[str]:
        while not self._news:
            self._bell = trio.Event()
            await self._bell.wait()
        news, self._news = self._news, []
        return news


class SimulatedPool:
    """Polls that take a moment."""

    def __init__(self, world: World, most: int) -> None:
        self.world = world
        self.context: Any = SimpleNamespace(globals=SimpleNamespace(maxconnections=most))
        self.machines = 1
        self.told: list[str] = []

    def share_with(self, machines: int) -> None:
        self.machines = machines

    def refusals(self) -> Mapping[str, int]:
        return {}

    async def poll(
        self, settings: AccountSettings, lines: Lines, hooks: Hooks = NO_HOOKS
    ) -> ExitCode:
        hooks.begun()
        with self.world.poll(settings) as code:
            await trio.sleep(self.world.takes)
        if code is ExitCode.IOERR:
            hooks.ended(code, "store postgresql://db: lost", PollCounts(), 1.0)
        return code

    async def watch(
        self, settings: AccountSettings, lines: Lines, told: PollEnded, hooks: Hooks = NO_HOOKS
    ) -> ExitCode:
        while True:
            hooks.begun()
            with self.world.poll(settings) as code:
                await trio.sleep(self.world.takes)
            pushes = self.world.pushes and code is ExitCode.SUCCESS
            told(code, pushes)
            if not pushes or hooks.stopping():
                return code
            news = self.world.news[settings.remote_user] = trio.Event()
            await news.wait()

    async def tell(self, news: News, settings: AccountSettings, lines: Lines) -> bool:
        self.told.append(settings.remote_user)
        return True


def read_row(text: str, name: str) -> AccountSettings:
    words = text.split()
    if "broken" in words:
        raise ConfigErrors([ConfigError(Place(name), "broken")])
    return AccountSettings(
        {"pollname": words[1], "known_as": words[1], "skip": False, "remote_user": words[3],
         "protocol": "imap", "idle": "idle" in words}
    )  # fmt: skip


class Machine:
    """One machine of a fleet."""

    def __init__(
        self, world: World, nursery: trio.Nursery, *, most: int = 100, places: int = 200,
        own: Sequence[AccountSettings] = (), interval: float = 300.0, seed: int = 1,
    ) -> None:  # fmt: skip
        self.world = world
        self.store = SimulatedStore(world)
        self.pool = SimulatedPool(world, most)
        self.said: list[str] = []
        lines = Lines(0)
        lines.complain = lambda text, *_: self.said.append(text)  # type: ignore[method-assign]
        self.scheduler = FleetScheduler(
            cast(PollPool, self.pool), lines, self.store, read_row,
            places=places, chance=random.Random(seed).random, wall_clock=trio.current_time,
        )  # fmt: skip
        self.scheduler.set_accounts(own, interval)
        self.scope = trio.CancelScope()
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._renew)
                await self.scheduler.run()
                nursery.cancel_scope.cancel()

    async def _renew(self) -> None:
        while True:
            if not self.world.lost:
                if self.world.expires[self.store.worker] <= trio.current_time():
                    self.store.register()
                self.store.renew()
            await trio.sleep(2.0 if self.world.lost else LEASE / 3)

    def kill(self) -> None:
        """End it without a word to the store."""

        async def nothing() -> None:
            pass

        self.scheduler._settle_all = nothing  # type: ignore[method-assign]
        self.scope.cancel()

    def leave(self) -> None:
        """Let it end as after SIGTERM."""
        self.scheduler.stop()
