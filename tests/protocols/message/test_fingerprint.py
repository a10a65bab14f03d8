"""The fingerprint distinguishes messages and ignores what servers change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.fingerprint import MAX_FIELD, fingerprint, fingerprint_of
from mailhaul.protocols.message.header import HeaderScanner

HEADER = b"From: Ann <a@x>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\n"


@pytest.mark.parametrize(
    "same",
    [
        HEADER.replace(b"\r\n", b"\n"),
        HEADER.replace(b"\r\n", b"\r"),
        b"Received: by us\r\nStatus: RO\r\n" + HEADER,
        HEADER.replace(b"Ann <", b"Ann\r\n\t<"),
        HEADER.replace(b"Message-ID:", b"message-id :"),
        HEADER + b"Message-ID: <in the body@x>\r\n",
        HEADER.removesuffix(b"\r\n") + b"From: another\r\n\r\n",
    ],
)
def test_changes_that_a_server_may_make_do_not_count(same: bytes) -> None:
    assert fingerprint(same) == fingerprint(HEADER) != b""


@pytest.mark.parametrize(
    ("old", "new"), [(b"<1@x>", b"<2@x>"), (b"Ann", b"Bob"), (b"2024", b"2025")]
)
def test_each_of_the_fields_counts(old: bytes, new: bytes) -> None:
    assert fingerprint(HEADER.replace(old, new)) != fingerprint(HEADER)


def test_without_the_fields_there_is_no_fingerprint() -> None:
    assert fingerprint(b"Subject: x\r\n\r\nFrom: in the body\r\n") == b""
    assert fingerprint(b"") == b""


def test_only_the_start_of_a_huge_field_counts() -> None:
    long = b"From: a" + b" a" * 500_000 + b"\r\n\r\n"
    assert fingerprint(long) == fingerprint(long.replace(b" a\r\n", b" b\r\n")) != b""


PIECES = st.sampled_from(
    [
        *(b"From: a@x", b"from :b@x", b"FROM\t: c", b"Date: 1 Jan", b"Message-ID:<1@x>", b"Date:"),
        *(b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\n\t", b"\r ", b"\0", b" ", b":"),
        *(b"Subject: from: x", b"Received: by us", b"Fr\0om: d", b"From x", b"\xe9", b"\x0b", b"x"),
        *(b"x" * MAX_FIELD, b"x" * (MAX_FIELD - 1), b"Date: " + b"x " * (MAX_FIELD // 2)),
    ]
)


@given(st.lists(PIECES, max_size=14).map(b"".join))
def test_the_fingerprint_of_fields_is_that_of_their_text(header: bytes) -> None:
    scanner = HeaderScanner()
    scanner.feed(header)
    scanner.finish()
    text = b"".join([field.raw for field in scanner.fields])
    assert fingerprint_of(scanner.fields) == fingerprint(text)


def test_a_header_is_usually_not_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = HeaderScanner()
    scanner.feed(HEADER)
    expected = fingerprint(HEADER)
    monkeypatch.setattr("mailhaul.protocols.message.fingerprint.fingerprint", None)
    assert fingerprint_of(scanner.fields) == expected
