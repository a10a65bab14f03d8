"""The commands and events of an authentication, and their base64 encoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.sasl.exchange import (
    Authenticate,
    Challenge,
    Respond,
    decode_base64,
    decode_initial,
    encode_base64,
    encode_initial,
)
from mailhaul.protocols.secret import Secret


@given(st.binary())
def test_base64_round_trips(data: bytes) -> None:
    assert decode_base64(encode_base64(data)) == data
    assert decode_initial(encode_initial(data)) == data


def test_an_empty_initial_response_is_an_equals_sign() -> None:
    assert encode_initial(b"") == b"="
    assert encode_base64(b"") == b""


@pytest.mark.parametrize("line", [b"=", b"YQ", b"YQ==YQ==", b"Y Q=", b"a\xff==", b"YQ==\r\n", b"*"])
def test_an_initial_response_that_is_not_base64_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not base64"):
        decode_base64(line)


def test_no_command_or_event_shows_a_secret() -> None:
    words = [
        Authenticate(b"PLAIN", Secret(b"geheim")),
        Respond(Secret(b"geheim")),
        Challenge(b"geheim"),
    ]
    assert "geheim" not in f"{words!r}"
