"""Names, hosts and addresses at the limits of the grammar."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.message.addresses import Address, addresses, first_address, quoted_end
from mailhaul.protocols.message.envelope import (
    MAX_PATH,
    envelope_sender,
    fallback_sender,
    is_domain,
    is_path,
    is_quoted_string,
    recipient_address,
)
from mailhaul.protocols.message.header import HeaderScanner, split_fields
from mailhaul.protocols.message.hosts import host_bytes, strict_domain_part
from mailhaul.protocols.message.outgoing import HeaderRules, outgoing_header
from mailhaul.protocols.message.trace import Received, received_field

TRACE = Received("mail.example.org", "", "home.example.net", b"IMAP", b"0.1.0", b"DATE")
PLAIN = HeaderRules("mail.example.org", "ann", None, rewrite=False)


def specs(text: bytes) -> list[bytes]:
    return [address.spec for address in addresses(text)]


# Addresses


def test_no_host_is_added_to_the_null_address() -> None:
    assert first_address(b"<>") == Address(b"", -1, False)


def test_text_after_an_angle_bracket_is_not_a_second_address() -> None:
    assert specs(b"<ann@a.example> bob@b.example, carl@c.example") == [
        b"ann@a.example",
        b"carl@c.example",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"=?x", [b"=?x"]),
        (b"x?=", [b"x?="]),
        (b"=?utf-8?q?x?=", []),
        (b"a Xb", []),
        (b"aX b", []),
        (b"a .b", [b"a.b"]),
        (b"<ann@a.example>: carl@c.example", [b"ann@a.example", b"carl@c.example"]),
        (b"(\\)) ann@a.example", [b"ann@a.example"]),
        (b"<@[1::2]:ann@a.example>", [b"ann@a.example"]),
    ],
)
def test_which_words_become_addresses(text: bytes, found: list[bytes]) -> None:
    assert specs(text) == found


@pytest.mark.parametrize(
    ("text", "end"),
    [(b'""', 2), (b'"a"', 3), (b'"\\""', 4), (b'"\\a"', 4), (b'"\\', -1), (b'"', -1), (b'"a', -1)],
)
def test_a_quoted_string_ends_at_the_first_quote_that_is_not_escaped(text: bytes, end: int) -> None:
    assert quoted_end(text, 0) == end


# Paths


def test_a_path_may_be_as_long_as_the_command_line_allows() -> None:
    host = b"@example.org"
    assert is_path(b"a" * (MAX_PATH - len(host)) + host)
    assert not is_path(b"a" * (MAX_PATH - len(host) + 1) + host)


def test_the_last_at_sign_splits_a_path() -> None:
    assert is_path(b'"a@b"@example.org')
    assert not is_path(b"a@b@example.org")


@pytest.mark.parametrize(
    ("domain", "good"),
    [
        (b"[1]", True),
        (b"[]", False),
        (b"[ 1]", False),
        (b"[1 ]", False),
        (b"[1", False),
        (b"a..b", False),
        (b"a", True),
    ],
)
def test_an_address_literal_is_not_empty_and_has_no_blank(domain: bytes, good: bool) -> None:
    assert is_domain(domain) is good


@pytest.mark.parametrize(
    ("text", "good"),
    [(b'""', True), (b'"a b"', True), (b'"a"b', False), (b'"a\tb"', False), (b'"a\\"', False)],
)
def test_a_quoted_local_part_is_closed_by_its_last_octet(text: bytes, good: bool) -> None:
    assert is_quoted_string(text) is good


def test_by_default_a_sender_is_valid_for_smtp() -> None:
    fields = split_fields("From: jö@example.net\r\n".encode())
    assert envelope_sender(fields, "mail.example.org") is None
    assert envelope_sender(fields, "mail.example.org", for_mda=True) == "jö@example.net".encode()


# Names from the configuration


@pytest.mark.parametrize(
    ("name", "recipient"),
    [
        ("joe", b"joe@home.example"),
        ('jo"e', b'"jo\\"e"@home.example'),
        ("jo\\e", b'"jo\\\\e"@home.example'),
        ("jo e", b'"jo e"@home.example'),
        ("a@b@there.example", b'"a@b"@there.example'),
        ("j\udce9", b"j\xe9@home.example"),
        ("jö", "jö@home.example".encode()),
    ],
)
def test_a_local_name_becomes_an_address(name: str, recipient: bytes) -> None:
    assert recipient_address(name, "home.example", None, None) == recipient


def test_a_non_ascii_login_gives_a_sender_with_question_marks() -> None:
    assert fallback_sender("jö", "mail.example.org") == b"j?@mail.example.org"


def test_outer_dots_of_a_host_are_removed() -> None:
    assert host_bytes("XX.example.XX.") == b"XX.example.XX"


@pytest.mark.parametrize(
    ("host", "domain"),
    [("1.2", b"1.2"), ("a.b.c.d", b"a.b.c.d"), ("192.0.2.1", b"[192.0.2.1]")],
)
def test_only_four_numbers_are_an_ip_address(host: str, domain: bytes) -> None:
    assert strict_domain_part(host) == domain


# The outgoing header


def sent(message: bytes, rules: HeaderRules = PLAIN) -> bytes:
    scanner = HeaderScanner()
    scanner.feed(message)
    return outgoing_header(scanner, rules, None) + scanner.rest


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (b"\0 \r\n", b" \r\n"),
        (b"X\0X\r\n", b"XX\r\n"),
        (b"\0\r\n", b""),
        (b"\0\0\n", b""),
        (b"\0\r\n \r\n", b" \r\n"),
        (b"\0\n\tx\n", b"\tx\n"),
    ],
)
def test_only_a_line_of_only_nuls_is_removed(line: bytes, left: bytes) -> None:
    assert sent(b"A: 1\r\n" + line + b"B: 2\r\n\r\n") == b"A: 1\r\n" + left + b"B: 2\r\n\r\n"


def test_a_message_without_header_is_from_a_mailbox_named_in_ascii() -> None:
    rules = replace(PLAIN, user="jö")
    assert b"Subject: Headerless mail from j?'s mailbox" in sent(b"\r\ntext\r\n", rules)


def test_a_header_that_is_not_complete_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="the header is not complete"):
        outgoing_header(HeaderScanner(), PLAIN, None)


# The trace field


@pytest.mark.parametrize("byte", [bytes([byte]) for byte in b' ()<>;\\"'])
def test_a_protocol_is_one_word(byte: bytes) -> None:
    field = received_field(replace(TRACE, protocol=b"X" + byte + b"Y"), None, b"\r\n")
    assert b" with X?Y (" in field


def test_letters_of_a_protocol_and_a_recipient_stay() -> None:
    field = received_field(replace(TRACE, protocol=b"XX"), b"XX@example.org", b"\r\n")
    assert b" with XX (" in field
    assert b"for <XX@example.org>" in field
