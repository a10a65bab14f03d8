"""The scheduler on a simulated clock: a day of a thousand accounts, a year of ten."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.sources.imap_notify import NotWatched
from mailhaul.apps.daemon.scheduler import Scheduler
from mailhaul.apps.polls.alerts import News
from mailhaul.apps.polls.jobs import WATCHED, Job, jobs_for
from mailhaul.apps.polls.limited import NO_HOOKS, Hooks
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.pool import PollPool
from mailhaul.apps.polls.watching import PollEnded
from mailhaul.flows.alerts import Change
from mailhaul.flows.outcome import ExitCode

DAY = 24 * 3600.0


@dataclass
class Box:
    """One user's mailbox on a simulated server."""

    waiting: int = 0
    delivered: int = 0
    polls: int = 0
    open: int = 0
    most_open: int = 0
    takes: float = 0.1
    messages: int = 1
    begun: int = 0
    waits_for_turn: float = 0.0
    login_delay: float = 0.0
    rests: float = 0.0
    polling: int = 0
    most_polling: int = 0
    refused: int = 0
    password: bool = True
    up: bool = True
    news: trio.Event = field(default_factory=trio.Event)

    def arrive(self) -> None:
        self.waiting += 1
        self.news.set()

    def look(self) -> ExitCode:
        self.polls += 1
        if not self.up:
            return ExitCode.SOCKET
        if not self.password:
            self.refused += 1
            return ExitCode.AUTHFAIL
        code = ExitCode.SUCCESS if self.waiting else ExitCode.NOMAIL
        self.delivered += self.waiting
        self.waiting = 0
        self.news = trio.Event()
        return code


class FakePool:
    """Simulated polls; each takes a moment."""

    def __init__(self) -> None:
        self.boxes: dict[str, Box] = {}
        self.notifies = True
        self.told: list[tuple[str, bool, float]] = []
        self.fails_to_tell = False
        self.fault: Exception | None = None

    def box(self, settings: AccountSettings) -> Box:
        return self.boxes.setdefault(settings.remote_user, Box())

    async def poll(
        self, settings: AccountSettings, lines: Lines, hooks: Hooks = NO_HOOKS
    ) -> ExitCode:
        box = self.box(settings)
        if box.waits_for_turn:
            await trio.sleep(box.waits_for_turn)
        hooks.begun()
        hooks.login_delay(box.login_delay)
        if box.rests:
            hooks.resting(box.rests)
        box.polling += 1
        box.most_polling = max(box.most_polling, box.polling)
        for _ in range(box.messages):
            # The poll of one message after the other.
            if not hooks.stopping():
                await trio.sleep(box.takes)
                box.begun += 1
        box.polling -= 1
        return box.look()

    async def tell(self, news: News, settings: AccountSettings, lines: Lines) -> bool:
        refused = news.change is Change.FAILURE
        self.told.append((settings.remote_user, refused, trio.current_time()))
        if self.fault:
            raise self.fault
        return not self.fails_to_tell

    async def watch(
        self,
        settings: AccountSettings,
        lines: Lines,
        told: PollEnded,
        hooks: Hooks = NO_HOOKS,
    ) -> ExitCode:
        box = self.box(settings)
        box.open += 1
        box.most_open = max(box.most_open, box.open)
        try:
            while True:
                hooks.begun()
                await trio.sleep(box.takes)
                code = box.look()
                if len(settings.folders) > 1 and not self.notifies:
                    raise NotWatched("the server does not offer NOTIFY")
                told(code, code is not ExitCode.SOCKET and code is not ExitCode.AUTHFAIL)
                if code in (ExitCode.SOCKET, ExitCode.AUTHFAIL):
                    return code
                with trio.move_on_after(28 * 60):
                    await box.news.wait()
                if not box.up:
                    return ExitCode.SOCKET
        finally:
            box.open -= 1


class World:
    """A scheduler with such a pool."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.pool = FakePool()
        self.said: list[str] = []
        lines = Lines(0)
        lines.complain = lambda text, *_: self.said.append(text)  # type: ignore[method-assign]
        chance = random.Random(1).random
        self.scheduler = Scheduler(
            cast(PollPool, self.pool),
            lines,
            chance=chance,
            wall_clock=lambda: trio.current_time() + 1e9,
        )

    def accounts(self, text: str) -> tuple[AccountSettings, ...]:
        path = self.home / "rc"
        path.write_text(text)
        path.chmod(0o600)
        caller = Caller("me", path.stat().st_uid, str(self.home), None, str(self.home))
        return load(["-f", str(path)], caller, bytes).accounts

    def run(self, story: Callable[[], Awaitable[None]], text: str, interval: float) -> None:
        """Schedule these accounts during these events; the clock jumps to the next one."""

        async def main() -> None:
            self.scheduler.set_accounts(self.accounts(text), interval)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.scheduler.run)
                await story()
                self.scheduler.stop()

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def entries(count: int, options: str = "") -> str:
    return "".join(
        f"poll h{n % 7} proto imap user u{n} pass p {options} maildir x{n}\n" for n in range(count)
    )


def test_a_day_of_a_thousand_accounts_with_outages_and_wrong_passwords(world: World) -> None:
    chance = random.Random(7)

    async def story() -> None:
        boxes = [world.pool.boxes.setdefault(f"u{n}", Box()) for n in range(1000)]
        sent = 0
        for hour in range(24):
            for box in chance.sample(boxes, 200):
                box.arrive()
                sent += 1
            down = chance.sample(boxes, 50)
            wrong = [box for box in chance.sample(boxes, 20) if box not in down]
            for box in down:
                box.up = False
            for box in wrong:
                box.password = False
            await trio.sleep(1800)
            if hour == 12:
                world.scheduler.wake()
            for box in (*down, *wrong):
                box.up = box.password = True
            await trio.sleep(1800)
        # The longest that anybody is left alone, but for parked ones.
        await trio.sleep(2 * 3600 * 1.2)
        late = [box for box in boxes if box.waiting]
        # Who was refused four times in an unlucky day is tried once a day, or when woken.
        assert [box for box in late if box.refused < 4] == []
        world.scheduler.wake()
        await trio.sleep(60)
        assert sum(box.delivered for box in boxes) == sent
        assert all(box.polls >= 24 for box in boxes)

    world.run(story, entries(1000), 900.0)


def test_a_year_of_ten_accounts(world: World) -> None:
    chance = random.Random(3)

    async def story() -> None:
        boxes = [world.pool.boxes.setdefault(f"u{n}", Box()) for n in range(10)]
        sent = 0
        for day in range(365):
            box = boxes[day % 10]
            box.arrive()
            sent += 1
            other = chance.choice(boxes)
            other.password = day % 30 != 0
            other.up = day % 11 != 0
            await trio.sleep(DAY / 2)
            other.password = other.up = True
            await trio.sleep(DAY / 2)
        await trio.sleep(2 * DAY)
        assert [box.waiting for box in boxes] == [0] * 10
        assert sum(box.delivered for box in boxes) == sent
        # Nobody is hammered: a handful on each of the thirteen days with a wrong password.
        assert sum(box.refused for box in boxes) <= 13 * 6

    world.run(story, entries(10), 3600.0)


def test_mail_where_the_server_tells_is_there_within_a_second_all_year(world: World) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box())
        await trio.sleep(5)
        for _ in range(365):
            await trio.sleep(DAY)
            box.arrive()
            await trio.sleep(1.0)
            assert box.waiting == 0
        assert box.most_open == 1

    world.run(story, entries(1, "idle"), 300.0)


def test_a_connection_that_waits_comes_back_after_an_outage(world: World) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box())
        await trio.sleep(5)
        box.up = False
        box.news.set()
        await trio.sleep(3600)
        box.up = True
        box.arrive()
        await trio.sleep(3600 * 1.2)
        assert box.waiting == 0
        assert box.open == 1

    world.run(story, entries(1, "idle"), 300.0)


MANY = ",".join(f"F{n}" for n in range(WATCHED + 5))


def test_one_connection_watches_all_folders_but_those_that_the_server_has_to_name(
    world: World,
) -> None:
    async def story() -> None:
        await trio.sleep(3600)
        assert world.pool.boxes["u0"].most_open == 1
        whole, rest = world.scheduler.jobs
        assert (whole.name, whole.watched, state_of(whole)) == (
            f"u0@h0 ({WATCHED + 5} folders)",
            True,
            "watching",
        )
        assert (rest.name, rest.watched, rest.settings.folders) == ("u0@h0", False, ("Lists/*",))
        # Two polls of one mailbox at a time would deliver its mail twice.
        assert rest.settings.elsewhere == whole.settings.folders

    world.run(story, entries(1, f'folder {MANY},"Lists/*" idle'), 300.0)


def test_folders_that_had_to_be_taken_apart_stay_so_over_a_reload(world: World) -> None:
    world.pool.notifies = False

    async def story() -> None:
        await trio.sleep(10)
        before = list(world.scheduler.jobs)
        assert [job.name for job in before] == ["u0@h0 (A)", "u0@h0 (B)"]
        assert [state_of(job) for job in before] == ["watching", "watching"]
        polls = world.pool.boxes["u0"].polls
        world.scheduler.set_accounts(world.accounts(entries(2, "folder A,B idle")), 300.0)
        await trio.sleep(10)
        assert world.scheduler.jobs[:2] == before
        assert world.pool.boxes["u0"].polls == polls
        assert len(world.scheduler.jobs) == 4

    world.run(story, entries(1, "folder A,B idle"), 300.0)


def test_many_accounts_are_taken_apart_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pool.notifies = False
    made, compared = 0, 0

    def count(*arguments: Any, **more: Any) -> Iterator[Job]:
        nonlocal made
        made += 1
        return jobs_for(*arguments, **more)

    def compare(text: bytes) -> Any:
        nonlocal compared
        compared += 1
        return blake2b(text)

    monkeypatch.setattr("mailhaul.apps.daemon.scheduler.jobs_for", count)
    monkeypatch.setattr("mailhaul.apps.polls.jobs.blake2b", compare)

    async def story() -> None:
        await trio.sleep(10)
        states = [state_of(job) for job in world.scheduler.jobs]
        assert states == ["watching"] * 200

    world.run(story, entries(100, "folder A,B idle"), 300.0)
    assert made <= 300
    assert compared <= 800


def test_an_entry_that_cannot_be_taken_apart_ends_neither_the_others_nor_the_daemon(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pool.notifies = False

    def fail(settings: AccountSettings, *values: Any, **named: Any) -> Iterator[Job]:
        if settings.remote_user == "u0" and named.get("apart"):
            raise ZeroDivisionError
        return jobs_for(settings, *values, **named)

    monkeypatch.setattr("mailhaul.apps.daemon.scheduler.jobs_for", fail)

    async def story() -> None:
        await trio.sleep(200)
        names = [job.name for job in world.scheduler.jobs]
        assert names == ["u0@h0 (2 folders)", "u1@h1 (A)", "u1@h1 (B)"]
        assert [state_of(job) for job in world.scheduler.jobs[1:]] == ["watching"] * 2
        # It is polled all the same.
        assert world.pool.boxes["u0"].polls > 2

    world.run(story, entries(2, "folder A,B idle"), 60.0)
    assert world.said[0].startswith("u0@h0: internal error, please report it: ZeroDivisionError")
    assert len(world.said) <= 4


def test_no_user_has_more_connections_than_his_budget(world: World) -> None:
    world.pool.notifies = False

    async def story() -> None:
        await trio.sleep(3600)
        assert world.pool.boxes["u0"].most_open == WATCHED
        assert [job.watched for job in world.scheduler.jobs].count(False) == 1
        (rest,) = [job for job in world.scheduler.jobs if not job.watched]
        assert len(rest.settings.folders) == 5

    world.run(story, entries(1, f"folder {MANY} idle"), 300.0)


def test_a_user_in_two_entries_has_one_budget(world: World) -> None:
    folders = ",".join(f"F{n}" for n in range(WATCHED - 3))
    text = "".join(
        f"poll h via imap.x proto imap user {user} pass p folder {where} idle maildir x\n"
        for user, where in (("joe", folders), ("joe", "A,B,C,D,E"), ("ann", "A,B"))
    )

    world.pool.notifies = False

    async def story() -> None:
        await trio.sleep(3600)
        assert world.pool.boxes["joe"].most_open == WATCHED
        assert world.pool.boxes["ann"].most_open == 2
        (rest,) = [job for job in world.scheduler.jobs if not job.watched]
        assert rest.settings.folders == ("D", "E")

    world.run(story, text, 300.0)


def test_a_reload_leaves_alone_what_has_not_changed(world: World) -> None:
    async def story() -> None:
        await trio.sleep(10)
        before = {job.name: job for job in world.scheduler.jobs}
        world.scheduler.set_accounts(
            world.accounts(entries(3).replace("pass p", "pass q", 1)), 300.0
        )
        after = {job.name: job for job in world.scheduler.jobs}
        assert after["u0@h0"] is not before["u0@h0"]
        assert after["u1@h1"] is before["u1@h1"]
        await trio.sleep(10)
        assert [world.pool.boxes[f"u{n}"].polls for n in range(3)] == [2, 1, 1]
        world.scheduler.set_accounts(world.accounts(entries(1)), 300.0)
        await trio.sleep(1000)
        assert world.pool.boxes["u2"].polls == 1

    world.run(story, entries(3), 300.0)


def test_a_reload_during_a_poll_waits_for_its_end(
    world: World,
) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box(takes=30.0))
        await trio.sleep(10)
        for options in ("fetchlimit 5", "fetchlimit 6", "fetchlimit 7"):
            world.scheduler.set_accounts(world.accounts(entries(1, options)), 300.0)
            await trio.sleep(5)
        assert (box.polls, box.polling) == (0, 1)
        await trio.sleep(10)
        assert (box.polls, box.polling) == (1, 1)
        await trio.sleep(100)
        assert (box.polls, box.polling, box.most_polling) == (2, 0, 1)

    world.run(story, entries(1), 300.0)


def test_the_poll_of_a_removed_entry_ends_when_the_daemon_stops(world: World) -> None:
    box = world.pool.boxes.setdefault("u0", Box(takes=10.0))

    async def story() -> None:
        await trio.sleep(5)
        world.scheduler.set_accounts((), 300.0)

    world.run(story, entries(1), 300.0)
    assert box.polls == 1


def test_a_wrong_password_is_reported_once_and_a_wake_up_tries_again(world: World) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box())
        box.password = False
        await trio.sleep(10 * DAY)
        assert box.refused <= 4 + 11
        assert len(world.said) == 1
        assert "tried once a day" in world.said[0]
        box.password = True
        box.arrive()
        world.scheduler.wake()
        await trio.sleep(1)
        assert box.delivered == 1

    world.run(story, entries(1), 60.0)


def test_another_network_makes_all_anew_but_no_password_right(world: World) -> None:
    async def story() -> None:
        boxes = [world.pool.boxes.setdefault(f"u{n}", Box()) for n in range(4)]
        watching, failing, refused, _paused = boxes
        failing.up = refused.password = False
        world.scheduler.pause(world.scheduler.jobs[3], paused=True)
        await trio.sleep(DAY / 2)
        failing.up = True
        polls = [box.polls for box in boxes]
        world.scheduler.renew()
        await trio.sleep(1)
        assert [box.polls - before for box, before in zip(boxes, polls, strict=True)] == [
            1,
            1,
            0,
            0,
        ]
        assert watching.open == 1

    world.run(story, entries(1, "idle") + entries(4).partition("\n")[2], 300.0)


def test_an_unexpected_exception_affects_one_job_only(world: World) -> None:
    async def story() -> None:
        await trio.sleep(1)
        world.pool.boxes["u0"].look = lambda: 1 // 0  # type: ignore[method-assign,assignment,return-value]
        await trio.sleep(3600)
        assert world.pool.boxes["u1"].polls > 50
        assert "u0@h0: internal error, please report it: ZeroDivisionError" in world.said[0]
        assert len(world.said) < 10

    world.run(story, entries(2), 60.0)


def test_a_login_delay_is_respected_except_when_woken(
    world: World,
) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box(login_delay=900.0))
        await trio.sleep(DAY)
        assert box.polls == DAY // 900
        world.scheduler.wake()
        await trio.sleep(1)
        assert box.polls == DAY // 900 + 1

    world.run(story, entries(1), 60.0)


def test_a_paused_account_is_not_polled_until_resumed(world: World) -> None:
    async def story() -> None:
        await trio.sleep(1)
        (job,) = world.scheduler.jobs
        world.scheduler.pause(job, paused=True)
        await trio.sleep(DAY)
        assert state_of(job) == "paused"
        polls = world.pool.boxes["u0"].polls
        world.scheduler.pause(job, paused=False)
        await trio.sleep(1)
        assert world.pool.boxes["u0"].polls == polls + 1

    world.run(story, entries(1), 60.0)


def state_of(job: Job) -> str:
    return job.state


def test_the_user_gets_mail_after_the_third_refused_login_and_when_it_works_again(
    world: World,
) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box())
        box.password = False
        await trio.sleep(10 * DAY)
        [(who, refused, when)] = world.pool.told
        assert (who, refused) == ("u0", True)
        # After the first, five minutes and fifteen.
        assert when == pytest.approx(1200, rel=0.1)
        box.password = True
        world.scheduler.wake()
        await trio.sleep(DAY)
        assert [told[1] for told in world.pool.told] == [True, False]

    world.run(story, entries(1), 60.0)


def test_a_wake_up_before_the_third_refusal_does_not_suppress_the_notice(world: World) -> None:
    async def story() -> None:
        world.pool.boxes.setdefault("u0", Box()).password = False
        for _ in range(10):
            await trio.sleep(60)
            world.scheduler.wake()
        assert [told[1] for told in world.pool.told] == [True]

    world.run(story, entries(1), 3600.0)


def test_notices_sent_are_remembered_after_a_changed_entry(world: World) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box())
        box.password = False
        await trio.sleep(DAY)
        box.password = True
        world.scheduler.set_accounts(world.accounts(entries(1).replace("pass p", "pass q")), 60.0)
        await trio.sleep(10)
        assert [told[1] for told in world.pool.told] == [True, False]

    world.run(story, entries(1), 60.0)


def test_what_could_not_be_told_is_tried_again(world: World) -> None:
    async def story() -> None:
        world.pool.boxes.setdefault("u0", Box()).password = False
        world.pool.fails_to_tell = True
        await trio.sleep(3 * DAY)
        assert len(world.pool.told) > 1
        world.pool.fails_to_tell = False
        await trio.sleep(2 * DAY)
        before = len(world.pool.told)
        await trio.sleep(5 * DAY)
        assert len(world.pool.told) == before

    world.run(story, entries(1), 60.0)


def test_a_fault_in_telling_fails_no_poll(world: World) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box())
        box.up = False
        world.pool.fault = ValueError("a bug")
        await trio.sleep(DAY)
        assert box.polls > 10
        assert any("the user cannot be told: ValueError" in line for line in world.said)

    world.run(story, entries(1), 60.0)


def test_a_server_that_is_down_is_told_once_and_so_is_its_return(world: World) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box())
        await trio.sleep(1000)
        assert world.pool.told == []
        box.up = False
        down_at = trio.current_time()
        await trio.sleep(DAY)
        [(_, failing, when)] = world.pool.told
        assert failing
        # Three polls a minute apart, of which the third waits twice as long.
        assert when - down_at < 5 * 60.0
        box.up = True
        await trio.sleep(DAY)
        assert [told[1] for told in world.pool.told] == [True, False]

    world.run(story, entries(1), 60.0)


def test_folders_with_connections_of_their_own_are_one_entry(world: World) -> None:
    async def story() -> None:
        world.pool.notifies = False
        box = world.pool.boxes.setdefault("u0", Box())
        await trio.sleep(1000)
        assert len(world.scheduler.jobs) == 3
        box.up = False
        await trio.sleep(DAY)
        assert [told[1] for told in world.pool.told] == [True]
        box.up = True
        await trio.sleep(DAY)
        assert [told[1] for told in world.pool.told] == [True, False]

    world.run(story, entries(1, "idle folder a b c"), 60.0)


def test_alertafter_says_after_how_many_failures(world: World) -> None:
    async def story() -> None:
        for n in range(2):
            world.pool.boxes.setdefault(f"u{n}", Box()).up = False
        await trio.sleep(DAY)
        assert [who for who, _, _ in world.pool.told] == ["u0"]
        assert world.pool.told[0][2] < 1.0

    world.run(story, entries(1, "alertafter 1") + entries(2, "alertafter 0").splitlines()[1], 60.0)


def test_an_account_rests_as_long_as_its_server_wants(world: World) -> None:
    async def story() -> None:
        box = world.pool.boxes.setdefault("u0", Box(rests=1000.0))
        await trio.sleep(990)
        assert box.polls == 1
        box.rests = 0.0
        await trio.sleep(300)
        assert box.polls > 4

    world.run(story, entries(2), 60.0)


def test_every_sets_the_interval_of_an_entry(world: World) -> None:
    async def story() -> None:
        await trio.sleep(3600 - 1)
        assert world.pool.boxes["u0"].polls == 40
        assert world.pool.boxes["u1"].polls == 6

    often = "poll h0 proto imap every 90s user u0 pass p maildir x\n"
    world.run(story, often + entries(2).splitlines()[1], 600.0)


def test_changed_rules_let_no_further_message_begin_and_the_rest_comes_at_once(
    world: World,
) -> None:
    box = world.pool.boxes.setdefault("u0", Box(takes=10.0, messages=100))

    async def story() -> None:
        await trio.sleep(95)
        world.scheduler.restart_polls()
        await trio.sleep(6)
        assert (box.polls, box.polling, box.begun) == (1, 1, 10)

    world.run(story, entries(1), 3600.0)


def test_an_entry_that_has_changed_lets_no_further_message_begin(world: World) -> None:
    box = world.pool.boxes.setdefault("u0", Box(takes=10.0, messages=100))

    async def story() -> None:
        await trio.sleep(95)
        world.scheduler.set_accounts(world.accounts(entries(1, "keep")), 3600.0)
        await trio.sleep(6)
        assert (box.polls, box.polling, box.begun) == (1, 1, 10)
        assert box.most_polling == 1

    world.run(story, entries(1), 3600.0)


def test_changed_rules_make_connections_anew_but_forget_no_failures(world: World) -> None:
    async def story() -> None:
        watching = world.pool.boxes.setdefault("u0", Box())
        failing = world.pool.boxes.setdefault("u1", Box(up=False))
        await trio.sleep(DAY)
        polls, others = watching.polls, failing.polls
        world.scheduler.restart_polls()
        await trio.sleep(1)
        assert (watching.polls, watching.open, failing.polls) == (polls + 1, 1, others)

    world.run(story, entries(1, "idle") + entries(2).partition("\n")[2], 300.0)


def test_another_interval_breaks_no_connection_and_counts_at_once(world: World) -> None:
    async def story() -> None:
        await trio.sleep(10)
        before = list(world.scheduler.jobs)
        world.scheduler.set_accounts(world.accounts(TWO), 60.0)
        assert world.scheduler.jobs == before
        await trio.sleep(100)
        assert [world.pool.boxes[f"u{n}"].polls for n in range(2)] == [1, 2]

    two = TWO
    world.run(story, two, 3600.0)


TWO = entries(1, "idle") + entries(2).partition("\n")[2]


def test_no_interval_makes_polls_without_a_pause(world: World) -> None:
    async def story() -> None:
        world.pool.boxes["bad"] = bad = Box(up=False)
        await trio.sleep(100)
        assert world.pool.boxes["u0"].polls <= 101
        assert bad.polls <= 10

    world.run(story, entries(1) + entries(1).replace("u0", "bad"), 0.0)


def test_two_entries_of_one_user_are_distinguished(world: World) -> None:
    """Otherwise the success of one entry would hide the failure of the other."""
    text = "".join(
        f"poll h proto {kind} user {user} pass p {folder} maildir {where}\n"
        for user, kind, folder, where in (
            ("joe", "imap", "", "x"),
            ("joe", "imap", "folder Work", "x"),
            ("ann", "pop3", "", "x"),
            ("ann", "imap", "", "x"),
            ("sue", "imap port 1143", "", "x"),
            ("sue", "imap port 1143", "", "y"),
        )
    )

    async def story() -> None:
        await trio.sleep(1)
        names = [job.name for job in world.scheduler.jobs]
        assert names == [
            "joe@h",
            "joe@h (Work)",
            "ann@h pop3",
            "ann@h imap",
            "sue@h imap:1143",
            "sue@h imap:1143 #2",
        ]
        assert set(world.scheduler.last_success) == set(names)

    world.run(story, text, 300.0)


def test_a_waiting_poll_does_not_begin_when_the_daemon_stops(world: World) -> None:
    box = world.pool.boxes.setdefault("u0", Box(waits_for_turn=10.0))

    async def story() -> None:
        await trio.sleep(5)

    world.run(story, entries(1), 300.0)
    assert box.polls == 0


def test_news_that_is_being_fetched_arrives_when_the_daemon_stops(world: World) -> None:
    box = world.pool.boxes.setdefault("u0", Box())

    async def story() -> None:
        await trio.sleep(5)
        box.takes = 10.0
        box.arrive()
        await trio.sleep(5)

    world.run(story, entries(1, "idle"), 300.0)
    assert box.delivered == 1
