"""Errors in FETCH responses, and deviations that are tolerated."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.imap.events import Fetched
from mailhaul.protocols.imap.fetch_items import fetched
from mailhaul.protocols.imap.values import parse_values
from mailhaul.protocols.limits import DEFAULT_LIMITS


def read(line: bytes) -> Fetched:
    _, event = fetched(parse_values([line], DEFAULT_LIMITS.nesting), DEFAULT_LIMITS)
    return event


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"* 1 FETCH (UID)", "malformed FETCH response"),
        (b"* 1 FETCH UID", "malformed FETCH response"),
        (b"* x FETCH (UID 5)", "malformed FETCH response"),
        (b'* 1 FETCH ("UID" 5)', "FETCH item name is not an atom"),
        (b"* 1 FETCH ((UID) 5)", "FETCH item name is not an atom"),
    ],
)
def test_the_error_says_what_is_wrong_and_where(line: bytes, problem: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(line)
    assert (caught.value.problem, caught.value.state) == (problem, "selected")


@pytest.mark.parametrize(
    ("item", "modseq"), [(b"(12)", 12), (b"()", None), (b"12", None), (b"NIL", None)]
)
def test_a_mod_sequence_is_in_a_list(item: bytes, modseq: int | None) -> None:
    assert read(b"* 1 FETCH (UID 5 MODSEQ %b)" % item).modseq == modseq


def test_an_unclosed_list_is_reported() -> None:
    with pytest.raises(RemoteProtocolError, match=r"^\( without \)$"):
        parse_values([b"(a"], 8)
