"""Mailboxes in memory: sequence numbers, UIDs and the effect of expunge."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.servers.mailboxes import Mailbox, Mailboxes, Message, uids_in_set


def with_gaps() -> Mailbox:
    """Return a mailbox with UIDs 1, 3, 4 and 6."""
    mailbox = Mailbox(b"message %d" % n for n in range(1, 7))
    for message in mailbox.messages:
        if message.uid in {2, 5}:
            message.flags.add(rb"\Deleted")
    assert mailbox.expunge() == [2, 4]
    return mailbox


@pytest.mark.parametrize(
    ("uids", "expected"),
    [
        (b"3", [(2, 3)]),
        (b"2", []),
        (b"2:5", [(2, 3), (3, 4)]),
        (b"*", [(4, 6)]),
        (b"5:*", [(4, 6)]),
        (b"100:*", [(4, 6)]),
        (b"100:200", []),
        (b"6,1,1:3", [(1, 1), (2, 3), (4, 6)]),
        (b"1:4294967295", [(1, 1), (2, 3), (3, 4), (4, 6)]),
    ],
)
def test_messages_by_uid(uids: bytes, expected: list[tuple[int, int]]) -> None:
    assert [(n, m.uid) for n, m in with_gaps().with_uids(uids)] == expected


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (b"3", [(3, 4)]),
        (b"4:2", [(2, 3), (3, 4), (4, 6)]),
        (b"*", [(4, 6)]),
    ],
)
def test_messages_by_number(numbers: bytes, expected: list[tuple[int, int]]) -> None:
    assert [(n, m.uid) for n, m in with_gaps().numbered(numbers)] == expected


def test_an_empty_mailbox_has_no_last_message() -> None:
    assert Mailbox().with_uids(b"*") == []


@pytest.mark.parametrize("numbers", [b"0", b"5", b"1:5", b"5:*", b"1,0"])
def test_a_number_without_a_message_is_an_error(numbers: bytes) -> None:
    with pytest.raises(ValueError, match="no message"):
        with_gaps().numbered(numbers)
    with pytest.raises(ValueError, match="no message"):
        Mailbox().numbered(b"1:*")


def test_a_set_of_a_thousand_ranges_reads_each_message_once() -> None:
    box = Mailbox([b""] * 1000)
    looked_at = box.messages = Looked(box.messages)
    found = box.numbered(b",".join([b"1:*"] * 1000))
    assert [number for number, _ in found] == list(range(1, 1001))
    assert looked_at.taken == 1000


class Looked(list[Message]):
    """Messages that count how often one of them is read."""

    taken = 0

    def __getitem__(self, place: Any) -> Any:
        self.taken += 1
        return super().__getitem__(place)


@pytest.mark.parametrize(
    ("sequence_set", "expected"),
    [
        (b"1:*", [1, 5, 9]),
        (b"2:8", [5]),
        (b"9,1:1", [1, 9]),
        (b"1:9,2:3,4", [1, 5, 9]),
        (b"6:7", []),
    ],
)
def test_which_uids_are_in_a_set(sequence_set: bytes, expected: list[int]) -> None:
    assert uids_in_set([1, 5, 9], sequence_set, 20) == expected


def test_expunging_by_uid_leaves_the_others() -> None:
    mailbox = Mailbox([b"a", b"b", b"c"])
    for message in mailbox.messages:
        message.flags.add(rb"\Deleted")
    assert mailbox.expunge(frozenset({1, 3})) == [1, 2]
    assert [message.uid for message in mailbox.messages] == [2]


def test_a_uid_is_never_reused() -> None:
    mailbox = Mailbox([b"a"])
    mailbox.messages[0].flags.add(rb"\Deleted")
    mailbox.expunge()
    assert mailbox.append(b"b").uid == 2


def test_the_case_of_inbox_is_ignored() -> None:
    inbox, other = Mailbox(), Mailbox()
    mailboxes = Mailboxes({b"INBOX": inbox, b"Other": other})
    assert mailboxes.find(b"inbox") is inbox
    assert mailboxes.find(b"Other") is other
    assert mailboxes.find(b"other") is None
