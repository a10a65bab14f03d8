"""SASLprep: the examples of RFC 4013, section 3, and what cannot be prepared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.sasl.saslprep import saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("u\u0308", "\u00fc"),
        ("\u0627b\u0627"[:1], "\u0627"),
        ("\u06271\u0628", "\u06271\u0628"),
        # Newer than Unicode 3.2, so unassigned there; a query string may contain it.
        ("\U0001f511", "\U0001f511"),
    ],
)
def test_text_is_prepared(text: str, prepared: str) -> None:
    assert saslprep(text.encode()) == prepared.encode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"\x07", id="ASCII control"),
        pytest.param("\u2168\x7f".encode(), id="control"),
        pytest.param("\u2168\ue000".encode(), id="private use"),
        pytest.param("\u00adé\u200e".encode(), id="changes the display"),
        pytest.param("\u2168\ufffd".encode(), id="not for plain text"),
        pytest.param("\u06271".encode(), id="right to left, and does not end so"),
        pytest.param("1\u0627".encode(), id="right to left, and does not begin so"),
        pytest.param("\u0627a\u0627\u00ad".encode(), id="both directions"),
        pytest.param("\u00ad".encode(), id="nothing left"),
        pytest.param(b"caf\xe9 \xc2\xad", id="not UTF-8"),
    ],
)
def test_text_that_cannot_be_prepared_stays_unchanged(text: bytes) -> None:
    assert saslprep(text) == text


@given(st.text())
def test_prepared_text_is_not_changed_again(text: str) -> None:
    prepared = saslprep(text.encode())
    assert saslprep(prepared) == prepared


@given(st.binary())
def test_any_bytes_give_bytes_and_nothing_is_lost(text: bytes) -> None:
    assert bool(saslprep(text)) == bool(text)
