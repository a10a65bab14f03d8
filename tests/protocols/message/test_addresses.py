"""Addresses are extracted from any address list in one pass."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.addresses import addresses, first_address, hostless_ends

from .counted import Counted


def specs(text: bytes) -> list[bytes]:
    return [address.spec for address in addresses(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b" ann@example.org\r\n", [b"ann@example.org"]),
        (b"Ann Smith <ann@example.org>", [b"ann@example.org"]),
        (b'"Smith, Ann (<x@y>)" <ann@example.org>', [b"ann@example.org"]),
        (b'"a \\" b, <c@d>" <ann@example.org>', [b"ann@example.org"]),
        (
            b"a@b.example, c@d.example,, ,e@f.example,",
            [b"a@b.example", b"c@d.example", b"e@f.example"],
        ),
        (b"ann@example.org (Ann (the (real) one) \\) <x@y>)", [b"ann@example.org"]),
        (b"(first) ann (at) @ (home) example . org", [b"ann@example.org"]),
        (b"<ann (c) @example.org>", [b"ann@example.org"]),
        (b"Ann\r\n <ann\r\n @example.org>", [b"ann@example.org"]),
        (b'"ann smith"@example.org', [b'"ann smith"@example.org']),
        (b'<"a@b">', [b'"a@b"']),
        (b"<>", [b""]),
        (b"< >", [b""]),
        (b"<@a.example,@b.example:ann@example.org>", [b"ann@example.org"]),
        (b"<mailto:ann@example.org>", [b"ann@example.org"]),
        (
            b"ann@[192.0.2.1], bob@[IPv6:2001:db8::1]",
            [b"ann@[192.0.2.1]", b"bob@[IPv6:2001:db8::1]"],
        ),
        (b"[list] <ann@example.org>", [b"ann@example.org"]),
        (b"undisclosed-recipients:;", []),
        (b"a@b.example, undisclosed:;", [b"a@b.example"]),
        (b"Friends: ann, Bob <bob@b.example>;, carol", [b"ann", b"bob@b.example", b"carol"]),
        (b"host!ann", [b"host!ann"]),
        (b"caf\xc3\xa9@example.org", [b"caf\xc3\xa9@example.org"]),
        (b"M\xfcller <m@example.org>", [b"m@example.org"]),
    ],
)
def test_addresses_of_a_list(text: bytes, expected: list[bytes]) -> None:
    assert specs(text) == expected
    first = first_address(text)
    assert (first and first.spec) == (expected[0] if expected else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b" \r\n", []),
        (b"Ann Smith", []),
        (b'"Ann Smith"', []),
        (b"=?utf-8?Q?Ann?=", []),
        (b"=?utf-8?Q?a:b?= <ann@example.org>", [b"ann@example.org"]),
        (b"=?utf-8?Q?a,<b>;(c?= <ann@example.org>, bob", [b"ann@example.org", b"bob"]),
        (b"=?utf-8?Q?a,b@c?=, =?utf-8?Q?a!b@c?=", []),
        (b"=?utf-8?Q?a:b?=: ann;", [b"ann"]),
        (b"=?utf-8?Q?a,b", [b"=?utf-8?Q?a", b"b"]),
        (b"Ann Smith ann@example.org", [b"ann@example.org"]),
        (b"<", []),
        (b">", []),
        (b"<ann@example.org", [b"ann@example.org"]),
        (b"<ann@example.org, <bob@example.org>", [b"ann@example.org", b"bob@example.org"]),
        (
            b"<ann@example.org>, bob smith <bob@example.org",
            [b"ann@example.org", b"bob@example.org"],
        ),
        (b"<ann@example.org> and more", [b"ann@example.org"]),
        (b"<a@b.example> <c@d.example>", [b"a@b.example", b"c@d.example"]),
        (b"<<ann@example.org>>", [b"ann@example.org"]),
        (b'ann@example.org, "open <bob@example.org>', [b"ann@example.org"]),
        (b'ann "open\\"', []),
        (b"ann@example.org (open, bob@example.org", [b"ann@example.org"]),
        (b"ann@example.org (open\\", [b"ann@example.org"]),
        (b"ann) @example.org", [b"ann)@example.org"]),
        (b"a@[1,b@c.example", [b"a@[1", b"b@c.example"]),
        (b"::;;,,:", []),
    ],
)
def test_addresses_are_found_in_garbage(text: bytes, expected: list[bytes]) -> None:
    assert specs(text) == expected


def completed(text: bytes) -> bytes:
    """Insert @H where a host is missing."""
    for end in reversed(list(hostless_ends(text))):
        text = text[:end] + b"@H" + text[end:]
    return text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b" ann\r\n", b" ann@H\r\n"),
        (b" ann (x), <bob>, Carol <carol>\r\n", b" ann@H (x), <bob@H>, Carol <carol@H>\r\n"),
        (b'"Ann, S" <ann>', b'"Ann, S" <ann@H>'),
        (b'<"ann smith">', b'<"ann smith"@H>'),
        (b"Friends: ann, bob;, x:;", b"Friends: ann@H, bob@H;, x:;"),
        (b"ann . smith (c)", b"ann . smith@H (c)"),
        (b"<ann", b"<ann@H"),
        (b"ann%there", b"ann%there@H"),
        (b"<>, a!b, ann@, (ann), ann@example.org", b"<>, a!b, ann@, (ann), ann@example.org"),
        (
            b"=?utf-8?Q?a:b?=, =?utf-8?q?a,b!?= <ann>, x=?utf-8?B?:?=",
            b"=?utf-8?Q?a:b?=, =?utf-8?q?a,b!?= <ann@H>, x=?utf-8?B?:?=@H",
        ),
        (b'Ann Smith, "ann", =?utf-8?Q?Ann?=', b'Ann Smith, "ann", =?utf-8?Q?Ann?='),
        (b'<"open\r\n', b'<"open\r\n'),
    ],
)
def test_the_place_of_a_missing_host_is_found(text: bytes, expected: bytes) -> None:
    assert completed(text) == expected


GARBAGE = st.lists(
    st.one_of(
        st.sampled_from([b"ann", b"@", b".", b"<", b">", b",", b";", b":", b"(", b")", b'"']),
        st.sampled_from([b"\\", b" ", b"\r\n ", b"[", b"]", b"!", b"=?", b"?=", b"\0", b"\xff"]),
    ),
    max_size=25,
).map(b"".join)


@given(GARBAGE)
def test_any_text_is_accepted_and_completed_only_once(text: bytes) -> None:
    once = completed(text)
    assert completed(once) == once
    assert once.replace(b"@H", b"") == text.replace(b"@H", b"")
    ends = list(hostless_ends(text))
    assert ends == sorted(set(ends))
    # A host is never inserted at the start of a line, where it would begin a new header field.
    assert all(text[end - 1 : end].strip() for end in ends)


@pytest.mark.parametrize(
    "text",
    [
        b"(" * 100_000,
        b"(" * 100_000 + b")" * 100_000 + b" ann@example.org",
        b"<" * 100_000,
        b'"' * 100_001,
        b'"\\' * 50_000,
        b"a@[" * 50_000,
        b"a@[," * 50_000,
        b"<a" * 50_000,
        b"<@a," * 50_000,
        b"a:" * 50_000,
        b"a " * 50_000,
        b"a . " * 50_000,
        b"a" * 100_000,
        b"(a)a" * 50_000,
        b"=?" * 50_000,
        b"=?a?q?" * 20_000,
        b"=?a?q?," * 20_000 + b"?=",
        b"=?a?q?b:c?= " * 10_000,
        b", ".join(b"User %d <user%d@example.org>" % (n, n) for n in range(10_000)),
    ],
    ids=range(19),
)
def test_each_byte_of_a_field_is_read_only_a_few_times(text: bytes) -> None:
    counted = Counted(text)
    for _ in addresses(counted):
        pass
    # Escaped bytes are skipped; the lower bound shows that the counter works.
    assert len(text) // 2 <= counted.looked_at <= 4 * len(text)


def test_ten_thousand_recipients_are_all_found() -> None:
    names = [b"user%d@example.org" % number for number in range(10_000)]
    assert specs(b",\r\n ".join(names)) == names


def test_an_address_after_a_hundred_thousand_nested_comments_is_found() -> None:
    assert specs(b"(" * 100_000 + b")" * 100_000 + b" ann@example.org") == [b"ann@example.org"]


@pytest.mark.parametrize("piece", [b"a,", b"a ", b'""', b"a . ", b"a@b ", b"<a"])
def test_a_long_list_needs_little_more_memory_than_its_octets(piece: bytes) -> None:
    text = piece * 100_000
    tracemalloc.start()
    try:
        for _ in addresses(text):
            pass
        assert tracemalloc.get_traced_memory()[1] < 3 * len(text)
    finally:
        tracemalloc.stop()
