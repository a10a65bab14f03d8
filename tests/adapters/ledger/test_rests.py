"""Rests of accounts, and the limit of a day."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.ledger.rests import HOUR, REACHED, DayMeter, end_rest, room_from, set_rest
from mailhaul.adapters.ledger.store import Rest, SqliteLedger, SqlLedger

from .conftest import Stores

JOE = "imap joe@server"
START = 1_000 * HOUR + 10


class Clock:
    now = float(START)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(store: Stores, clock: Clock) -> SqlLedger:
    return store(clock)


def test_a_rest_outlives_the_program_and_ends_by_itself(
    ledger: SqlLedger, clock: Clock, store: Stores
) -> None:
    assert ledger.rest_of(JOE) is None
    set_rest(ledger, JOE, START + 100, "busy \udcff")
    ledger.close()
    again = store(clock)
    assert again.rest_of(JOE) == Rest(START + 100, "busy ?")
    assert again.rest_of("imap ann@server") is None
    clock.now += 101
    assert again.rest_of(JOE) is None


def test_the_longest_rest_counts(ledger: SqlLedger) -> None:
    set_rest(ledger, JOE, START + 100, "long")
    set_rest(ledger, JOE, START + 50, "short")
    assert ledger.rest_of(JOE) == Rest(START + 100, "long")
    set_rest(ledger, JOE, START + 200, "longer")
    assert ledger.rest_of(JOE) == Rest(START + 200, "longer")
    end_rest(ledger, JOE)
    assert ledger.rest_of(JOE) is None


def test_the_meter_stops_before_the_limit_and_goes_on_a_day_later(
    ledger: SqlLedger, clock: Clock
) -> None:
    full: list[float] = []
    meter = DayMeter(ledger, JOE, 1000, full.append)
    assert meter.take([400, 400]) == 2
    assert full == []
    clock.now += 2 * HOUR
    assert meter.take([200, 1, 50]) == 1
    # 800 octets were fetched in the first hour, which is a day ago 25 hours after its beginning.
    until = (START // HOUR + 25) * HOUR
    assert full == [until]
    assert ledger.rest_of(JOE) == Rest(until, REACHED, 1000)
    assert DayMeter(ledger, "another", 1000, full.append).take([1000]) == 1
    clock.now = until - 1
    assert meter.take([1]) == 0
    clock.now = until
    assert ledger.rest_of(JOE) is None
    assert meter.take([800, 1]) == 1


def test_a_message_larger_than_the_limit_is_the_only_one_of_its_day(
    ledger: SqlLedger, clock: Clock
) -> None:
    full: list[float] = []
    meter = DayMeter(ledger, JOE, 1000, full.append)
    assert meter.take([10, 5000]) == 1
    clock.now = full[-1]
    assert meter.take([5000, 1]) == 1
    clock.now = full[-1]
    assert meter.take([1]) == 1


@given(st.lists(st.tuples(st.integers(0, 3 * HOUR), st.integers(1, 700)), max_size=60))
def test_no_day_has_more_than_the_limit(mails: list[tuple[int, int]]) -> None:
    clock = Clock()
    ledger = SqliteLedger(":memory:", clock)
    ledger._connection = ledger._connect()  # pyright: ignore[reportPrivateUsage]
    meter = DayMeter(ledger, JOE, 1000, lambda until: None)
    taken: list[tuple[float, int]] = []
    for later, size in mails:
        clock.now += later
        if meter.take([size]):
            taken.append((clock.now, size))
        day = [octets for when, octets in taken if when > clock.now - 24 * HOUR]
        assert sum(day) <= 1000
    ledger.close()


def test_room_comes_when_enough_hours_are_a_day_ago() -> None:
    used = [(10, 500), (12, 300), (15, 200)]
    assert room_from(used, 1, 1000) == 35 * HOUR
    assert room_from(used, 600, 1000) == 37 * HOUR
    assert room_from(used, 5000, 1000) == 40 * HOUR
