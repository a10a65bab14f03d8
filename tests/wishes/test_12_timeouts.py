"""Wish 12: nothing waits for ever, wherever a line goes dead or a command hangs.

A poll ends in bounded time, says why, and loses nothing; the next one goes on. odoo#7792 (stuck for
a day, as there was no timeout), zammad#2321 (hung for days until somebody restarted it),
zammad#2591, OfflineIMAP#653.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import pytest
import trio

from mailhaul.adapters.config.options import DEFAULT_TIMEOUT
from mailhaul.adapters.sinks.mda import MdaSink
from mailhaul.adapters.sources.imap_watch import MAX_IDLE_SECONDS
from mailhaul.apps.daemon.scheduler import Scheduler
from mailhaul.flows.outcome import ExitCode
from mailhaul.runtimes.simulated import End, Ran, Simulation
from tests.apps import oauth_days
from tests.apps.oauth_days import HOUR, MINUTE, OAuthDays
from tests.wishes.reading_world import world

TIMEOUT = 20.0
"""Seconds that the source has for a reply, in the world of these polls."""
AFTER_THE_DOT = 600.0
"""Seconds that a listener has after a whole message (RFC 5321, 4.5.3.2.6)."""
ALIVE = 10 * MINUTE
"""How long each connection lives that waits for news."""
QUARTER = 16 * MINUTE
"""Within this a poll is over: a listener is waited for three times at most."""


class DeadLines(Simulation):
    """After some steps, or some seconds, nothing that is sent arrives any more, not even an end."""

    def __init__(self, *, step: float = inf, second: float = inf, **options: Any) -> None:
        super().__init__(**options)
        self._last_step = step
        self._last_second = second

    @property
    def is_dead(self) -> bool:
        return self.steps > self._last_step or self.now > self._last_second

    def send(self, end: End, data: bytes) -> None:
        if not self.is_dead:
            super().send(end, data)

    def hang_up(self, end: End) -> None:
        if not self.is_dead:
            super().hang_up(end)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_poll_ends_wherever_its_lines_go_dead(protocol: str) -> None:
    died = 0
    for step in range(0, 400, 6):
        here = world(3, protocol)
        lines = DeadLines(step=step)
        code = here.poll(simulation=lines)
        assert lines.now < QUARTER
        if not lines.is_dead:
            break
        died += 1
        # Whether that is a failure depends on what was done by then, but it is always said.
        assert here.errors or code is ExitCode.SUCCESS
        here.now += 2 * HOUR
        here.poll()
        here.now += 2 * HOUR
        here.poll()
        assert {*here.got} == {1, 2, 3}
        assert len(here.got) <= 3 + 2
        assert here.left == []
    assert died > 10


def test_a_command_that_never_ends_is_ended() -> None:
    here = world(4)
    here.sink = lambda: MdaSink("deliver %T", TIMEOUT, "/tmp")
    hanging = Simulation(run_program=lambda argv, data: Ran(seconds=inf))
    here.poll(simulation=hanging)
    # Two in a row show that it is not the message.
    assert hanging.now <= 2 * AFTER_THE_DOT + TIMEOUT
    assert here.errors == ["MDA: 2 commands in a row did not end in time"]
    assert "timeout after 600 seconds, terminated" in "\n".join(map(str, here.events))
    assert here.left == [1, 2, 3, 4]
    here.now += 2 * HOUR
    here.poll(simulation=Simulation(run_program=lambda argv, data: Ran()))
    assert here.left == []


def test_mail_comes_although_each_connection_dies_while_it_waits_for_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A router that forgets a connection tells neither side."""
    monkeypatch.setattr(oauth_days, "Simulation", partial(DeadLines, second=ALIVE))
    days = OAuthDays(tmp_path, monkeypatch)
    days.arrivals = [n * HOUR / 2 for n in range(1, 12)]

    async def story(scheduler: Scheduler) -> None:
        del scheduler
        days.log_in()
        await trio.sleep(7 * HOUR)

    days.live(story, 24 * HOUR, "idle")
    assert days.delivered == days.sent == len(days.arrivals)
    # A connection is trusted for as long as IDLE may last, and then has the usual time to answer.
    longest = ALIVE + MAX_IDLE_SECONDS + DEFAULT_TIMEOUT + MINUTE
    assert max(later - one for one, later in pairwise(days.logins)) < longest
    assert days.notices == []
