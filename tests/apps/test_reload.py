"""A reload applies everything: global options, accounts, the log, the pidfile."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import trio

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.options import GLOBAL, OPTIONS
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.apps.daemon import service as service_module
from mailhaul.apps.daemon.service import Service
from mailhaul.apps.polls import limited
from mailhaul.apps.polls.accounts import policy_of
from mailhaul.apps.polls.context import PollContext
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.pidfile import PidFile, running
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Sleep

ENTRY = "poll h proto imap user joe password sesame maildir x\n"


@dataclass
class Running:
    """A daemon whose polls only record their options."""

    home: Path
    polls: list[PollContext] = field(default_factory=list[PollContext])
    out: StringIO = field(default_factory=StringIO)
    syslog: StringIO = field(default_factory=StringIO)
    service: Any = None
    pidfile: Any = None

    def write(self, text: str) -> None:
        path = self.home / "rc"
        path.write_text(text)
        path.chmod(0o600)

    async def poll(self, settings: AccountSettings, context: PollContext, lines: Lines) -> ExitCode:
        self.polls.append(context)
        lines.complain("polled")
        await Sleep(0.001)
        return ExitCode.NOMAIL

    def live(self, story: Callable[[], Awaitable[None]], text: str) -> None:
        """Run a daemon with this rc file and these events."""
        self.write(text)
        caller = Caller("me", os.getuid(), str(self.home), str(self.home), str(self.home))
        arguments = ["-f", str(self.home / "rc")]
        lines = Lines(1, self.out, self.out)
        configuration = load(arguments, caller, bytes)
        self.pidfile = PidFile(str(self.home / "mailhaul.pid"))
        self.pidfile.take(300)
        self.service = Service(configuration, caller, lines, arguments, pidfile=self.pidfile)

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.service.run)
                await self.until(lambda: len(self.polls) == 1)
                await story()
                self.service.scheduler.stop()

        try:
            trio.run(main)
        finally:
            self.pidfile.release()
            self.service._lines.change(Lines(0))

    async def until(self, met: Callable[[], object]) -> None:
        with trio.fail_after(20):
            while not met():
                await trio.sleep(0.005)

    async def reload_and_poll(self, text: str) -> PollContext:
        """Change the file; return the value that the next poll uses."""
        self.write(text)
        before = len(self.polls)
        await self.service.reload()
        self.service.scheduler.wake()
        await self.until(lambda: len(self.polls) > before)
        return self.polls[-1]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    daemon = Running(tmp_path)
    monkeypatch.setattr(limited, "poll_account", daemon.poll)
    return daemon


def of_polls(name: str, value: object) -> Callable[[Running, PollContext], bool]:
    """Expect polls to use a value."""
    return lambda daemon, context: getattr(context.globals, name) == value


def bounces(daemon: Running, context: PollContext) -> bool:
    [settings] = daemon.service._configuration.accounts
    policy = policy_of(settings, context.globals)
    return not policy.softbounce and policy.spambounce and not policy.bouncemail


def interval_is(seconds: float) -> Callable[[Running, PollContext], bool]:
    return lambda daemon, context: (
        daemon.service.scheduler.jobs[0].schedule.interval == seconds
        and (daemon.home / "mailhaul.pid").read_text().split()[1] == str(int(seconds))
    )


def log_has(name: str, text: str) -> Callable[[Running, PollContext], bool]:
    return lambda daemon, context: text in (daemon.home / name).read_text()


def moved(daemon: Running, context: PollContext) -> bool:
    there = running(str(daemon.home / "other.pid"))
    return there == os.getpid() and not (daemon.home / "mailhaul.pid").exists()


def serves_metrics(daemon: Running, context: PollContext) -> bool:
    return bool(daemon.service._metrics_wanted.is_set())


EXPECTED: dict[str, tuple[str, Callable[[Running, PollContext], bool]]] = {
    "daemon": ("set daemon 77", interval_is(77.0)),
    "logfile": ('set logfile "HOME/log"', log_has("log", "mailhaul: joe@h: polled")),
    "jsonlog": ('set jsonlog set logfile "HOME/log"', log_has("log", '"account": "joe@h"')),
    "syslog": ("set syslog", lambda daemon, context: "polled" in daemon.syslog.getvalue()),
    "pidfile": ('set pidfile "HOME/other.pid"', moved),
    "idfile": ('set idfile "/x/ids"', of_polls("idfile", "/x/ids")),
    "postmaster": ("set postmaster boss", of_polls("postmaster", "boss")),
    "bouncemail": ("set no bouncemail set spambounce set no softbounce", bounces),
    "spambounce": ("set no bouncemail set spambounce set no softbounce", bounces),
    "softbounce": ("set no bouncemail set spambounce set no softbounce", bounces),
    "invisible": ("set invisible", of_polls("invisible", True)),
    "showdots": ("set showdots", of_polls("showdots", True)),
    "maxconnections": ("set maxconnections 5", of_polls("maxconnections", 5)),
    "progress": ("set no progress", of_polls("progress", False)),
    "metrics": ("set metrics '127.0.0.1:0'", serves_metrics),
    "metricsanywhere": ("set metricsanywhere", of_polls("metricsanywhere", True)),
    "oauthstore": ("set oauthstore keyring", of_polls("oauthstore", "keyring")),
    # The ledger that is open stays.
    "store": ("set store sqlite", lambda daemon, context: not context.ledger.is_shared),
    "storekeyfile": ("set storekeyfile /x/key", of_polls("storekeyfile", "/x/key")),
    "lease": ("set lease 60", of_polls("lease", 60)),
    "commands": ('set command x "y"', of_polls("commands", (("x", "y"),))),
    "storefolders": ("set storefolders /x", of_polls("storefolders", ("/x",))),
    "storehosts": ("set storehosts h", of_polls("storehosts", ("h",))),
    # For other programs.
    "properties": ("set properties x", lambda daemon, context: True),
}
"""For each word after ``set``: what a reload finds, and what is so from the next poll on."""


@pytest.mark.parametrize("name", sorted({one.name for one in OPTIONS if one.level == GLOBAL}))
def test_a_reload_applies_every_global_option(
    daemon: Running, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name in EXPECTED, f"what does a reload do with a new value of {name}?"
    words, met = EXPECTED[name]
    (daemon.home / "log").touch()
    monkeypatch.setattr("mailhaul.apps.polls.logs.Syslog", lambda *_, **__: daemon.syslog)

    async def story() -> None:
        interval = "" if name == "daemon" else "set daemon 300\n"
        words_here = words.replace("HOME", str(daemon.home))
        context = await daemon.reload_and_poll(f"{interval}{words_here}\n{ENTRY}")
        assert met(daemon, context)

    daemon.live(story, f"set daemon 300\n{ENTRY}")


@pytest.mark.parametrize("gone", ["", "set daemon 0\n"])
def test_a_file_without_an_interval_leaves_the_old_one(daemon: Running, gone: str) -> None:
    async def story() -> None:
        daemon.write(gone + ENTRY)
        await daemon.service.reload()
        await trio.sleep(0.3)
        assert len(daemon.polls) == 1
        assert 'no "set daemon": the interval of 300 s stays' in daemon.out.getvalue()

    daemon.live(story, f"set daemon 300\n{ENTRY}")


def test_changed_rules_are_gone_by_at_once_others_break_nothing(daemon: Running) -> None:
    async def story() -> None:
        [job] = daemon.service.scheduler.jobs
        begun = daemon.service.scheduler.restart_polls
        calls: list[int] = []

        def counted() -> None:
            calls.append(1)
            begun()

        daemon.service.scheduler.restart_polls = counted
        for text, times in (("set daemon 200", 0), ("set daemon 200 set no softbounce", 1)):
            daemon.write(f"{text}\n{ENTRY}")
            await daemon.service.reload()
            assert len(calls) == times
        assert daemon.service.scheduler.jobs == [job]

    daemon.live(story, f"set daemon 300\n{ENTRY}")


def test_a_log_that_was_put_away_is_begun_anew(daemon: Running) -> None:
    log = daemon.home / "log"
    log.touch()
    text = f'set daemon 300 set logfile "{log}"\n{ENTRY}'

    async def story() -> None:
        await daemon.reload_and_poll(text)
        log.rename(daemon.home / "log.1")
        await daemon.reload_and_poll(text)
        old = (daemon.home / "log.1").read_text()
        assert "does not exist; the log stays where it is" in old
        assert old.count("polled") == 2
        log.touch()
        await daemon.reload_and_poll(text)
        assert (daemon.home / "log.1").read_text() == old
        assert log.read_text().count("polled") == 1

    daemon.live(story, f"set daemon 300\n{ENTRY}")


def test_a_file_with_a_fault_changes_nothing(daemon: Running) -> None:
    async def story() -> None:
        context = await daemon.reload_and_poll(f"set daemon 5 set invisible\n{ENTRY} keep keep-it")
        assert not context.globals.invisible
        assert daemon.service.scheduler.jobs[0].schedule.interval == 300
        assert "the configuration stays as it was" in daemon.out.getvalue()

    daemon.live(story, f"set daemon 300\n{ENTRY}")


def test_a_pidfile_that_cannot_be_had_stays_where_it_is(daemon: Running) -> None:
    async def story() -> None:
        await daemon.reload_and_poll(f'set daemon 300 set pidfile "/nowhere/pid"\n{ENTRY}')
        assert running(str(daemon.home / "mailhaul.pid")) == os.getpid()
        assert "the pidfile stays where it is" in daemon.out.getvalue()

    daemon.live(story, f"set daemon 300\n{ENTRY}")


def test_a_reload_signal_takes_effect_once(
    daemon: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "TICK", 0.02)

    def times() -> int:
        return daemon.out.getvalue().count("is read again")

    async def story() -> None:
        await trio.sleep(0.1)
        daemon.write(f"set daemon 200\n{ENTRY}")
        await daemon.service.reload()
        await trio.sleep(0.3)
        assert times() == 1
        daemon.write(f"set daemon 201\n{ENTRY}\n")
        await daemon.until(lambda: times() == 2)

    daemon.live(story, f"set daemon 300\n{ENTRY}")
