"""The fingerprint distinguishes messages and ignores what servers change."""

from __future__ import annotations

import pytest

from mailhaul.protocols.message.fingerprint import fingerprint

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
