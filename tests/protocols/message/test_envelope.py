"""The envelope sender and recipient of a message are found and are always safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.envelope import (
    MAX_PATH,
    envelope_sender,
    fallback_sender,
    is_path,
    recipient_address,
)
from mailhaul.protocols.message.header import split_fields

HOST = "mail.example.org"


def sender(header: bytes, *, for_mda: bool = False) -> bytes | None:
    return envelope_sender(split_fields(header), HOST, for_mda=for_mda)


ORDER = [
    b"Return-Path: <return@example.net>\r\n",
    b"Resent-Sender: resent-sender@example.net\r\n",
    b"Sender: sender@example.net\r\n",
    b"Resent-From: resent-from@example.net\r\n",
    b"From: Ann <from@example.net>\r\n",
    b"Reply-To: reply@example.net\r\n",
    b"Apparently-From: apparently@example.net\r\n",
]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_fields_are_searched_in_order_of_precedence(first: int) -> None:
    local = (b"return", b"resent-sender", b"sender", b"resent-from", b"from", b"reply")
    expected = (*local, b"apparently")[first] + b"@example.net"
    assert sender(b"".join(reversed(ORDER[first:]))) == expected
    assert sender(b"".join(ORDER[first:])) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Return-Path: <>\nFrom: ann@example.net\n", b""),
        (b"Return-Path: <one@example.net>\nReturn-Path: <two@example.net>\n", b"one@example.net"),
        (b"Return-Path:\nFrom: ann@example.net\n", b"ann@example.net"),
        (b"Return-Path: <\nFrom: ann@example.net\n", b"ann@example.net"),
        (b"From: <>\nReply-To: ann@example.net\n", b"ann@example.net"),
        (b"From: one@example.net\nFROM: two@example.net\n", b"two@example.net"),
        (b"From: one@example.net, two@example.net\n", b"one@example.net"),
        (b"Sender: ann\nFrom: bob@example.net\n", b"ann@mail.example.org"),
        (b"Sender: host!ann\nFrom: bob@example.net\n", b"host!ann"),
        (b"From: ann\n", b"ann@mail.example.org"),
        (b"From: @example.net\nReply-To: ann@example.net\n", b"ann@example.net"),
        (b"From: <@a.example:ann@example.net>\n", b"ann@example.net"),
        (b'From: "ann smith"@example.net\n', b'"ann smith"@example.net'),
        (b"Fr\0om: an\0n@example.net\n", b"ann@example.net"),
        (b"Subject: hello\n", None),
        (b"From: Ann Smith\n", None),
        (b"", None),
    ],
)
def test_the_first_usable_address_is_the_sender(header: bytes, expected: bytes | None) -> None:
    assert sender(header) == expected


def test_a_bare_sender_counts_only_where_rewriting_gives_it_a_host() -> None:
    fields = split_fields(b"Sender: ann\nResent-Sender: eve\nFrom: bob\n")
    assert envelope_sender(fields, HOST) == b"eve@mail.example.org"
    assert envelope_sender(fields, HOST, rewrite=False) == b"bob@mail.example.org"


@pytest.mark.parametrize(
    "unsafe",
    [
        b'"a\r\n b"@x.example',
        b'"a\tb"@x.example',
        b'"open@x.example',
        b"a\x07b@x.example",
        b"a\x7f@x.example",
        b"a@b@x.example",
        b"a@x..example",
        b"a)@x.example",
        b"a\\@x.example",
        b"a@[x y]",
        b"a@",
        b"a@[]",
        b'""b""@x.example',
        b"a" * MAX_PATH + b"@x.example",
    ],
)
def test_an_address_that_no_server_accepts_is_skipped(unsafe: bytes) -> None:
    assert not is_path(unsafe)
    header = b"Return-Path: " + unsafe + b"\r\n"
    assert sender(header + b"From: ok@example.net\r\n") == b"ok@example.net"


@pytest.mark.parametrize("stray", [b"<a@x.example", b"a@x.example>", b"a b@x.example", b""])
def test_a_path_has_no_brackets_and_no_bare_blanks(stray: bytes) -> None:
    assert not is_path(stray)


def test_eight_bit_addresses_are_for_an_mda_only() -> None:
    header = "From: müller@example.net\nReply-To: ann@example.net\n".encode()
    assert sender(header) == b"ann@example.net"
    assert sender(header, for_mda=True) == "müller@example.net".encode()


def test_an_address_like_an_option_is_not_silently_replaced() -> None:
    header = b"From: -oQ@example.net\n"
    assert sender(header) == b"-oQ@example.net"
    assert sender(header, for_mda=True) == b"-oQ@example.net"


@given(
    st.sampled_from([b"Return-Path:", b"From:"]),
    st.lists(st.sampled_from([*b'<>@"\\ \r\n\t\0,;:()[]ab.!-\xff']), max_size=20).map(bytes),
    st.booleans(),
)
def test_the_sender_is_a_safe_path_for_any_header(name: bytes, body: bytes, for_mda: bool) -> None:
    found = sender(name + body, for_mda=for_mda)
    if found:
        assert is_path(found)
        outside = b"".join(found.split(b'"')[::2]) if b"\\" not in found else b""
        assert not set(outside) & set(b"<> ")
        assert min(found) >= 0x20
        assert 0x7F not in found


@pytest.mark.parametrize(
    ("user", "host", "expected"),
    [
        ("ann", HOST, b"ann@mail.example.org"),
        ("ann@example.net", HOST, b"ann@example.net"),
        ("host!ann", HOST, b"host!ann"),
        ("ann", "192.0.2.1", b"ann@[192.0.2.1]"),
        ("ann", "2001:db8::1", b"ann@[IPv6:2001:db8::1]"),
        ("DOMAIN\\ann", HOST, b'"DOMAIN\\\\ann"@mail.example.org'),
        ("ann smith", HOST, b'"ann smith"@mail.example.org'),
        ("ann\r\nRCPT TO:<x>", HOST, b'"ann??RCPT TO:<x>"@mail.example.org'),
        ("müller", "höst", b"m?ller@h-st"),
    ],
)
def test_a_message_that_names_no_sender_is_from_its_mailbox(
    user: str, host: str, expected: bytes
) -> None:
    assert fallback_sender(user, host) == expected
    assert is_path(expected)


@pytest.mark.parametrize(
    ("name", "domain", "smtp_name", "smtp_address", "expected"),
    [
        ("joe", "localhost", None, None, b"joe@localhost"),
        ("joe", "127.0.0.1", None, None, b"joe@127.0.0.1"),
        ("joe", "::1", None, None, b"joe@[IPv6:::1]"),
        ("joe", "localhost", None, "example.org", b"joe@example.org"),
        ("joe@example.net", "localhost", None, "example.org", b"joe@example.net"),
        ("joe@example.net", "localhost", "all@example.org", None, b"joe@example.net"),
        ("joe", "localhost", "all@example.org", "example.net", b"all@example.org"),
        ("joe", "localhost", "all", "example.net", b"all"),
        ("joe smith", "localhost", None, None, b'"joe smith"@localhost'),
        ("joe\r\nDATA", "localhost", None, None, b"joe??DATA@localhost"),
        ("joe", "", None, None, b"joe"),
        ("joe smith", "", None, "example.org", b"joe smith"),
        ("jürgen", "localhost", None, None, "jürgen@localhost".encode()),
    ],
)
def test_the_recipient_of_a_single_drop_mailbox(
    name: str, domain: str, smtp_name: str | None, smtp_address: str | None, expected: bytes
) -> None:
    assert recipient_address(name, domain, smtp_name, smtp_address) == expected
