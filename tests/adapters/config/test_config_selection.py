"""Selecting the entries for a run."""

from __future__ import annotations

import pytest

from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.selection import select

RC = b"poll a aka Alpha first skip b poll a user second poll c aka alpha skip B"


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([], ["a", "a", "c"]),
        (["a"], ["a", "a"]),
        (["b"], ["b"]),
        (["B"], ["B"]),
        (["A"], ["A"]),
        (["ALPHA"], ["a", "c"]),
        (["first"], ["a"]),
        (["c", "b"], ["b", "c"]),
        (["new"], ["new"]),
        (["new", "a", "new", "old"], ["a", "a", "new", "old"]),
    ],
)
def test_names_select_entries(servers: list[str], expected: list[str]) -> None:
    assert [entry.pollname for entry in select(parse(RC, "rc"), servers)] == expected


def test_an_unknown_name_becomes_an_entry_with_one_user() -> None:
    (entry,) = select(parse(b"", "rc"), ["new"])
    assert (len(entry.users), entry.skip, entry.offset) == (1, False, -1)
