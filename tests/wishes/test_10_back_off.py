"""Wish 10: failures make polls rare, and no provider bans the address because of them.

A wrong password is tried a few times, then once a day, and works again by itself or when somebody
asks; a server that is down is asked less and less often; not all accounts come back at the same
moment; and a server gets no more connections than it takes. hybridclaw PR#1406, osTicket#6003
("LOGIN DENIED - TOO MANY FAILURES"), nextcloud/mail#9156, QuickMail#152, mailflow#218,
mailcow PR#4540 and mailcow#4711 (switched off without a way back).
"""

from __future__ import annotations

import socket
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from mailhaul.apps.daemon.scheduler import Scheduler
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.schedule import JITTER
from tests.apps.test_daemon_days import DAY, HOUR, Days
from tests.apps.test_server_places import Accounts, LimitedServer
from tests.apps.test_server_places import accounts as accounts  # noqa: PLC0414  # a fixture

MINUTE = 60.0


@pytest.fixture
def transcript() -> None:
    """Record nothing, because there are many polls."""


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Days:
    return Days(tmp_path, monkeypatch)


def gaps(times: list[float]) -> list[float]:
    """Return the seconds between one time and the next."""
    return [later - one for one, later in pairwise(times)]


@pytest.mark.parametrize("woken", [True, False])
def test_a_wrong_password_is_tried_once_a_day_and_works_again_without_a_restart(
    days: Days, woken: bool
) -> None:
    async def story(scheduler: Scheduler) -> None:
        box = days.boxes["u0"]
        box.trouble = "wrong password"
        days.arrive(box)
        await trio.sleep(10 * DAY)
        assert box.logins_refused <= 4 + 11
        assert max(sum(one <= when < one + HOUR for when in box.begun) for one in box.begun) <= 3
        # It is said once, with what to do.
        [line] = [line for line in days.said if "tried once a day" in line]
        assert "After correcting the password, wake mailhaul" in line
        box.trouble = ""
        if woken:
            scheduler.wake()
        with trio.fail_after(5.0 if woken else 1.1 * DAY):
            while not days.delivered():
                await trio.sleep(1.0 if woken else MINUTE)

    days.live(days.accounts(range(1), 1), story, MINUTE)


def test_a_server_that_is_down_is_asked_less_and_less_often(days: Days) -> None:
    async def story(scheduler: Scheduler) -> None:
        del scheduler
        boxes = list(days.boxes.values())
        await trio.sleep(10 * MINUTE)
        for box in boxes:
            box.trouble = "gone"
            box.begun.clear()
        await trio.sleep(10 * HOUR)
        for box in boxes:
            found = gaps(box.begun)
            # A minute, two, four, and so on up to an hour.
            assert len(found) <= 6 + 11
            for before, after in pairwise(found[1:6]):
                assert 2 * (1 - 2 * JITTER) * before < after < 2 * (1 + 2 * JITTER) * before + 1
            assert max(found) <= HOUR * (1 + JITTER)
        # All have failed at the same time, and do not come back at the same time.
        last = sorted(box.begun[-1] for box in boxes)
        assert min(gaps(last)) > 1
        assert last[-1] - last[0] > 5 * MINUTE
        for box in boxes:
            box.trouble = ""
            days.arrive(box)
        await trio.sleep(HOUR * (1 + JITTER))
        assert days.delivered().total() == len(boxes)

    days.live(days.accounts(range(3), 1), story, MINUTE)


class CountingServer(LimitedServer):
    """``most_open`` is the largest number of connections at a time."""

    most_open = 0

    async def _session(self, connection: socket.socket) -> None:
        self.most_open = max(self.most_open, self._open)
        await super()._session(connection)


def test_a_server_with_a_limit_refuses_few_and_all_mailboxes_are_polled(accounts: Accounts) -> None:
    """QuickMail#152: limits are those of the host, and not of an account."""
    server = CountingServer("imap", most=3)
    assert set(accounts.poll(server, "imap", 20)) == {ExitCode.SUCCESS}
    assert [box.messages for box in server.boxes] == [[]] * 20
    assert 0 < server.refused < 20


def test_the_user_says_how_many_connections_a_server_gets(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = accounts.load
    monkeypatch.setattr(accounts, "load", lambda text: load(f"set maxconnections 2\n{text}"))
    server = CountingServer("imap", most=20)
    assert set(accounts.poll(server, "imap", 12)) == {ExitCode.SUCCESS}
    assert server.most_open == 2
