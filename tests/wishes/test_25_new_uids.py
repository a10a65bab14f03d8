"""Wish 25: a mailbox that gets new UIDs is not fetched again, and nothing in it is deleted."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.flows.renumbered import MESSAGE_ID
from mailhaul.flows.retention import DAY
from tests.shown_lines import ShownLines
from tests.wishes.reading_world import World, text, world

KEEP: dict[str, dict[str, Any]] = {
    "imap": {"keep": True, "by_ledger": True},
    "pop3": {"keep": True},
}
both = pytest.mark.parametrize("protocol", KEEP)


def number_anew(here: World) -> None:
    """Give all messages new UIDs, and let another one come first."""
    here.inbox.uidvalidity += 1
    here.uid_prefix += b"n"
    for message in here.inbox.messages:
        message.uid += 10
    here.inbox.uidnext += 10


@both
def test_known_mail_is_recognized_and_new_mail_is_fetched(protocol: str) -> None:
    here = world(5, protocol)
    here.poll(**KEEP[protocol])
    number_anew(here)
    here.inbox.append(text(6))
    here.poll(**KEEP[protocol])
    assert here.got == [1, 2, 3, 4, 5, 6]
    assert "5 message(s) in 'INBOX' have new UIDs and are known already" in here.said
    here.poll(**KEEP[protocol])
    assert (len(here.got), here.read) == (6, 0)
    number_anew(here)
    here.poll(**KEEP[protocol])
    assert len(here.got) == 6


@both
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Message-ID: <3@example.org>", b"Message-ID: <4@example.org>"),
        (b"2 Nov", b"3 Nov"),
        (b"ann3@", b"bob3@"),
    ],
)
def test_a_message_that_differs_is_fetched(protocol: str, old: bytes, new: bytes) -> None:
    here = world(3, protocol)
    here.poll(**KEEP[protocol])
    number_anew(here)
    last = here.inbox.messages[-1]
    other = last.text.replace(old, new)
    last.chunks = lambda: (other,)
    here.poll(**KEEP[protocol])
    assert here.got == [1, 2, 3, 3]


@both
def test_mail_without_a_message_id_is_fetched_again(protocol: str) -> None:
    here = world(2, protocol)
    bare = text(3).partition(b"\r\n")[2]
    here.inbox.append(bare)
    here.poll(**KEEP[protocol])
    number_anew(here)
    here.poll(**KEEP[protocol])
    assert here.got == [1, 2, 3, 3]


@both
def test_a_second_copy_is_a_message_of_its_own(protocol: str) -> None:
    here = world(1, protocol)
    here.poll(**KEEP[protocol])
    number_anew(here)
    here.inbox.append(text(1))
    here.poll(**KEEP[protocol])
    assert here.got == [1, 1]


@both
def test_what_was_recognized_is_never_deleted_for_its_age(protocol: str) -> None:
    here = world(2, protocol)
    options: dict[str, Any] = {**KEEP[protocol], "delete_after": 30 * DAY, "delete_limit": 10}
    here.poll(**options)
    number_anew(here)
    for _ in range(40):
        here.pass_days(1)
        here.poll(**options)
    assert (here.got, len(here.left)) == ([1, 2], 2)


def test_mail_that_another_client_deletes_costs_no_headers() -> None:
    here = world(3, "pop3")
    here.poll(keep=True)
    here.inbox.remove({1})
    here.inbox.append(text(40))
    lines: list[bytes] = []
    here.tap = ShownLines(lambda way, line: lines.append(line))
    here.poll(keep=True)
    assert here.got == [1, 2, 3, 40]
    assert [line for line in lines if line.startswith(b"TOP")] == [b"TOP 3 99999999"]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"Message-ID: <1@x>\r\n", True),
        (b"From: a\r\nMESSAGE-ID:\r\n <1@x>\r\n", True),
        (b"Message-ID:\r\nFrom: a\r\n", False),
        (b"Message-ID: \r\n", False),
        (b"X-Message-ID: <1@x>\r\n", False),
    ],
)
def test_an_empty_message_id_is_none(header: bytes, found: bool) -> None:
    assert (MESSAGE_ID.search(header) is not None) == found
