"""Machines that share the accounts of a store, in virtual time with a simulated store."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
import trio
import trio.testing

from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.apps.daemon import fleet
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.schedule import PARKED_SECONDS

from .simulated_fleet import LEASE, Machine, Row, World, read_row

SOAK = bool(os.environ.get("MAILHAUL_SOAK"))
INTERVAL = 300.0
HOUR = 3600.0


def run(story: Callable[[World, trio.Nursery], Awaitable[None]]) -> World:
    world = World()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await story(world, nursery)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return world


def slowly(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Look at the store less often, for long stories."""
    for name in ("TICK", "STEP_SECONDS", "KEEP_SECONDS"):
        monkeypatch.setattr(fleet, name, seconds)


def gaps(times: list[float]) -> list[float]:
    return [later - before for before, later in pairwise(times)]


def test_every_account_is_polled_once_in_an_interval_by_one_of_the_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slowly(monkeypatch, 5.0)

    async def story(world: World, nursery: trio.Nursery) -> None:
        for number in range(40):
            world.add(f"a{number}")
        machines = [Machine(world, nursery, seed=seed) for seed in range(3)]
        await trio.sleep(HOUR)
        assert all(not one.said for one in machines)

    world = run(story)
    assert len(world.polls) == 40
    for times in world.polls.values():
        assert min(gaps(times)) > 0.9 * INTERVAL
        assert max(gaps(times)) < 1.1 * INTERVAL + 10


def test_only_what_is_claimed_is_in_memory() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        for number in range(50):
            world.add(f"a{number}")
        machine = Machine(world, nursery, places=7)
        for _ in range(30):
            await trio.sleep(1)
            assert len(machine.scheduler.jobs) <= 7
        await trio.sleep(60)
        scheduler = machine.scheduler
        assert (scheduler.jobs, scheduler.results, scheduler.last_success) == ([], {}, {})
        assert len(scheduler.unwritten) == 50

    run(story)


def test_the_accounts_of_a_machine_that_dies_are_polled_by_another_after_its_lease() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        world.takes = 1000.0
        world.add("a")
        dead = Machine(world, nursery)
        await trio.sleep(5)
        world.takes = 1.0
        Machine(world, nursery)
        began = trio.current_time()
        dead.kill()
        await trio.sleep(2 * LEASE)
        assert world.polls["a"][1] - began < LEASE + 2

    run(story)


def test_a_machine_that_stops_gives_everything_back_at_once() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        world.add("w", watched=True)
        world.add("p")
        stopped = Machine(world, nursery)
        await trio.sleep(10)
        stopped.leave()
        await trio.sleep(1)
        assert [row.owner for row in world.rows.values()] == [0, 0]
        before = len(world.polls["w"])
        Machine(world, nursery)
        await trio.sleep(2)
        assert len(world.polls["w"]) == before + 1

    run(story)


def test_back_off_and_parking_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch, 300.0)

    async def story(world: World, nursery: trio.Nursery) -> None:
        world.add("a")
        world.codes["a"] = ExitCode.AUTHFAIL
        for seed in range(2):
            Machine(world, nursery, seed=seed)
        await trio.sleep(2 * 24 * HOUR)

    world = run(story)
    row = world.rows[1]
    assert row.refusals == len(world.polls["a"]) == 5 or row.refusals == 6
    assert gaps(world.polls["a"])[3] > 0.9 * PARKED_SECONDS


def test_an_account_that_is_watched_is_kept_and_the_next_machine_gets_its_share() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        for number in range(20):
            world.add(f"w{number}", watched=True)
        first = Machine(world, nursery)
        await trio.sleep(10)
        owners = Counter(row.owner for row in world.rows.values())
        assert owners == {first.store.worker: 20}
        assert all(row.watching for row in world.rows.values())
        second = Machine(world, nursery)
        await trio.sleep(60)
        owners = Counter(row.owner for row in world.rows.values())
        assert {first.store.worker, second.store.worker} == owners.keys()
        assert max(owners.values()) <= 12
        polls = sum(map(len, world.polls.values()))
        assert polls < 40
        await trio.sleep(300)
        assert sum(map(len, world.polls.values())) == polls  # all are waiting for news
        world.news["w3"].set()
        await trio.sleep(5)
        assert sum(map(len, world.polls.values())) == polls + 1

    run(story)


def test_an_account_whose_watching_fails_is_given_back_with_its_failure() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        world.add("w", watched=True)
        world.codes["w"] = ExitCode.SOCKET
        Machine(world, nursery)
        await trio.sleep(20)
        row = world.rows[1]
        assert (row.owner, row.failures) == (0, 1)
        world.codes.clear()
        await trio.sleep(2 * INTERVAL)
        assert (row.watching, row.failures) == (True, 0)

    run(story)


def test_a_server_that_cannot_push_is_polled_in_its_interval() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        world.add("w", watched=True)
        world.pushes = False
        Machine(world, nursery)
        await trio.sleep(HOUR)

    assert 11 <= len(run(story).polls["w"]) <= 14


async def watched_and_polled(world: World, nursery: trio.Nursery) -> tuple[Row, Row, Machine]:
    rows = world.add("w", watched=True), world.add("p")
    machine = Machine(world, nursery)
    await trio.sleep(10)
    return *rows, machine


def test_changes_are_taken_up_within_a_second() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        watched, polled, machine = await watched_and_polled(world, nursery)
        watched.paused = True
        world.change(watched)
        await trio.sleep(1)
        assert watched.owner == 0
        before = len(world.polls["p"])
        polled.due = trio.current_time()
        world.change(polled)
        await trio.sleep(1)
        assert len(world.polls["p"]) == before + 1
        watched.paused = False
        world.change(watched)
        await trio.sleep(2.5)
        assert watched.watching
        watched.text = "poll h user other idle"
        world.change(watched)
        await trio.sleep(3)
        assert "other" in world.polls
        world.change(watched)  # "poll now"
        await trio.sleep(3)
        assert len(world.polls["other"]) == 2
        assert machine.said == []

    run(story)


def test_a_row_that_this_machine_cannot_use_rests_and_says_why() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        row = world.add("a")
        row.text = "poll h broken"
        machine = Machine(world, nursery)
        await trio.sleep(10)
        assert row.owner == 0
        assert "broken" in row.problem
        assert len(machine.said) == 1

    run(story)


def test_a_lost_store_is_waited_for_and_said_once() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        watched, polled, machine = await watched_and_polled(world, nursery)
        polled.due = trio.current_time()
        world.lost = True
        await trio.sleep(15)
        assert [("nothing new is polled" in text) for text in machine.said] == [True]
        world.lost = False
        await trio.sleep(5)
        assert len(machine.said) == 2
        assert (watched.watching, len(world.polls["p"])) == (True, 2)

    run(story)


def test_a_poll_that_the_store_has_ended_is_no_failure_of_the_account() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        row = world.add("a")
        row.failures = 1
        world.codes["a"] = ExitCode.IOERR
        machine = Machine(world, nursery)
        await trio.sleep(2.5)
        assert machine.said == []
        assert (row.failures, len(world.polls["a"])) == (1, 1)
        world.codes.clear()
        await trio.sleep(4)
        assert len(world.polls["a"]) == 2

    run(story)


def test_a_machine_that_was_cut_off_for_long_keeps_what_nobody_else_has_taken() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        watched, _, machine = await watched_and_polled(world, nursery)
        world.lost = True
        await trio.sleep(3 * LEASE)
        world.lost = False
        await trio.sleep(LEASE)
        assert watched.watching
        assert watched.owner == machine.store.worker
        assert len(world.polls["w"]) == 1

    run(story)


def test_a_machine_that_was_taken_over_ends_its_connections() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        watched, _, machine = await watched_and_polled(world, nursery)
        watched.owner, watched.epoch = 99, watched.epoch + 1
        world.expires[99] = trio.current_time() + 1000
        await trio.sleep(10)
        assert machine.scheduler.jobs == []
        assert any("another machine has taken over" in text for text in machine.said)
        assert watched.owner == 99

    run(story)


def settings(user: str, host: str = "h") -> AccountSettings:
    return read_row(f"poll {host} user {user}", user)


def test_entries_of_the_rc_file_are_polled_by_machines_that_have_them() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        Machine(world, nursery, own=[settings("a"), settings("b")])
        other = Machine(world, nursery, own=[settings("b")], seed=2)
        await trio.sleep(HOUR)
        assert {row.name for row in world.rows.values()} == {"a@h", "b@h"}
        assert other.said == []
        other.scheduler.set_accounts([settings("b", "other")], INTERVAL)
        await trio.sleep(1)

    world = run(story)
    assert len(world.polls["a"]) >= 11
    assert len(world.polls["b"]) >= 11


def test_waking_polls_the_entries_of_the_rc_file_at_once() -> None:
    async def story(world: World, nursery: trio.Nursery) -> None:
        machine = Machine(world, nursery, own=[settings("a")])
        await trio.sleep(10)
        machine.scheduler.wake()
        await trio.sleep(2)
        assert len(world.polls["a"]) == 2

    run(story)


def test_a_day_of_a_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines come, stop and die: no account is forgotten, and no host is over its budget."""
    slowly(monkeypatch, 60.0)
    accounts, hosts, budget = (5000, 40, 20) if SOAK else (60, 6, 3)
    interval, hours = (1200.0, 24) if SOAK else (1800.0, 12)

    async def story(world: World, nursery: trio.Nursery) -> None:
        for number in range(accounts):
            world.add(f"a{number}", f"h{number % hosts}", watched=number % 10 == 0)
        machines: list[Machine] = []
        for hour in range(hours):
            if hour % 3 == 0 and len(machines) > 1:
                machines.pop(0).kill()
            if hour % 5 == 2 and len(machines) > 1:
                machines.pop(0).leave()
            while len(machines) < 3:
                machines.append(Machine(world, nursery, most=budget, interval=interval, seed=hour))
            world.lost = hour % 7 == 6
            await trio.sleep(60)
            world.lost = False
            await trio.sleep(HOUR - 60)
        assert all(row.watching for row in world.rows.values() if row.watched)

    world = run(story)
    assert len(world.polls) == accounts
    assert max(world.most.values()) <= budget
    for name, times in world.polls.items():
        if int(name[1:]) % 10:
            assert max(gaps([0.0, *times, hours * HOUR])) < 1.1 * interval + LEASE + 240, name
