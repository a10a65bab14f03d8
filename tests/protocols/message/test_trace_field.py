"""The Received field describes the route of a message, and is always exactly one field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.header import split_fields
from mailhaul.protocols.message.trace import Received, format_date, received_field

DATE = b"Sun, 22 Nov 2026 22:14:59 +0000 (UTC)"
TRACE = Received("mail.example.org", "", "home.example.net", b"IMAP", b"0.1.0", DATE)


def test_the_field_in_its_normal_form() -> None:
    assert received_field(TRACE, b"joe@localhost", b"\r\n") == (
        b"Received: from mail.example.org\r\n"
        b"\tby home.example.net with IMAP (mailhaul-0.1.0)\r\n"
        b"\tfor <joe@localhost> (single-drop); Sun, 22 Nov 2026 22:14:59 +0000 (UTC)\r\n"
    )


def test_the_field_has_the_line_ends_of_the_message() -> None:
    field = received_field(TRACE, b"joe@localhost", b"\n")
    assert field.count(b"\n") == 3
    assert b"\r" not in field


def test_a_bare_name_is_completed_with_localhost() -> None:
    assert b"\tfor <joe@localhost> (single-drop);" in received_field(TRACE, b"joe", b"\n")


def test_several_recipients_are_not_named() -> None:
    last = received_field(TRACE, None, b"\r\n").split(b"\r\n")[2]
    assert last == b"\t(multi-drop); " + DATE


@pytest.mark.parametrize(
    ("address", "shown"),
    [("192.0.2.1", b"[192.0.2.1]"), ("2001:db8::1", b"[IPv6:2001:db8::1]")],
)
def test_the_peer_is_shown_if_it_is_given(address: str, shown: bytes) -> None:
    first = received_field(replace(TRACE, address=address), None, b"\n").split(b"\n")[0]
    assert first == b"Received: from mail.example.org " + shown


def test_details_of_the_poll_follow_the_program() -> None:
    trace = replace(TRACE, details="polling work account ann folder Lists")
    second = received_field(trace, None, b"\n").split(b"\n")[1]
    assert second.endswith(b"(mailhaul-0.1.0 polling work account ann folder Lists)")


def test_an_account_cannot_close_the_comment() -> None:
    trace = replace(TRACE, details="account DOMAIN\\ann) by (x")
    second = received_field(trace, None, b"\n").split(b"\n")[1]
    assert second.endswith(rb"(mailhaul-0.1.0 account DOMAIN\\ann\) by \(x)")


def test_a_recipient_must_not_contain_brackets() -> None:
    last = received_field(TRACE, b"a@b> (x); <c", b"\n").split(b"\n")[2]
    assert last == b"\tfor <a@b? (x); ?c> (single-drop); " + DATE


HOSTILE = st.text(st.sampled_from('a.:;<>()\\"\r\n\t\0 \x7fé€'), max_size=12)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE.map(str.encode), HOSTILE.map(str.encode))
def test_no_argument_can_leave_the_field(
    truename: str, address: str, host: str, details: str, recipient: bytes, other: bytes
) -> None:
    trace = Received(truename, address, host, other, other, other, details)
    field = received_field(trace, recipient, b"\r\n")
    assert len(split_fields(field)) == 1
    assert field.count(b"\r\n") == field.count(b"\n") == field.count(b"\r") == 3
    assert all(0x20 <= byte < 0x7F for byte in field.translate(None, b"\r\n\t"))


@pytest.mark.parametrize(
    ("seconds", "offset", "zone", "expected"),
    [
        (1795385699, 0, "UTC", DATE),
        (0, 0, "", b"Thu, 01 Jan 1970 00:00:00 +0000"),
        (0, -5 * 3600, "EST", b"Wed, 31 Dec 1969 19:00:00 -0500 (EST)"),
        (0, 5 * 3600 + 1800, "IST", b"Thu, 01 Jan 1970 05:30:00 +0530 (IST)"),
        (951782400, 0, "UTC", b"Tue, 29 Feb 2000 00:00:00 +0000 (UTC)"),
        (0, 90, "", b"Thu, 01 Jan 1970 00:01:00 +0001"),
        (0, -90, "", b"Wed, 31 Dec 1969 23:59:00 -0001"),
        (0, 0, "a)\r\nb", b"Thu, 01 Jan 1970 00:00:00 +0000 (a\\)??b)"),
    ],
)
def test_a_date_has_the_format_of_rfc_5322(
    seconds: int, offset: int, zone: str, expected: bytes
) -> None:
    assert format_date(seconds, offset, zone) == expected


@given(st.integers(-(10**10), 2 * 10**11), st.integers(-14 * 60, 14 * 60))
def test_every_date_agrees_with_the_calendar(seconds: int, minutes: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert format_date(seconds, minutes * 60, "").decode() == format_datetime(local)
