"""Bad lines, hops, deliveries and folder data are found in a header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.header import first_line, split_fields
from mailhaul.protocols.message.objections import (
    bad_line,
    hops,
    is_folder_data,
    times_delivered,
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"A: 1\r\nno colon here\r\nB: 2\r\nnor here\r\n", b"no colon here\r\n"),
        (b"first\nA: 1\n", b"first\n"),
        (b"A: 1\nlast", b"last"),
        # A colon in a continuation line does not count.
        (b"A: 1\nword\n folded: x\n", b"word\n"),
        (b"A: 1\nwo\0rd\n", b"word\n"),
        (b"A: 1\rwords\rB: 2\r", b"words\r"),
        (b"foo\rbar: x\r\n", b"foo\r"),
        (b"A: 1\r\r\nwords\r\r\n", b"words\r\r\n"),
        (b"A: 1\nFrom\n", b"From\n"),
        (b"From the sea\nA: 1\n", b"From the sea\n"),
        (b"A: 1\n>From bob\n", b">From bob\n"),
        (b"A: 1\nFromage\n", b"Fromage\n"),
        (b"A: 1\n\x80\n", b"\x80\n"),
    ],
)
def test_the_first_line_without_a_colon_is_bad(header: bytes, expected: bytes) -> None:
    assert bad_line(split_fields(header)) == expected


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"A: 1\r\n folded without\r\n\tcolon\r\n",
        b" blank-led\r\nA: 1\r\n",
        b": no name\r\n",
        b"N\xe4me: x\r\n",
        b"two words: x\r\n",
        b"A: 1\n\0\nB: 2\n",
        b"A: 1\n\0",
        b"From ann@example.org Mon Mar  2 10:00:00 2020\r\nA: 1\r\n",
    ],
)
def test_other_malformed_lines_are_tolerated(header: bytes) -> None:
    assert bad_line(split_fields(header)) is None


def test_every_received_field_is_a_hop() -> None:
    assert hops(split_fields(b"X-Received: x\n" + b"Received: a\n b\nRECEIVED : c\n" * 50)) == 100
    assert hops([]) == 0


def test_deliveries_to_an_address_are_counted() -> None:
    header = b"Delivered-To: ann@x.example\nDELIVERED-TO: <Ann@X.example>\nDelivered-To:\n"
    header += b"Delivered-To: bob@x.example\nTo: ann@x.example\n"
    assert times_delivered(split_fields(header), b"ANN@x.example") == 2
    assert times_delivered(split_fields(header), b"eve@x.example") == 0


def test_folder_data_is_not_mail() -> None:
    assert is_folder_data(split_fields(b"From: MAILER-DAEMON@x\nX-IMAP: 1234567890 0000000001\n"))
    assert not is_folder_data(split_fields(b"From: a@b\nX-IMAP-Other: 1\nSubject: X-IMAP:\n"))


@given(
    st.lists(
        st.sampled_from([b"Delivered-To", b"Received", b": ", b"\r", b"\n", b" ", b"\0", b"a@b"]),
        max_size=25,
    ).map(b"".join)
)
def test_any_header_is_accepted(header: bytes) -> None:
    fields = split_fields(header)
    line = bad_line(fields)
    assert line is None or (line and b":" not in line and line == first_line(line))
    assert 0 <= hops(fields) + times_delivered(fields, b"a@b") <= len(fields)
