"""Line ends are converted in the same way however the message is split into chunks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.line_ends import Canonical, ForceCr, Identity, StripCr

Converter = Identity | StripCr | ForceCr | Canonical
CHUNKS = st.lists(st.text("\r\nab", max_size=6).map(str.encode), max_size=12)


def converted(converter: Converter, chunks: list[bytes]) -> bytes:
    return b"".join([*(converter.feed(chunk) for chunk in chunks), converter.finish()])


@given(CHUNKS)
def test_identity_changes_nothing(chunks: list[bytes]) -> None:
    assert converted(Identity(), chunks) == b"".join(chunks)


@given(CHUNKS)
def test_strip_cr_equals_a_simple_replacement_for_any_split(chunks: list[bytes]) -> None:
    assert converted(StripCr(), chunks) == re.sub(rb"\r?\r\n", b"\n", b"".join(chunks))


@given(CHUNKS)
def test_force_cr_equals_a_simple_replacement_for_any_split(chunks: list[bytes]) -> None:
    assert converted(ForceCr(), chunks) == re.sub(rb"\r?\r?\n", b"\r\n", b"".join(chunks))


@given(CHUNKS)
def test_canonical_equals_a_simple_replacement_for_any_split(chunks: list[bytes]) -> None:
    expected = re.sub(rb"\r?\r?\n|\r", b"\r\n", b"".join(chunks))
    assert converted(Canonical(), chunks) == expected


@pytest.mark.parametrize(
    ("text", "stripped", "forced"),
    [
        (b"a\r\nb\r\n", b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\nb\n", b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\r\r\nb\rc\n\r", b"a\nb\rc\n\r", b"a\r\nb\rc\r\n\r"),
        (b"a\r\r\r\nb", b"a\r\nb", b"a\r\r\nb"),
        (b"", b"", b""),
    ],
)
def test_each_kind_of_line_end_is_converted(text: bytes, stripped: bytes, forced: bytes) -> None:
    bytewise = [bytes((byte,)) for byte in text]
    assert converted(StripCr(), bytewise) == stripped
    assert converted(ForceCr(), bytewise) == forced


@pytest.mark.parametrize("kind", [StripCr, ForceCr])
def test_no_more_than_two_crs_are_held_back(kind: type[StripCr | ForceCr]) -> None:
    converter = kind()
    assert converter.feed(b"a\r\r\r") == b"a\r"
    assert converter.feed(b"") == b""
    assert converter.finish() == b"\r\r"
    assert converter.finish() == b""


def test_a_chunk_that_needs_no_change_is_not_copied() -> None:
    chunk = b"line\r\n" * 1000
    assert ForceCr().feed(chunk) is chunk
    assert Identity().feed(chunk) is chunk
