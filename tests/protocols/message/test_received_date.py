"""The arrival date of a message is taken from its topmost Received field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.received_date import date_time, is_date_time, received_date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b" Wed, 17 Jul 1996 02:44:25 -0700 (PDT)\r\n", b"17-Jul-1996 02:44:25 -0700"),
        (b"7 jul 2026 02:44:25 +0000", b"07-Jul-2026 02:44:25 +0000"),
        (b"Wed,17 JUL 96 02:44 PDT", b"17-Jul-1996 02:44:00 -0700"),
        (b"1 Jan 49 00:00:00 GMT", b"01-Jan-2049 00:00:00 +0000"),
        (b"1 Jan 50 00:00:00 CET", b"01-Jan-1950 00:00:00 +0000"),
        (b"31 Dec 2016 23:59:60 +0000", b"31-Dec-2016 23:59:59 +0000"),
        (b"29 Feb 2024 00:00:00 +0000", b"29-Feb-2024 00:00:00 +0000"),
        (b"Wed, 17 Jul\r\n\t1996 02:44:25 -0700", b"17-Jul-1996 02:44:25 -0700"),
        (b"29 Feb 2023 00:00:00 +0000", None),
        (b"29 Feb 2100 00:00:00 +0000", None),
        (b"0 Jan 2026 00:00:00 +0000", None),
        (b"31 Apr 2026 00:00:00 +0000", None),
        (b"1 Foo 2026 00:00:00 +0000", None),
        (b"1 Jan 2026 24:00:00 +0000", None),
        (b"1 Jan 2026 00:00:00 +9900", None),
        (b"1 Jan 2026 00:00:00", None),
        (b"yesterday", None),
        (b"", None),
    ],
)
def test_a_date_is_converted_to_an_imap_date_or_refused(
    text: bytes, expected: bytes | None
) -> None:
    assert date_time(text) == expected
    assert expected is None or is_date_time(expected)


def test_the_topmost_received_field_counts() -> None:
    header = (
        b"Subject: 3 May 2026 00:00:00 +0000\r\n"
        b"RECEIVED: from a (b; c)\r\n by d; Sat, 2 May 2026 00:00:00 +0200\r\n"
        b"Received: by e; Fri, 1 May 2026 00:00:00 +0000\r\n\r\n"
    )
    assert received_date(header) == b"02-May-2026 00:00:00 +0200"


def test_an_older_hop_does_not_replace_the_last_one() -> None:
    header = b"Received: by d\r\nReceived: by e; Fri, 1 May 2026 00:00:00 +0000\r\n\r\n"
    assert received_date(header) is None
    assert received_date(b"Subject: x\r\n\r\n") is None


@given(st.binary(max_size=80))
def test_any_field_gives_a_valid_imap_date_or_none(text: bytes) -> None:
    found = received_date(b"Received: by x; " + text)
    assert found is None or is_date_time(found)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (b"17-Jul-1996 02:44:25 -0700", True),
        (b" 7-Jul-1996 02:44:25 -0700", True),
        (b"7-Jul-1996 02:44:25 -0700", True),
        (b'17-Jul-1996 02:44:25 -0700"', False),
        (b"17-Jul-1996", False),
        (b"17-Qux-1996 02:44:25 -0700", False),
    ],
)
def test_imap_dates_are_distinguished_from_other_text(text: bytes, good: bool) -> None:
    assert is_date_time(text) is good
