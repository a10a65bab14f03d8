"""Address fields are parsed into the entries of ENVELOPE."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.servers.address_lists import END_OF_GROUP, Entry, entries, tokens
from mailhaul.servers.mime import Part, envelope_of, structure_of


def group(name: bytes) -> Entry:
    return Entry(None, None, name, None)


ANN = Entry(None, None, b"ann", b"x.org")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"", []),
        (b" , ,", []),
        (b"ann@x.org", [ANN]),
        (b"ann @ x . org", [ANN]),
        (b"<ann@x.org>", [ANN]),
        (b"Ann B. <ann@x.org>, ann@x.org", [Entry(b"Ann B.", None, b"ann", b"x.org"), ANN]),
        (b'"B, \\"Ann\\"" <ann@x.org>', [Entry(b'B, "Ann"', None, b"ann", b"x.org")]),
        (b'"Ann B" <"a b"@x.org>', [Entry(b"Ann B", None, b"a b", b"x.org")]),
        (b"ann@x.org (Ann (B))", [Entry(b"Ann (B)", None, b"ann", b"x.org")]),
        (b"Ann (c) <ann(d)@x.org>", [Entry(b"Ann", None, b"ann", b"x.org")]),
        (b"<@a,@b:ann@x.org>", [Entry(None, b"@a,@b", b"ann", b"x.org")]),
        (b"=?utf-8?Q?=C3=84?= <ann@x.org>", [Entry(b"=?utf-8?Q?=C3=84?=", None, b"ann", b"x.org")]),
        (b"ann", [Entry(None, None, b"ann", b"")]),
        (b"<>", [Entry(None, None, b"", b"")]),
        (b"Ann B ann@x.org or so", [Entry(b"Ann B", None, b"ann", b"x.org")]),
        (b"ann@[IPv6:1::2]", [Entry(None, None, b"ann", b"[IPv6:1::2]")]),
        (b"nobody:;", [group(b"nobody"), END_OF_GROUP]),
        (b"A b: ann@x.org, ann@x.org;, ann@x.org", [group(b"A b"), ANN, ANN, END_OF_GROUP, ANN]),
        (b"a: ann@x.org", [group(b"a"), ANN, END_OF_GROUP]),
        (b"a: b: ;", [group(b"a"), END_OF_GROUP, group(b"b"), END_OF_GROUP]),
        (b'"open <ann@x.org>', [Entry(None, None, b"open <ann@x.org>", b"")]),
        (b"(open <ann@x.org>", []),
        (b"Ann <ann@x.org", [Entry(b"Ann", None, b"ann", b"x.org")]),
    ],
)
def test_the_entries_of_a_field(field: bytes, expected: list[Entry]) -> None:
    assert list(entries(field)) == expected


@given(st.lists(st.sampled_from(list(b'aB.@<>,;:"\\()[] \r\n=?'))).map(bytes))
def test_each_octet_belongs_to_one_token_and_groups_are_balanced(field: bytes) -> None:
    assert b"".join(tokens(field)) == field
    opened = 0
    for entry in entries(field):
        if entry == END_OF_GROUP:
            opened -= 1
        elif entry.host is None:
            opened += 1
        assert opened in {0, 1}
    assert opened == 0


# Cost


def count_work(action: Callable[[], Any]) -> int:
    """Return the number of executed Python lines and of C calls during an action."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(lambda frame, event, argument: trace(frame, event, argument) and None)
    try:
        action()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return count


FIELDS = [
    b"=?utf-8?Q?An=C3=A4?= <ann@x.org>,\r\n ",
    b"=?utf-8?Q?An=C3=A4?= ",
    b"ann@x.org, ",
    b'"a" ',
    b"(",
    b"a:",
    b"<",
    b'"\\',
    b"@.",
]


@pytest.mark.parametrize("piece", FIELDS)
def test_the_cost_of_an_envelope_is_linear_in_its_fields(piece: bytes) -> None:
    def once(count: int) -> int:
        part = Part(b"To: " + piece * count + b"\r\n\r\n")
        return count_work(lambda: envelope_of(part))

    assert once(800) < 3 * once(400) + 1000


@pytest.mark.parametrize(
    "piece",
    [
        b"--b\r\n\r\nx\r\n",
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nTo: x\r\n\r\ny\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"x: y\r\n",
        b"--b",
        b"--b   ",
    ],
)
def test_the_cost_of_a_structure_is_linear_in_the_message(piece: bytes) -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"

    def once(count: int) -> int:
        return count_work(lambda: structure_of(Part(head + piece * count), extended=True))

    assert once(200) < 3 * once(100) + 1000
