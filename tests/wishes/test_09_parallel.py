"""Wish 9: mailboxes are polled side by side, and a slow one does not delay the others.

freescout#5582 (30 mailboxes took 28 minutes), freescout#4992, mailcow#3969, odoo#7464, getmail6#75.
"""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from mailhaul.apps.daemon.scheduler import Scheduler
from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.scripted_imap import ScriptedImap, message
from tests.apps.bad.test_throttled_polls import Runs
from tests.apps.bad.test_throttled_polls import runs as runs  # noqa: PLC0414  # a fixture
from tests.apps.test_daemon_days import Days

ACCOUNTS = 12
ROUNDS = 9
MINUTE = 60.0


@pytest.fixture
def transcript() -> None:
    """Record nothing, because there are many polls."""


class SlowImap(ScriptedImap):
    """Sends its greeting when all others have been served."""

    def __init__(self) -> None:
        super().__init__(message(1))
        self.others_are_served = threading.Event()

    def serve(self, connection: socket.socket) -> None:
        if self.others_are_served.wait(30):
            super().serve(connection)


class QuickImap(ScriptedImap):
    """One of ``ACCOUNTS`` servers; ``served`` are those whose session has ended."""

    def __init__(self, served: list[ScriptedImap], slow: SlowImap) -> None:
        super().__init__(message(1))
        self.served = served
        self.slow = slow

    def serve(self, connection: socket.socket) -> None:
        super().serve(connection)
        self.served.append(self)
        if len(self.served) == ACCOUNTS:
            self.slow.others_are_served.set()


def test_a_run_fetches_all_other_mail_while_one_server_has_said_nothing(runs: Runs) -> None:
    """The first in the file does not even greet before the mail of all others has arrived."""
    served: list[ScriptedImap] = []
    with ExitStack() as cleanup:
        slow = cleanup.enter_context(SlowImap())
        quick = [cleanup.enter_context(QuickImap(served, slow)) for _ in range(ACCOUNTS)]
        code = runs.run(slow.port, *(one.port for one in quick))
    assert (code, runs.err.getvalue()) == (ExitCode.SUCCESS, "")
    assert [runs.arrived(number) for number in range(ACCOUNTS + 1)] == [1] * (ACCOUNTS + 1)


def test_a_daemon_polls_all_others_in_time_while_one_server_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are mailboxes at the same server, and a poll of the first lasts until its timeout."""
    days = Days(tmp_path, monkeypatch)

    async def story(scheduler: Scheduler) -> None:
        del scheduler
        days.boxes["u0"].trouble = "silent"
        for _ in range(ROUNDS):
            for box in days.boxes.values():
                days.arrive(box)
            await trio.sleep(MINUTE)

    days.live(days.accounts(range(6), 1), story, MINUTE)
    first, *others = [box.begun for box in days.boxes.values()]
    assert len(first) <= 3
    for begun in others:
        assert max(later - one for one, later in pairwise(begun)) < MINUTE + 5
    assert set(days.delivered().values()) == {1}
    assert days.delivered().total() == 5 * ROUNDS
