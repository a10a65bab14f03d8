"""Failures outside the polls are reported, and polling continues."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sqlite3
from collections.abc import Awaitable, Callable
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.apps.cli.control import ask
from mailhaul.apps.cli.status import status
from mailhaul.apps.daemon import service as service_module
from mailhaul.apps.daemon.control import Control
from mailhaul.apps.daemon.notify import Notifier
from mailhaul.apps.daemon.service import Service
from mailhaul.apps.daemon.side_work import MAX_PAUSE, PAUSE, attempt, fenced
from mailhaul.apps.polls import limited
from mailhaul.apps.polls.context import PollContext
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.outcome import ExitCode, PollFailed


def test_failing_work_is_reported_and_retried_at_longer_intervals() -> None:
    said: list[str] = []
    begun: list[float] = []

    async def work() -> None:
        begun.append(trio.current_time())
        if len(begun) < 12:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def story() -> None:
        await fenced("control socket", work, said.append)

    trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))
    assert set(said) == {"control socket: Input/output error; polling continues"}
    pauses = [after - before for before, after in pairwise(begun)]
    assert pauses[0] == pytest.approx(PAUSE)
    assert pauses[-1] == pytest.approx(MAX_PAUSE)


def test_work_that_fails_after_a_long_time_is_restarted_soon() -> None:
    begun: list[float] = []

    async def work() -> None:
        begun.append(trio.current_time())
        await trio.sleep(2 * MAX_PAUSE)
        if len(begun) < 12:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def story() -> None:
        await fenced("control socket", work, lambda text: None)

    trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))
    assert begun[-1] - begun[-2] == pytest.approx(2 * MAX_PAUSE + PAUSE)


def test_an_exception_group_is_one_line_and_cancellation_propagates() -> None:
    said: list[str] = []

    async def fails() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("with data")

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)
            nursery.start_soon(fails)

    async def story() -> None:
        with trio.move_on_after(1) as scope:
            await fenced("network", work, said.append)
        assert scope.cancelled_caught

    trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(said) == 1
    assert "internal error, please report it: ValueError at" in said[0]
    assert "with data" not in said[0]


def test_a_failed_short_call_is_reported() -> None:
    said: list[str] = []
    attempt("ledger", lambda: 1 // 0, said.append)
    assert "ledger: internal error, please report it: ZeroDivisionError" in said[0]


class Daemon:
    """A daemon with simulated polls and a control socket, in a trio thread."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limited, "poll_account", self._poll)
        self.home = home
        self.polls = 0
        self.out = StringIO()
        self.caller = Caller("me", os.getuid(), str(home), str(home), str(home))
        self.control = str(home / "mailhaul" / "control")
        self.service: Any = None

    async def _poll(
        self, settings: AccountSettings, context: PollContext, lines: Lines
    ) -> ExitCode:
        self.polls += 1
        return ExitCode.NOMAIL

    def live(self, story: Callable[[], Awaitable[None]], user: str = "joe") -> ExitCode:
        rc = self.home / "rc"
        rc.write_bytes(
            b"set daemon 300\npoll h proto imap user '%b' password sesame maildir x\n"
            % user.encode("utf-8", "surrogateescape")
        )
        rc.chmod(0o600)
        arguments = ["-f", str(rc)]
        lines = Lines(1, self.out, self.out)
        configuration = load(arguments, self.caller, bytes)
        self.service = Service(configuration, self.caller, lines, arguments)
        codes: list[ExitCode] = []

        async def serve() -> None:
            codes.append(await self.service.run())

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                await self.until(lambda: self.polls)
                await story()
                self.service.scheduler.stop()

        trio.run(main)
        return codes[0]

    async def until(self, met: Callable[[], object]) -> None:
        with trio.fail_after(20):
            while not met():
                await trio.sleep(0.005)

    async def still_polls(self) -> None:
        before = self.polls
        self.service.scheduler.wake()
        await self.until(lambda: self.polls > before)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    return Daemon(tmp_path, monkeypatch)


LATIN = b"j\xf6rg".decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("request_", ["status", "metrics", "poll", f"poll {LATIN}@h"])
def test_a_name_that_is_not_utf_8_is_shown_and_found(daemon: Daemon, request_: str) -> None:
    async def story() -> None:
        await daemon.until(lambda: os.path.exists(daemon.control))
        answer = await trio.to_thread.run_sync(ask, daemon.control, request_)
        assert "xf6rg@h" in answer
        if request_ != "metrics":
            json.loads(answer)
        await daemon.still_polls()

    assert daemon.live(story, LATIN) is ExitCode.SUCCESS


def test_a_request_that_cannot_be_answered_affects_only_its_sender(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailhaul.apps.daemon.view.live_of", lambda *_: 1 // 0)
    err = StringIO()

    async def story() -> None:
        await daemon.until(lambda: os.path.exists(daemon.control))
        lines = Lines(1, err, err)
        with pytest.raises(PollFailed, match="internal error, please report it: ZeroDivision"):
            await trio.to_thread.run_sync(status, [], daemon.caller, lines)
        await daemon.still_polls()

    assert daemon.live(story) is ExitCode.SUCCESS


def test_a_removed_control_socket_changes_nothing(daemon: Daemon) -> None:
    async def story() -> None:
        await daemon.until(lambda: os.path.exists(daemon.control))
        os.unlink(daemon.control)

    assert daemon.live(story) is ExitCode.SUCCESS


def test_the_socket_of_another_daemon_is_left_alone(daemon: Daemon) -> None:
    async def story() -> None:
        await daemon.until(lambda: os.path.exists(daemon.control))
        os.unlink(daemon.control)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(daemon.control)

    assert daemon.live(story) is ExitCode.SUCCESS
    assert os.path.exists(daemon.control)


def test_a_control_socket_that_cannot_be_created_is_reported(daemon: Daemon) -> None:
    (daemon.home / "mailhaul").mkdir()
    (daemon.home / "mailhaul" / "control").mkdir()

    async def story() -> None:
        await daemon.until(lambda: "control socket: Is a directory" in daemon.out.getvalue())
        await daemon.still_polls()

    assert daemon.live(story) is ExitCode.SUCCESS


async def breaks(*_: object) -> None:
    raise RuntimeError("a mistake of ours")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (service_module, "watch_network"),
        (service_module, "suspended_seconds"),
        (Notifier, "alive"),
        (Notifier, "status"),
        (Control, "run"),
        (Service, "_rc_stamp"),
        (Service, "_store_results"),
        (Service, "reload"),
    ],
)
def test_errors_outside_the_polls_do_not_stop_the_mail(
    daemon: Daemon, where: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "TICK", 0.01)
    monkeypatch.setattr(service_module, "LAST_NOTES", 0.1)
    monkeypatch.setattr("mailhaul.apps.daemon.side_work.PAUSE", 0.05)
    monkeypatch.setenv("WATCHDOG_USEC", "30000")

    def breaks_at_once(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    is_awaited = name in {"watch_network", "run", "reload"}
    monkeypatch.setattr(where, name, breaks if is_awaited else breaks_at_once)

    async def story() -> None:
        if name == "reload":
            os.kill(os.getpid(), signal.SIGHUP)
        await daemon.until(lambda: "RuntimeError at" in daemon.out.getvalue())
        await daemon.still_polls()

    assert daemon.live(story) is ExitCode.SUCCESS


def test_a_ledger_that_cannot_be_closed_changes_no_exit_code(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(self: object) -> None:
        raise sqlite3.OperationalError("unable to close")

    monkeypatch.setattr("mailhaul.adapters.ledger.store.SqliteLedger.close", cannot)

    async def story() -> None:
        await daemon.still_polls()

    assert daemon.live(story) is ExitCode.SUCCESS
