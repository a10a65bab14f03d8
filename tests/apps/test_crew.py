"""Who may poll at the same time: turns, and one that wants to be alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.apps.cli.lines import Lines
from mailhaul.apps.cli.plan import Surroundings
from mailhaul.apps.daemon import crew as crew_module
from mailhaul.apps.daemon.crew import PER_SERVER, Alone, Crew
from mailhaul.apps.daemon.watching import Told
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Address, Close, Open, Sleep, Tcp
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.runtimes.trio import Turns


def run(story: Any) -> None:
    trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))


def test_one_that_wants_to_be_alone_is_and_the_others_are_not() -> None:
    inside: set[str] = set()
    together: list[set[str]] = []

    async def stay(turns: Alone, name: str, alone: bool, begin: float) -> None:
        await trio.sleep(begin)
        async with turns.turn(alone=alone):
            inside.add(name)
            together.append(set(inside))
            await trio.sleep(1)
            inside.remove(name)

    async def story() -> None:
        turns = Alone()
        async with trio.open_nursery() as nursery:
            for name, alone, begin in (
                ("a", False, 0.0),
                ("b", False, 0.1),
                ("tunnel", True, 0.2),
                ("c", False, 0.3),
                ("d", False, 0.4),
            ):
                nursery.start_soon(stay, turns, name, alone, begin)

    run(story)
    assert {"a", "b"} in together
    assert {"c", "d"} in together
    assert [names for names in together if "tunnel" in names] == [{"tunnel"}]


def test_who_gave_up_waiting_to_be_alone_leaves_the_way_free() -> None:
    async def story() -> None:
        turns = Alone()
        async with turns.turn(alone=False):
            with trio.move_on_after(1) as waiting:
                async with turns.turn(alone=True):
                    raise AssertionError("not alone")
            assert waiting.cancelled_caught
        with trio.fail_after(1):
            async with turns.turn(alone=False):
                pass
            async with turns.turn(alone=True):
                pass

    run(story)


def channel() -> Channel[SmtpClient]:
    return Channel("sink", SmtpClient())


def test_a_connection_waits_for_its_turn_and_gives_it_back() -> None:
    async def story() -> None:
        limiter = trio.CapacityLimiter(1)
        bounded, free = Tcp("sink", 25), Tcp("imap", 143)

        def gate(address: Address) -> trio.CapacityLimiter | None:
            return limiter if address == bounded else None

        first, second = Turns(gate), Turns(gate)
        held, other = channel(), channel()
        await first.before(Open(held, bounded, 1.0))
        with trio.move_on_after(1) as waiting:
            await second.before(Open(other, bounded, 1.0))
        assert waiting.cancelled_caught
        # Another address is nobody's turn, and closing what was not bounded gives nothing back.
        await second.before(Open(other, free, 1.0))
        await second.before(Close(other))
        assert limiter.borrowed_tokens == 1
        await first.before(Close(held))
        assert limiter.borrowed_tokens == 0
        await second.before(Open(other, bounded, 1.0))
        second.end()
        assert limiter.borrowed_tokens == 0

    run(story)


def no_trace(protocol: str) -> None:
    """Trace nothing."""


def told_nobody(code: ExitCode, tells_news: bool) -> None:
    """Do nothing about it."""


def test_connections_that_are_to_wait_for_news_are_made_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once, after a night without network, would be a storm; and much memory at a time."""
    arriving: set[str] = set()
    waiting: set[str] = set()
    together: list[int] = []

    async def stays(
        settings: AccountSettings, around: Surroundings, lines: Lines, told: Told
    ) -> ExitCode:
        arriving.add(settings.remote_user)
        together.append(len(arriving))
        await Sleep(3600.0 if settings.host == "silent" else 1.0)
        arriving.remove(settings.remote_user)
        waiting.add(settings.remote_user)
        told(ExitCode.NOMAIL, True)
        await Sleep(1e6)
        return ExitCode.NOMAIL

    monkeypatch.setattr(crew_module, "watch", stays)
    hosts = ["silent"] * 50 + ["one", "other"] * 100
    rc = tmp_path / "rc"
    rc.write_text(
        "".join(f"poll {host} user u{n} password x idle\n" for n, host in enumerate(hosts))
    )
    rc.chmod(0o600)
    caller = Caller("me", rc.stat().st_uid, str(tmp_path), None, str(tmp_path))
    configuration = load(["-f", str(rc)], caller, bytes)

    async def story() -> None:
        around = Surroundings(
            *(caller, configuration.globals, False, SqliteLedger(str(tmp_path / "ledger"))),
            *(str(tmp_path), "here", no_trace),
        )
        crew, lines = Crew(around, total=100), Lines(0)
        with trio.move_on_after(600):
            async with trio.open_nursery() as nursery:
                for settings in configuration.accounts:
                    nursery.start_soon(crew.watch, settings, lines, told_nobody)

    run(story)
    # A server that does not answer holds up its own accounts, and nobody else's.
    assert len(waiting) == 200
    assert PER_SERVER < max(together) <= 3 * PER_SERVER
