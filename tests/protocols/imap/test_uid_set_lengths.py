"""Long UID sets are split exactly where the line is full."""

from __future__ import annotations

import pytest

from mailhaul.protocols.imap import uid_sets
from mailhaul.protocols.imap.uid_sets import split_uid_sets

ODD = range(1, 30, 2)


@pytest.mark.parametrize(
    ("length", "sets"),
    [
        (8, [b"1,3,5,7", b"9,11,13", b"15,17", b"19,21", b"23,25", b"27,29"]),
        (9, [b"1,3,5,7", b"9,11,13", b"15,17,19", b"21,23,25", b"27,29"]),
        (1, [b"1", b"3", b"5", b"7", b"9", *(b"%d" % uid for uid in range(11, 30, 2))]),
    ],
)
def test_a_set_takes_what_fits_with_its_comma(
    length: int, sets: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uid_sets, "SET_LENGTH", length)
    assert split_uid_sets(ODD) == sets


def test_one_long_range_is_one_set() -> None:
    assert split_uid_sets(range(1, 100_000)) == [b"1:99999"]


def test_no_uids_make_no_set() -> None:
    assert split_uid_sets([]) == []
