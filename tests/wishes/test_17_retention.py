"""Wish 17: mail is deleted some days after its delivery, and only mail known to be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mailhaul.adapters.ledger.retention import confirm, date_undated, mailboxes_of
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.retention import DAY, FEW, Found, Standing, judge
from mailhaul.protocols.smtp.commands import EndOfData
from mailhaul.protocols.smtp.events import Reply
from tests.wishes.reading_world import StoppedAt, World, text, world

MONTH: Mapping[str, Any] = {"keep": True, "delete_after": 30 * DAY, "delete_limit": 100}
both = pytest.mark.parametrize("protocol", ["imap", "pop3"])


def consent(here: World) -> None:
    """Let the user confirm what is due now."""
    (mailbox,) = mailboxes_of(here.ledger, f"{here.protocol} joe@server")
    confirm(here.ledger, {mailbox.key: int(here.now) - 30 * DAY})


@both
def test_mail_goes_after_its_time_and_new_mail_stays(protocol: str) -> None:
    here = world(3, protocol)
    assert here.poll(**MONTH) is ExitCode.SUCCESS
    here.poll_for(20, **MONTH)
    here.inbox.append(text(4))
    here.poll_for(9, **MONTH)
    assert here.left == [1, 2, 3, 4]
    here.poll_for(1, **MONTH)
    assert here.left == [4]
    assert "3 message(s) in 'INBOX' are deleted, delivered more than 30 day(s) ago" in here.said
    assert here.got == [1, 2, 3, 4]


def test_only_what_this_ledger_has_delivered_goes() -> None:
    here = world(3)
    here.received.policy = lambda heard: (
        Reply(451, (b"later",)) if isinstance(heard, EndOfData) and here.got == [1] else None
    )
    here.poll(**MONTH)
    here.received.policy = None
    # Another program reads the others.
    for message in here.inbox.messages:
        message.flags.add(rb"\Seen")
    here.poll_for(40, **MONTH)
    assert (here.got, here.left) == ([1], [2, 3])


def test_another_message_under_the_same_unique_id_stays() -> None:
    here = world(2, "pop3")
    here.poll(**MONTH)
    here.poll_for(29, **MONTH)
    first = here.inbox.messages[0]
    other = first.text.replace(b"<1@", b"<9@").replace(b"Subject: 1", b"Subject: 9")
    first.chunks = lambda: (other,)
    here.poll_for(3, **MONTH)
    assert here.left == [1]


def test_a_new_uidvalidity_ends_all_claims() -> None:
    here = world(2)
    here.poll(**MONTH)
    here.poll_for(29, **MONTH)
    here.inbox.uidvalidity += 1
    here.poll_for(10, **MONTH)
    assert here.left == [1, 2]


@both
def test_a_poll_deletes_only_so_many(protocol: str) -> None:
    here = world(9, protocol)
    few: Mapping[str, Any] = {**MONTH, "delete_limit": 2}
    here.poll(**few)
    here.poll_for(30, **few)
    assert here.left == [3, 4, 5, 6, 7, 8, 9]
    assert "7 more follow in the next polls" in here.said
    here.poll_for(1, **few)
    assert len(here.left) == 5


def test_the_first_deletions_come_a_day_after_they_are_announced() -> None:
    here = world(3, "pop3")
    here.poll(keep=True)
    here.pass_days(40)
    here.poll(**MONTH)
    assert here.left == [1, 2, 3]
    assert "3 message(s) in 'INBOX' were delivered more than 30 day(s) ago" in here.errors[0]
    here.pass_days(0.5)
    here.poll(**MONTH)
    # It is said once.
    assert (here.left, here.errors) == ([1, 2, 3], [])
    here.pass_days(1)
    here.poll(**MONTH)
    assert here.left == []


def test_a_shorter_period_is_announced_again() -> None:
    here = world(3)
    here.poll(**MONTH)
    here.poll_for(10, **MONTH)
    slip: Mapping[str, Any] = {**MONTH, "delete_after": 3 * DAY}
    here.poll(**slip)
    assert here.left == [1, 2, 3]
    assert len(here.errors) == 1
    here.poll_for(3, **MONTH)
    assert here.left == [1, 2, 3]


@both
def test_a_clock_that_jumps_deletes_nothing(protocol: str) -> None:
    here = world(3, protocol)
    here.poll(**MONTH)
    here.poll_for(5, **MONTH)
    right = here.now
    here.pass_days(3650)
    for _ in range(3):
        here.poll(**MONTH)
        here.pass_days(1)
    assert here.left == [1, 2, 3]
    assert "or the clock is wrong" in here.said
    here.now = right
    here.poll_for(24, **MONTH)
    assert here.left == [1, 2, 3]
    here.poll_for(1, **MONTH)
    assert here.left == []


def test_more_than_half_of_a_mailbox_waits_for_the_user() -> None:
    here = world(2 * FEW)
    here.poll(**MONTH)
    here.poll_for(35, **MONTH)
    assert len(here.left) == 2 * FEW
    consent(here)
    here.poll(**MONTH)
    assert here.left == []


@both
def test_a_kill_at_any_step_loses_nothing(protocol: str) -> None:
    killed = 0
    for step in range(1, 400, 8):
        here = world(2, protocol)
        here.poll(**MONTH)
        here.inbox.append(text(3))
        here.pass_days(30)
        consent(here)
        if here.poll(simulation=StoppedAt(step), **MONTH) is not None:
            break
        killed += 1
        # Mail of others may have come before the next poll.
        here.inbox.append(text(4))
        for _ in range(2):
            here.poll(**MONTH)
        assert here.left == [3, 4]
        assert {1, 2, 3, 4} == {*here.got}
    assert 8 < killed < 50


def test_without_uidplus_the_deleted_mail_of_others_stays() -> None:
    here = world(2, capabilities=())
    here.poll(**MONTH)
    other = here.inbox.append(text(9), rb"\Seen", rb"\Deleted")
    here.poll_for(30, **MONTH)
    assert other in here.inbox.messages
    assert "other messages are flagged as deleted here too" in here.said
    other.flags.remove(rb"\Deleted")
    here.poll_for(1, **MONTH)
    assert here.left == [other.uid]


def test_mail_of_an_earlier_version_stays_until_the_user_adopts_it() -> None:
    here = world(3, "pop3")
    here.poll(keep=True)
    here.ledger.write(lambda db: db.execute("UPDATE seen SET accepted = 0"))
    here.poll_for(40, **MONTH)
    assert here.left == [1, 2, 3]
    plans = mailboxes_of(here.ledger, "pop3 joe@server")
    assert [one.undated for one in plans] == [3]
    assert date_undated(here.ledger, [one.key for one in plans]) == 3
    here.poll_for(29, **MONTH)
    assert here.left == [1, 2, 3]
    here.poll_for(1, **MONTH)
    assert here.left == []


NOW = 1000 * DAY


@pytest.mark.parametrize(
    ("standing", "due", "total", "held"),
    [
        (None, 1, 100, "a day after"),
        (Standing(30 * DAY, NOW - DAY + 1, NOW), 1, 100, "a day after"),
        (Standing(30 * DAY, NOW - DAY, NOW), 1, 100, ""),
        (Standing(31 * DAY, 0, NOW), 1, 100, "a day after"),
        (Standing(30 * DAY, NOW + DAY, NOW), 1, 100, "a day after"),
        (Standing(30 * DAY, 0, NOW - 7 * DAY), 1, 100, ""),
        (Standing(30 * DAY, 0, NOW - 8 * DAY), 1, 100, "7 days ago"),
        (Standing(30 * DAY, 0, NOW), FEW, FEW, ""),
        (Standing(30 * DAY, 0, NOW), FEW + 1, 2 * FEW + 2, ""),
        (Standing(30 * DAY, 0, NOW), FEW + 1, 2 * FEW + 1, "half"),
        (None, 0, 100, ""),
    ],
)
def test_what_holds_deletions_back(
    standing: Standing | None, due: int, total: int, held: str
) -> None:
    found = judge(Found(NOW, standing, 200, due, due, 1), 30 * DAY, total)
    assert bool(found.held) == bool(held)
    assert held in found.held
