"""Wish 19: mail is fetched without marking it as read, for a mailbox that people share."""

from __future__ import annotations

from typing import Any

from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.retention import DAY
from tests.wishes.reading_world import text, world

UNREAD: dict[str, Any] = {"leaves_unread": True, "keep": True, "by_ledger": True}


def test_no_flag_changes_and_nothing_is_fetched_twice() -> None:
    here = world(2)
    assert here.poll(**UNREAD) is ExitCode.SUCCESS
    assert here.poll(**UNREAD) is ExitCode.NOMAIL
    here.inbox.append(text(3))
    here.poll(**UNREAD)
    assert here.got == [1, 2, 3]
    assert [message.flags for message in here.inbox.messages] == [set(), set(), set()]


def test_what_a_colleague_has_read_is_fetched_all_the_same() -> None:
    here = world(1)
    here.poll(**UNREAD)
    here.inbox.append(text(2), rb"\Seen")
    here.poll(**UNREAD)
    assert here.got == [1, 2]
    assert [message.flags for message in here.inbox.messages] == [set(), {rb"\Seen"}]


def test_it_goes_together_with_retention() -> None:
    here = world(2)
    for _ in range(32):
        here.poll(**UNREAD, delete_after=30 * DAY, delete_limit=10)
        here.pass_days(1)
    assert here.left == []
