"""BODY= declares what the message declares, and nothing that is unknown."""

from __future__ import annotations

import pytest

from mailhaul.protocols.message.body_type import body_type
from mailhaul.protocols.message.header import split_fields

MIME = b"MIME-Version: 1.0\r\n"


@pytest.mark.parametrize(
    ("header", "declared"),
    [
        (b"Content-Transfer-Encoding: 8bit\r\n", b"8BITMIME"),
        (b"CONTENT-TRANSFER-ENCODING: 8BIT\r\n", b"8BITMIME"),
        (b"Content-Transfer-Encoding:\r\n 8bit (as it is)\r\n", b"8BITMIME"),
        (b"Content-Transfer-Encoding: 8bit;\r\n", b"8BITMIME"),
        (b"Content-Transfer-Encoding: 7bit\r\n", b"7BIT"),
        (b"Content-Transfer-Encoding: 7bit\r\nSubject: caf\xc3\xa9\r\n", None),
        (b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 8bit\r\n", b"7BIT"),
        (b"Content-Transfer-Encoding: quoted-printable\r\n", None),
        (b"Content-Transfer-Encoding: base64\r\n", None),
        (b"Content-Transfer-Encoding: binary\r\n", None),
        (b"Content-Transfer-Encoding:\r\n", None),
        (b"X-Content-Transfer-Encoding: 8bit\r\n", None),
        (b"", None),
    ],
)
def test_the_transfer_encoding_is_declared(header: bytes, declared: bytes | None) -> None:
    assert body_type(split_fields(MIME + header)) == declared
    assert body_type(split_fields(header)) == declared


def test_pass8bits_declares_8_bits_whatever_the_header_says() -> None:
    assert body_type([], pass8bits=True) == b"8BITMIME"
    fields = split_fields(b"Content-Transfer-Encoding: 7bit\r\n")
    assert body_type(fields, pass8bits=True) == b"8BITMIME"
