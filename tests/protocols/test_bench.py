"""The benchmarks run with small amounts, and their counts are within bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.machines import imap, pop3, rcfile, smtp, transitions
from bench.machines.__main__ import MOST_TRANSITIONS
from bench.machines.measure import READ, Rate, best, message, reads


@pytest.mark.parametrize("count", [transitions.of_imap, transitions.of_pop3, transitions.of_smtp])
def test_one_message_moves_a_dialogue_only_so_often(count: Callable[[], int]) -> None:
    assert 0 < count() <= MOST_TRANSITIONS


@pytest.mark.parametrize(
    ("rate", "octets"),
    [
        (lambda: imap.many(150, 3000, 1), 450_000),
        (lambda: imap.one(2 * READ, 1), 2 * READ),
        (lambda: pop3.many(150, 3000, 1), 450_000),
        (lambda: pop3.one(2 * READ, 1), 2 * READ),
        (lambda: smtp.many(3, 1000, 1), 3000),
        (lambda: smtp.one(2 * READ, 1, bare=False), 2 * READ),
    ],
)
def test_every_octet_that_is_timed_is_there(rate: Callable[[], Rate], octets: int) -> None:
    assert rate().octets == octets


def test_every_entry_that_is_timed_is_there() -> None:
    assert rcfile.reading(3, 1) > 0


def test_only_the_fastest_run_counts_and_its_preparation_does_not() -> None:
    order: list[str] = []

    def prepare() -> Callable[[], None]:
        order.append("prepare")
        return lambda: order.append("work")

    assert 0 <= best(prepare, 2) < 1
    assert order == ["prepare", "work"] * 2


def test_a_message_has_its_size_and_a_line_end() -> None:
    assert len(message(4096)) == 4096
    assert message(4096).endswith(b"\r\n")
    assert b"".join(reads(bytes(READ + 5))) == bytes(READ + 5)
    assert Rate("x", 3_000_000, 2.0).speed == 1.5
