"""Wish 24: each account has an interval of its own, and not one for all.

Codes that are valid for minutes arrive within a minute, while other accounts are polled each hour.
docker-mailserver#2567, docker-mailserver#4675, freescout#1829.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from mailhaul.apps.daemon.scheduler import Scheduler
from tests.apps.test_daemon_days import HOUR, Days

SERVER = "proto imap"
USER = "password secret sslproto ''"
ENTRIES = (
    f"poll often {SERVER} every 50s user codes {USER}\n"
    f"poll usual {SERVER} user news {USER}\n"
    f"poll sooner {SERVER} every 30m user archive {USER}\n"
    f"poll third {SERVER} interval 3 user lists {USER}\n"
)


@pytest.fixture
def transcript() -> None:
    """Record nothing, because there are hundreds of polls."""


def test_a_code_arrives_within_a_minute_and_the_others_are_polled_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = Days(tmp_path, monkeypatch)
    accounts = days.read(ENTRIES)
    took: list[float] = []

    async def story(scheduler: Scheduler) -> None:
        for _ in range(3):
            await trio.sleep(HOUR / 6 - 60)
            days.arrive(days.boxes["codes"])
            arrived = trio.current_time()
            while days.boxes["codes"].inbox.messages:
                await trio.sleep(0.5)
            took.append(trio.current_time() - arrived)
            await trio.sleep(60 - took[-1])
        await trio.sleep(0.75 * HOUR)

    days.live(accounts, story, HOUR)
    # An interval begins at the end of a poll.
    assert max(took) < 55
    assert days.delivered().total() == 3
    polls = {user: len(box.begun) for user, box in days.boxes.items()}
    assert 75 < polls["codes"] <= 90
    # At the beginning, and then at each interval in 75 minutes.
    assert {**polls, "codes": 0} == {"codes": 0, "news": 2, "archive": 3, "lists": 1}
