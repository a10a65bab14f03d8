"""Mailbox names in modified UTF-7."""

from __future__ import annotations

import pytest

from mailhaul.protocols.imap.mailbox_names import encode_mailbox


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
def test_how_a_name_goes_on_the_wire(name: str, wire: bytes) -> None:
    assert encode_mailbox(name) == wire
