"""Sequence sets are written and parsed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.imap.uid_sets import SET_LENGTH, read_set, split_uid_sets, uid_set

UIDS = st.sets(st.integers(1, 2**32 - 1), min_size=1, max_size=50)


def members(sequence_set: bytes) -> set[int]:
    return {n for low, high in read_set(sequence_set, 1) for n in range(low, high + 1)}


@pytest.mark.parametrize(
    ("uids", "expected"),
    [
        ([], b""),
        ([7], b"7"),
        ([3, 1, 2], b"1:3"),
        ([1, 1, 3, 4, 9], b"1,3:4,9"),
    ],
)
def test_the_shortest_set_is_written(uids: list[int], expected: bytes) -> None:
    assert uid_set(uids) == expected


@given(UIDS)
def test_a_set_contains_exactly_its_numbers(uids: set[int]) -> None:
    assert members(uid_set(uids)) == uids


def test_long_sets_are_split_where_a_line_is_full() -> None:
    uids = range(1_000_000, 1_010_000, 2)
    sets = split_uid_sets(uids)
    assert len(sets) > 1
    assert all(len(one) <= SET_LENGTH for one in sets)
    assert set().union(*map(members, sets)) == set(uids)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"5", [(5, 5)]),
        (b"2,4:7", [(2, 2), (4, 7)]),
        (b"7:4", [(4, 7)]),
        (b"*", [(9, 9)]),
        (b"4:*", [(4, 9)]),
        (b"12:*", [(9, 12)]),
    ],
)
def test_how_a_set_is_read(text: bytes, expected: list[tuple[int, int]]) -> None:
    assert read_set(text, 9) == expected


@pytest.mark.parametrize(
    "text", [b"", b"x", b"1,", b",1", b"1:", b":1", b"-1", b"1:2:3", b"9" * 11]
)
def test_an_invalid_set_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="not a sequence set"):
        read_set(text, 9)
