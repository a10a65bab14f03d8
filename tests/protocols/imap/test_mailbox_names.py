"""Mailbox names in modified UTF-7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.imap.mailbox_names import decode_mailbox, encode_mailbox


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", b"INBOX"),
        ("a b/c", b"a b/c"),
        ("Entw&APw-rfe", b"Entw&APw-rfe"),
        ("Entwürfe", b"Entw&APw-rfe"),
        ("ü & ä", b"&APw- &- &AOQ-"),
        ("台北", b"&U,BTFw-"),
        ("日本語", b"&ZeVnLIqe-"),
        ("📬", b"&2D3c7A-"),
    ],
)
def test_a_name_is_encoded(name: str, wire: bytes) -> None:
    assert encode_mailbox(name) == wire


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"a&-b", "a&b"),
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        (b"&2D3eAA-", "\N{GRINNING FACE}"),
        (b"&broken", "&broken"),
        (b"&!!-x", "&!!-x"),
        (b"&2D0-", "&2D0-"),
        (b"&A-", "&A-"),
        ("Entwürfe".encode(), "Entwürfe"),
        (b"\xff", "\udcff"),
    ],
)
def test_a_name_from_the_wire_is_readable(wire: bytes, name: str) -> None:
    assert decode_mailbox(wire) == name


def test_with_utf8_a_name_is_utf8_and_an_ampersand_is_literal() -> None:
    assert encode_mailbox("Entwürfe", utf8=True) == "Entwürfe".encode()
    assert decode_mailbox(b"a&-b", utf8=True) == "a&-b"


@given(st.text().filter(lambda name: not name.isascii()))
def test_an_encoded_name_can_be_decoded(name: str) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return
    assert decode_mailbox(encode_mailbox(name)) == name
    assert decode_mailbox(encode_mailbox(name, utf8=True), utf8=True) == name


@given(st.binary(max_size=20))
def test_any_name_can_be_read(wire: bytes) -> None:
    assert isinstance(decode_mailbox(wire), str)
    assert isinstance(decode_mailbox(wire, utf8=True), str)


def test_octets_that_are_not_utf8_go_as_they_are() -> None:
    assert encode_mailbox("Entw\udcfcrfe") == b"Entw\xfcrfe"
    assert decode_mailbox(b"Entw\xfcrfe") == "Entw\udcfcrfe"
