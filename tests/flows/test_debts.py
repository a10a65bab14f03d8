"""Which pending actions are requested together, and how a message is recognised."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mailhaul.flows.account import Action
from mailhaul.flows.debts import (
    LONG_REST_SECONDS,
    MAX_SHARES,
    MAX_TRIES,
    REST_SECONDS,
    SHARE_SIZES,
    Match,
    match,
    shares,
)
from mailhaul.flows.ledger import Pending
from mailhaul.flows.source import Uid
from mailhaul.protocols.message.fingerprint import fingerprint

HEADER, OTHER = b"Message-ID: <1@x>\r\nFrom: a@x\r\n\r\n", b"Message-ID: <2@x>\r\n\r\n"
MARK = fingerprint(HEADER)


def rows(count: int, tries: int, seconds_since_try: int = 10**9) -> list[Pending]:
    return [Pending(n, 100, Action.DELETE, MARK, tries, seconds_since_try) for n in range(count)]


def sizes_of(pending: list[Pending], *, in_sessions: bool = False) -> list[int]:
    return [len(g) for g in shares(pending, expunges_all=False, in_sessions=in_sessions)]


def test_shares_get_smaller_with_each_failure() -> None:
    for tries, most in enumerate(SHARE_SIZES):
        assert sizes_of(rows(20_000, tries)) == [most] * MAX_SHARES
        assert sizes_of(rows(20_000, tries), in_sessions=True) == [most]
    assert sizes_of([*rows(3, 0), *rows(2, 1), *rows(1, 5)]) == [3, 2, 1]


@pytest.mark.parametrize(
    ("tries", "seconds_since_try", "due"),
    [
        (0, 0, True),
        (MAX_TRIES - 1, 0, True),
        (MAX_TRIES, REST_SECONDS - 1, False),
        (MAX_TRIES, REST_SECONDS, True),
        (MAX_TRIES, -5, True),
        (2 * MAX_TRIES, REST_SECONDS, False),
        (2 * MAX_TRIES, LONG_REST_SECONDS, True),
    ],
)
def test_a_message_that_failed_often_rests(tries: int, seconds_since_try: int, due: bool) -> None:
    assert bool(sizes_of(rows(1, tries, seconds_since_try))) == due


def test_a_server_that_expunges_all_gets_a_single_share() -> None:
    pending = [*rows(300, 0), *rows(5, 9, 0)]
    assert shares(pending, expunges_all=True, in_sessions=False) == [pending]
    assert shares([], expunges_all=True, in_sessions=False) == []


@pytest.mark.parametrize("reuses_uids", [True, False])
@pytest.mark.parametrize(
    ("size", "headers", "expected"),
    [
        (100, {1: HEADER}, Match.SAME),
        (200, {1: HEADER}, Match.SAME),
        (0, {1: HEADER}, Match.SAME),
        (100, {1: OTHER}, Match.OTHER),
        (200, {}, Match.OTHER),
        (None, {1: HEADER}, Match.OTHER),
        (0, {}, Match.UNKNOWN),
    ],
)
def test_the_header_decides_and_without_it_the_size(
    size: int | None, headers: Mapping[Uid, bytes], expected: Match, reuses_uids: bool
) -> None:
    row = Pending(1, 100, Action.DELETE, MARK)
    sizes: dict[Uid, int] = {} if size is None else {1: size}
    assert match(row, sizes, headers, reuses_uids=reuses_uids) is expected


def test_with_reused_uids_the_size_alone_proves_nothing() -> None:
    row = Pending(b"a", 100, Action.DELETE, MARK)
    assert match(row, {b"a": 100}, {}, reuses_uids=True) is Match.UNKNOWN
    assert match(row, {b"a": 100}, {}, reuses_uids=False) is Match.SAME
    tried = Pending(b"a", 100, Action.DELETE, MARK, MAX_TRIES)
    assert match(tried, {b"a": 100}, {}, reuses_uids=True) is Match.OTHER
    # What an older version noted has no fingerprint.
    old = Pending(b"a", 100, Action.DELETE)
    assert match(old, {b"a": 100}, {b"a": HEADER}, reuses_uids=True) is Match.SAME
