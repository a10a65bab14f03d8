"""Our calendar agrees over a thousand years with Python's, which is too slow to import."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from mailhaul.protocols.message.trace import civil, format_date

EPOCH = date(1970, 1, 1)


@pytest.mark.parametrize("year", [1600, 1700, 1899, 1969, 1970, 2000, 2024, 2026, 2100, 2400])
def test_every_day_of_the_years_around_a_leap_day_is_right(year: int) -> None:
    day = date(year, 1, 1)
    while day <= date(year + 1, 3, 31):
        assert civil((day - EPOCH).days) == (day.year, day.month, day.day)
        day += timedelta(1)


def test_the_first_and_last_day_of_february_is_right_for_a_thousand_years() -> None:
    for year in range(1601, 2601):
        last = date(year, 3, 1) - timedelta(1)
        assert civil((last - EPOCH).days) == (year, 2, last.day)
        assert civil((last - EPOCH).days + 1) == (year, 3, 1)


@pytest.mark.parametrize(
    ("offset", "written"),
    [
        (0, b"Thu, 01 Jan 1970 00:00:00 +0000"),
        (1, b"Thu, 01 Jan 1970 00:00:00 +0000"),
        (60, b"Thu, 01 Jan 1970 00:01:00 +0001"),
        (-60, b"Wed, 31 Dec 1969 23:59:00 -0001"),
    ],
)
def test_a_zone_offset_is_in_whole_minutes_and_matches_the_time(
    offset: int, written: bytes
) -> None:
    assert format_date(0, offset, "") == written
