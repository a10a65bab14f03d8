"""The messages of the benchmark, and how they are recognized when they arrive."""

from __future__ import annotations

import pytest

from bench.mail import MIXED, SMALL, difference, key, message, messages


@pytest.mark.parametrize("octets", [1024, 1025, 4096, 20_000, 1 << 20])
def test_a_message_has_its_size_with_crlf(octets: int) -> None:
    text = message(7, octets, "S1.user")
    assert len(text) + text.count(b"\n") == octets
    assert text.endswith(b"\n")
    assert max(map(len, text.split(b"\n"))) <= 998


def test_every_message_is_another_one() -> None:
    found = [key(text) for text in messages(20, SMALL, "S1.user")]
    assert len({*found}) == len({digest for _, digest in found}) == 20


def test_a_mix_has_many_small_and_few_large_ones() -> None:
    sizes = [MIXED.of(number) for number in range(100)]
    assert [sizes.count(size) for size in (4096, 20_000, 100_000, 1 << 20)] == [71, 18, 9, 2]


def test_added_fields_and_line_ends_change_nothing() -> None:
    text = message(1, 4096, "S1.user")
    moved = b"Received: from x\r\n" + text.replace(b"\n", b"\r\n")
    assert key(moved) == key(text)


def test_an_altered_body_is_noticed() -> None:
    text = message(1, 4096, "S1.user")
    assert key(text.replace(b"\n.a line", b"\na line")) != key(text)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([("b", "2"), ("a", "1")], ""),
        ([("a", "1")], "1 of 2 arrived: 1 missing, 0 altered, 0 twice"),
        ([("a", "1"), ("b", "3")], "2 of 2 arrived: 1 missing, 1 altered, 0 twice"),
        ([("a", "1"), ("b", "2"), ("b", "2")], "3 of 2 arrived: 0 missing, 0 altered, 1 twice"),
    ],
)
def test_a_difference_says_what_is_wrong(found: list[tuple[str, str]], said: str) -> None:
    assert difference([("a", "1"), ("b", "2")], found) == said
