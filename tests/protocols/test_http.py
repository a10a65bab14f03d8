"""HTTP values: which addresses a request may go to, and what a response says about time."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.http import HttpRequest, HttpResponse, Url, parse_url, seconds_of
from mailhaul.protocols.secret import Secret


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a.example", Url("https", "a.example", 443, "/")),
        ("https://A.example/x?y=1", Url("https", "a.example", 443, "/x?y=1")),
        ("https://a.example:8443/x", Url("https", "a.example", 8443, "/x")),
        ("http://127.0.0.1:3000/x", Url("http", "127.0.0.1", 3000, "/x")),
        ("http://localhost/x", Url("http", "localhost", 80, "/x")),
        ("http://[::1]:3000/", Url("http", "::1", 3000, "/")),
    ],
)
def test_an_address_is_split_into_its_parts(text: str, url: Url) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.example", "/x", "https://", "https:///x", "ftp://a.example", "http://a.example"),
        *("https://joe@a.example", "https://a.example/#x", "https://a.example:99999/"),
        *("https://a.example/\r\nHost: b", "https://a.example/ x", "https://ä.example"),
        *("http://127.0.0.1.example/", "http://localhost.example/", "https://[::1/"),
        "https://a.example/" + "x" * 5000,
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        parse_url(text)
    assert "example" not in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        found = parse_url(text)
    except LocalProtocolError:
        return
    assert found.scheme == "https" or found.loopback


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://a.example/x", "a.example"),
        ("https://a.example:443/x", "a.example"),
        ("https://a.example:8443/x", "a.example:8443"),
        ("http://[::1]:3000/", "[::1]:3000"),
    ],
)
def test_the_authority_is_what_a_host_field_needs(url: str, authority: str) -> None:
    assert parse_url(url).authority == authority


@given(st.datetimes(datetime(1970, 1, 1), datetime(2400, 1, 1)))
def test_a_date_is_read_as_python_reads_it(moment: datetime) -> None:
    utc = moment.replace(tzinfo=UTC, microsecond=0)
    assert seconds_of(format_datetime(utc, usegmt=True)) == int(utc.timestamp())


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "Sun, 06 Nov 1994 08:49:37 +0000", "Sunday, 06-Nov-94 08:49:37 GMT"),
        *("Sun, 31 Feb 2026 08:49:37 GMT", "Sun, 06 Nox 2026 08:49:37 GMT"),
        "Sun, 06 Nov 1894 08:49:37 GMT",
    ],
)
def test_other_dates_are_no_dates(text: str) -> None:
    assert seconds_of(text) is None


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ((), None),
        ((("retry-after", "120"),), 120),
        ((("retry-after", " 7 "),), 7),
        ((("retry-after", "-7"),), None),
        ((("retry-after", "soon"),), None),
        ((("retry-after", "9" * 500),), 999_999_999),
        ((("retry-after", "Tue, 01 Dec 2026 08:01:00 GMT"),), None),
        (
            (
                ("date", "Tue, 01 Dec 2026 08:00:00 GMT"),
                ("retry-after", "Tue, 01 Dec 2026 08:01:00 GMT"),
            ),
            60,
        ),
        (
            (
                ("date", "Tue, 01 Dec 2026 08:02:00 GMT"),
                ("retry-after", "Tue, 01 Dec 2026 08:01:00 GMT"),
            ),
            0,
        ),
    ],
)
def test_retry_after_is_a_number_or_a_date(
    fields: tuple[tuple[str, str], ...], seconds: int | None
) -> None:
    assert HttpResponse(429, fields).retry_after == seconds


def test_a_request_does_not_show_what_is_secret() -> None:
    fields = (("Authorization", "Basic hidden"),)
    request = HttpRequest(
        "POST", "https://a.example/?hidden", fields, b"hidden", (Secret(b"hidden"),)
    )
    assert "hidden" not in repr(request)
    assert "hidden" not in repr(HttpResponse(200, fields, b"hidden"))
