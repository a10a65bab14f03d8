"""Rewriting inserts hosts and changes nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.header import Field, split_fields
from mailhaul.protocols.message.rewrite import rewritten

LISTED = [
    *(b"From", b"To", b"Cc", b"Bcc", b"Reply-To", b"Sender", b"Return-Path"),
    *(b"Resent-From", b"Resent-To", b"Resent-Cc", b"Resent-Bcc", b"Resent-Sender"),
    *(b"Apparently-From", b"Apparently-To"),
]


@pytest.mark.parametrize("name", [*LISTED, b"FROM", b"to"])
def test_these_fields_are_rewritten(name: bytes) -> None:
    raw = rewritten(Field(name + b": ann, bob@example.net\r\n"), b"h.example")
    assert raw == name + b": ann@h.example, bob@example.net\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: ann\r\n",
        b"X-To: ann\r\n",
        b"Resent-Reply-To: ann\r\n",
        b"Errors-To: ann\r\n",
        b"Mail-Followup-To: ann\r\n",
        b"Delivered-To: ann\r\n",
        b"To ann\r\n",
        b"ann\n",
    ],
)
def test_other_lines_are_not_rewritten(raw: bytes) -> None:
    assert rewritten(Field(raw), b"h.example") == raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Cc: a!b, c%d , <>,  <ann (c)>\r\n , dave\r\n\t(other)\r\n",
         b"Cc: a!b, c%d@H , <>,  <ann@H (c)>\r\n , dave@H\r\n\t(other)\r\n"),
        (b"To: Friends: ann, bob (x);, carol\r\n", b"To: Friends: ann@H, bob@H (x);, carol@H\r\n"),
        (b"To: ann@example.net, undisclosed:;\r\n", b"To: ann@example.net, undisclosed:;\r\n"),
        (b'Reply-To: "x <ann>, b" <"joe smith">\n', b'Reply-To: "x <ann>, b" <"joe smith"@H>\n'),
        (b"To : ann", b"To : ann@H"),
        (b"To:ann\r\n", b"To:ann@H\r\n"),
    ],
)  # fmt: skip
def test_comments_quotes_groups_and_folds_stay_unchanged(raw: bytes, expected: bytes) -> None:
    assert rewritten(Field(raw), b"H") == expected


@given(st.lists(st.sampled_from([*b'<>@"\\ \r\n\t,;:()[]a.!']), max_size=30).map(bytes))
def test_a_header_keeps_its_lines(body: bytes) -> None:
    for field in split_fields(b"To:" + body):
        raw = rewritten(field, b"H")
        assert raw.replace(b"@H", b"") == field.raw
        assert [part.raw for part in split_fields(raw)] == [raw]
        assert raw.count(b"\n") == field.raw.count(b"\n")


def test_ten_thousand_recipients_are_completed_in_one_field() -> None:
    raw = b"To: " + b",\r\n ".join(b"user%d" % n for n in range(10_000)) + b"\r\n"
    assert rewritten(Field(raw), b"h.example").count(b"@h.example") == 10_000


def test_a_field_that_would_grow_too_long_stays_unchanged() -> None:
    field = Field(b"To: ann, bob\r\n")
    assert rewritten(field, b"h.example", room=20) == b"To: ann@h.example, bob@h.example\r\n"
    assert rewritten(field, b"h.example", room=19) == field.raw
