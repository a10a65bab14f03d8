"""Which polls may run at the same time: slots, and exclusive polls."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.apps.polls import limited, pool
from mailhaul.apps.polls.context import PollContext
from mailhaul.apps.polls.exclusive import OPEN_SECONDS, ExclusiveGate
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.places import Places
from mailhaul.apps.polls.pool import PollPool
from mailhaul.apps.polls.watching import PollEnded
from mailhaul.flows.admission import START
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Address, Close, Now, Open, Sleep, UnixSocket
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.engine import Engine
from mailhaul.runtimes.trio import MAX_WAIT_FOR_CALL, Threads


def run(story: Any) -> None:
    trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))


class PollRecorder:
    """Which polls ran together, and when each began."""

    def __init__(self) -> None:
        self.turns = ExclusiveGate()
        self.inside: set[str] = set()
        self.together: list[set[str]] = []
        self.went_in: dict[str, float] = {}

    async def stay(self, name: str, begin: float, how_long: float, *, alone: bool) -> None:
        came = await Now()
        await Sleep(begin)
        async with self.turns.turn(alone=alone):
            self.went_in[name] = await Now() - came
            self.inside.add(name)
            self.together.append(set(self.inside))
            await Sleep(how_long)
            self.inside.remove(name)

    def see(self, *visits: tuple[str, float, float, bool]) -> None:
        async def story() -> None:
            async with trio.open_nursery() as nursery:
                for name, begin, how_long, alone in visits:
                    nursery.start_soon(on_trio.run, self.stay(name, begin, how_long, alone=alone))

        run(story)


def test_an_exclusive_job_runs_alone() -> None:
    recorder = PollRecorder()
    recorder.see(
        ("a", 0.0, 1.0, False),
        ("b", 0.1, 1.0, False),
        ("tunnel", 0.2, 1.0, True),
        ("c", 1.3, 1.0, False),
        ("d", 1.4, 1.0, False),
    )
    assert {"a", "b"} in recorder.together
    assert {"c", "d"} in recorder.together
    assert [names for names in recorder.together if "tunnel" in names] == [{"tunnel"}]


def test_a_waiting_exclusive_job_does_not_block_others() -> None:
    """A poll of a slow server may take hours; the others must be polled meanwhile."""
    recorder = PollRecorder()
    recorder.see(
        ("slow", 0.0, 5000.0, False),
        ("tunnel", 1.0, 10.0, True),
        *((f"p{n}", 5.0 * n, 1.0, False) for n in range(1, 100)),
    )
    assert all(recorder.went_in[f"p{n}"] - 5.0 * n <= OPEN_SECONDS + 11 for n in range(1, 100))
    assert all(recorder.went_in[f"p{n}"] == pytest.approx(5.0 * n) for n in range(1, 12))
    # Nor does it wait for ever, and of all the others it meets the slow one alone.
    assert recorder.went_in["tunnel"] <= 2 * OPEN_SECONDS + 2
    [met] = [names for names in recorder.together if "tunnel" in names]
    assert met == {"slow", "tunnel"}


def test_a_long_exclusive_job_loses_its_exclusivity() -> None:
    recorder = PollRecorder()
    recorder.see(
        ("tunnel", 0.0, 5000.0, True),
        ("second", 1.0, 10.0, True),
        *((f"p{n}", 5.0 * n, 1.0, False) for n in range(1, 100)),
    )
    assert all(recorder.went_in[f"p{n}"] - 5.0 * n <= OPEN_SECONDS + 1 for n in range(1, 100))
    assert all(recorder.went_in[f"p{n}"] == pytest.approx(5.0 * n) for n in range(25, 100))


def test_a_cancelled_exclusive_wait_blocks_nothing() -> None:
    turns = ExclusiveGate()

    async def turn(*, alone: bool, seconds: float = 0.0) -> None:
        async with turns.turn(alone=alone):
            await Sleep(seconds)

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on_trio.run, turn(alone=False, seconds=10.0))
            await trio.sleep(1)
            with trio.move_on_after(1) as waiting:
                await on_trio.run(turn(alone=True))
            assert waiting.cancelled_caught
        with trio.fail_after(1):
            await on_trio.run(turn(alone=False))
            await on_trio.run(turn(alone=True))

    run(story)


def test_a_connection_waits_for_its_place_and_gives_it_back(tmp_path: Path) -> None:
    limiter = Places(1)
    bounded, free = UnixSocket(f"{tmp_path}/sink"), UnixSocket(f"{tmp_path}/imap")
    events: list[str] = []

    def gate(address: Address) -> Places | None:
        return limiter if address == bounded else None

    async def connect(name: str, address: Address, seconds: float) -> None:
        channel = Channel("sink", SmtpClient())
        # What nobody limits has no place, and gives none back.
        await Close(channel)
        await Open(channel, address, 1.0)
        events.append(name)
        await Sleep(seconds)
        await Close(channel)
        await Sleep(100.0)

    async def story() -> None:
        async with trio.open_nursery() as nursery:

            def start(name: str, address: Address, seconds: float) -> trio.CancelScope:
                scope = trio.CancelScope()

                async def one() -> None:
                    with scope:
                        engine = Engine(trio.current_time, gate=gate)
                        await on_trio.run(connect(name, address, seconds), engine)

                nursery.start_soon(one)
                return scope

            for delay, name, address, seconds in (
                *((1.0, "first", bounded, 10.0), (1.0, "second", bounded, 10.0)),
                *((1.0, "other", free, 10.0), (1.0, "cancelled", bounded, 10.0)),
                (1.0, "last", bounded, 10.0),
            ):
                scope = start(name, address, seconds)
                await trio.sleep(delay)
                if name == "cancelled":
                    scope.cancel()
            assert events == ["first", "other"]
            await trio.sleep(10)
            assert events == ["first", "other", "second"]
            await trio.sleep(10)
            assert events == ["first", "other", "second", "last"]
            nursery.cancel_scope.cancel()

    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        for listener, address in ((one, bounded), (other, free)):
            listener.bind(address.path)
            listener.listen()
        run(story)
    assert limiter.ask(object()).is_set


def no_trace(protocol: str) -> None:
    """Trace nothing."""


def told_nobody(code: ExitCode, pushes_news: bool) -> None:
    """Do nothing."""


def test_connections_that_are_to_wait_for_news_are_made_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reconnecting all at once after an outage would overload servers and take much memory."""
    arriving: set[str] = set()
    waiting: set[str] = set()
    together: list[int] = []

    async def stays(
        settings: AccountSettings,
        context: PollContext,
        lines: Lines,
        told: PollEnded,
        begins: Callable[[], None],
    ) -> ExitCode:
        arriving.add(settings.remote_user)
        together.append(len(arriving))
        await Sleep(3600.0 if settings.host == "silent" else 1.0)
        arriving.remove(settings.remote_user)
        waiting.add(settings.remote_user)
        told(ExitCode.NOMAIL, True)
        await Sleep(1e6)
        return ExitCode.NOMAIL

    monkeypatch.setattr(pool, "watch", stays)
    hosts = ["silent"] * 50 + ["one", "other"] * 100
    rc = tmp_path / "rc"
    rc.write_text(
        "".join(f"poll {host} user u{n} password x idle\n" for n, host in enumerate(hosts))
    )
    rc.chmod(0o600)
    caller = Caller("me", rc.stat().st_uid, str(tmp_path), None, str(tmp_path))
    configuration = load(["-f", str(rc)], caller, bytes)

    async def story() -> None:
        context = PollContext(
            *(caller, configuration.globals, False, SqliteLedger(str(tmp_path / "ledger"))),
            *(str(tmp_path), "here", no_trace),
        )
        polls, lines = PollPool(context, total=100), Lines(0)
        with trio.move_on_after(600):
            async with trio.open_nursery() as nursery:
                for settings in configuration.accounts:
                    nursery.start_soon(polls.watch, settings, lines, told_nobody)

    run(story)
    # A server that does not answer holds up its own accounts, and nobody else's.
    assert len(waiting) == 200
    assert START < max(together) <= 3 * START


class World:
    """The accounts of an rc file, and a pool for them."""

    def __init__(self, home: Path, text: str) -> None:
        rc = home / "rc"
        rc.write_text(text)
        rc.chmod(0o600)
        caller = Caller("me", rc.stat().st_uid, str(home), None, str(home))
        configuration = load(["-f", str(rc)], caller, bytes)
        self.accounts = configuration.accounts
        self.err = StringIO()
        self.lines = Lines(1, StringIO(), self.err)
        ledger = SqliteLedger(str(home / "ledger"))
        self.pool = PollPool(
            PollContext(
                *(caller, configuration.globals, False, ledger, str(home), "here", no_trace)
            )
        )


def test_a_password_command_blocks_no_other_account_and_can_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bytes] = []

    async def polls(settings: AccountSettings, context: PollContext, lines: Lines) -> ExitCode:
        assert settings.password
        given.append(settings.password.reveal())
        return ExitCode.NOMAIL

    monkeypatch.setattr(limited, "poll_account", polls)
    world = World(
        tmp_path,
        f"poll slow user joe passwordeval 'echo $$ >{tmp_path}/pid; sleep 60; echo no'\n"
        "poll fast user ann passwordeval 'echo sesame'\n",
    )
    slow, fast = world.accounts

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.pool.poll, slow, world.lines)
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
                await trio.sleep(0.01)
            with trio.fail_after(20):
                assert await world.pool.poll(fast, world.lines) is ExitCode.NOMAIL
            nursery.cancel_scope.cancel()

    began = time.monotonic()
    trio.run(story)
    assert given == [b"sesame"]
    assert time.monotonic() - began < 30
    pid = (tmp_path / "pid").read_text().strip()
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() - began < 30


def test_a_failed_password_command_is_not_a_refused_login(tmp_path: Path) -> None:
    world = World(tmp_path, "poll h proto imap user joe passwordeval 'exit 1' idle\n")
    told: list[tuple[ExitCode, bool]] = []

    async def story() -> None:
        [joe] = world.accounts
        assert await world.pool.poll(joe, world.lines) is ExitCode.IOERR
        code = await world.pool.watch(joe, world.lines, lambda *each: told.append(each))
        assert code is ExitCode.IOERR

    trio.run(story)
    assert told == [(ExitCode.IOERR, False)]
    assert world.err.getvalue().count("passwordeval: the command ended with status 1") == 2


def test_a_connection_that_waits_for_news_has_the_password_of_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watches(settings: AccountSettings, *_: Any) -> ExitCode:
        assert settings.password
        assert settings.password.reveal() == b"sesame"
        return ExitCode.NOMAIL

    monkeypatch.setattr(pool, "watch", watches)
    world = World(tmp_path, "poll h proto imap user joe passwordeval 'echo sesame' idle\n")
    code = trio.run(world.pool.watch, world.accounts[0], world.lines, told_nobody)
    assert code is ExitCode.NOMAIL


def test_a_thread_that_hangs_is_abandoned() -> None:
    over = Event()
    ended: list[int] = []

    def slow() -> None:
        over.wait(0.5)
        ended.append(1)

    async def story() -> None:
        threads = Threads(1)
        with trio.move_on_after(0.05):
            # A message that is half written is not begun anew beside it.
            await threads.run(slow)
        assert ended == [1]
        with trio.move_on_after(0.05) as hanging:
            await threads.run(lambda: over.wait(60))
        assert hanging.cancelled_caught
        # It keeps its place; who waits for that can be cancelled at once.
        with trio.move_on_after(0.05) as waiting:
            await threads.run(lambda: None)
        assert waiting.cancelled_caught
        over.set()
        with trio.fail_after(20):
            assert await threads.run(lambda: "once more") == "once more"

    began = time.monotonic()
    trio.run(story)
    assert MAX_WAIT_FOR_CALL < time.monotonic() - began < 20


def test_users_and_servers_that_were_polled_once_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("mailhaul.apps.polls.limited.MAX_KNOWN", 3)
    context: Any = SimpleNamespace(globals=SimpleNamespace(maxconnections=9))
    limits = limited.Limits(context, lambda: 0.0)
    values = {"pollname": "h0", "remote_user": "u", "maildir": str(tmp_path)}
    first = AccountSettings(values)
    limits.register(first)
    held = limits.account(first)
    held.ask("poll")
    slot = limits.slot(first)
    slot.ask("poll")
    for number in range(1, 50):
        other = AccountSettings({**values, "pollname": f"h{number}"})
        limits.register(other)
        limits.account(other)
    assert limits.account(first) is held
    assert limits.connections == 1
    assert len(limits._servers) <= 5
    assert len(limits._accounts) <= 5
